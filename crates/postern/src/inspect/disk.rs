//! Is there room for mail?

use std::path::Path;
use std::time::Instant;

use postern_config::Size;
use postern_net::measure::FreeDisk;

use super::Finding;

/// Looks at the disk that holds the data folder; `reserve` is what must stay free.
pub(crate) fn inspect(folder: &Path, reserve: Size) -> Finding {
    let about = "free disk space";
    let space = match FreeDisk::new(folder).space(Instant::now()) {
        Ok(space) => space,
        Err(error) => return Finding::unknown(about, error.to_string()),
    };
    let found = format!("{} MB of {} MB", space.free / 1_000_000, space.total / 1_000_000);
    if space.free < reserve.0 || space.free_files < 1000 {
        return Finding::problem(about, format!("{found}, too little to take mail"))
            .so(format!("Free some: at least {reserve} must stay free (`limits.free_disk`)."));
    }
    if space.free < reserve.0.saturating_mul(4) {
        return Finding::warning(about, found).so("Free some before mail is put off.");
    }
    Finding::ok(about, found)
}
