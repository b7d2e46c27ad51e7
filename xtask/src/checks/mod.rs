//! Checks of the project's shape that no compiler makes.

pub(crate) mod layers;
pub(crate) mod licences;
mod source;
mod spdx;
pub(crate) mod words;

use crate::Failure;

/// One line for each fault; none is well.
fn verdict(faults: &[String], well: String) -> Result<String, Failure> {
    if faults.is_empty() {
        return Ok(well);
    }
    let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
    Err(format!("{} faults\n{}", faults.len(), lines.join("\n")))
}
