//! File descriptors: each connection takes one, and many systems give a process 1,024 unless it asks for more.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::NetError;

/// Raises the soft limit on open files to what the hard one allows, and gives it.
///
/// # Errors
/// [`NetError::Descriptors`].
pub fn raise_open_files() -> Result<u64, NetError> {
    let failed = |errno: nix::errno::Errno| NetError::Descriptors(errno.into());
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let given = raise_open_files().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!((soft, hard), (given, given));
    }
}
