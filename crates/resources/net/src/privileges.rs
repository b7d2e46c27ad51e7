//! Giving up root for good, once the ports are bound.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Uid, User, getegid, geteuid, getgroups, getresgid, getresuid};
use nix::unistd::{initgroups, setgroups, setresgid, setresuid};

use crate::NetError;

/// Who the process is after [`drop_to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It was root and is that user now.
    Changed,
    /// It was that user already.
    Same,
}

/// Becomes `user` with that user's groups, for all threads and for good, and checks that
/// there is no way back. A process that runs as that user already stays as it is.
///
/// Certificates, keys and the data folder must be readable by that user afterwards: they are
/// opened again when they change.
///
/// # Errors
/// No such user; a process that is neither root nor that user; a step that the system refuses,
/// after which the process must end, as it may hold half of its rights.
pub fn drop_to(user: &str) -> Result<Identity, NetError> {
    let found = User::from_name(user)
        .map_err(|errno| failed("looking up the user", errno))?
        .ok_or_else(|| NetError::UnknownUser(user.to_owned()))?;
    if found.uid.is_root() {
        return Err(NetError::RunsAsRoot);
    }
    if geteuid() == found.uid {
        return Ok(Identity::Same);
    }
    if !geteuid().is_root() {
        return Err(NetError::NotRoot { user: user.to_owned(), uid: geteuid().as_raw() });
    }
    let name = CString::new(found.name.as_str()).map_err(|_| NetError::UnknownUser(user.to_owned()))?;
    // The order matters: groups need root, so the user id goes last.
    initgroups(&name, found.gid)
        .or_else(|_| setgroups(&[found.gid]))
        .map_err(|errno| failed("taking the user's groups", errno))?;
    setresgid(found.gid, found.gid, found.gid).map_err(|errno| failed("taking the user's group", errno))?;
    setresuid(found.uid, found.uid, found.uid).map_err(|errno| failed("taking the user's id", errno))?;
    // No program that is started from here can become root by a set-user-id bit.
    nix::sys::prctl::set_no_new_privs().map_err(|errno| failed("no_new_privs", errno))?;
    verify(found.uid, found.gid)?;
    Ok(Identity::Changed)
}

/// Refuses to go on as root.
///
/// # Errors
/// [`NetError::RunsAsRoot`].
pub fn refuse_root() -> Result<(), NetError> {
    if geteuid().is_root() { Err(NetError::RunsAsRoot) } else { Ok(()) }
}

/// Tries the ways back, and looks at every id.
fn verify(uid: Uid, gid: Gid) -> Result<(), NetError> {
    let still = |step| Err(NetError::Privileges { step, source: io::Error::other("it did not take effect") });
    let users = getresuid().map_err(|errno| failed("reading the user ids", errno))?;
    if users.real != uid || users.effective != uid || users.saved != uid {
        return still("taking the user's id");
    }
    let groups = getresgid().map_err(|errno| failed("reading the group ids", errno))?;
    if groups.real != gid || groups.effective != gid || groups.saved != gid || getegid() != gid {
        return still("taking the user's group");
    }
    let root = Gid::from_raw(0);
    let others = getgroups().map_err(|errno| failed("reading the groups", errno))?;
    if gid != root && others.contains(&root) {
        return still("taking the user's groups");
    }
    if setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        return still("giving up root");
    }
    Ok(())
}

fn failed(step: &'static str, errno: nix::errno::Errno) -> NetError {
    NetError::Privileges { step, source: errno.into() }
}
