//! Signing in: password hashes (argon2id, RFC 9106), and delays and bans for those who guess.
//!
//! Everything is in memory, and the [`Guard`] reads no clock: the caller says what time it is.
//! [`PasswordHash`] is the value that the store keeps, [`Verifier`] checks passwords without
//! taking more than its share of the processor, [`Guard`] decides who must wait.

mod clock;
mod guard;
mod hash;
mod ledger;
mod password;
mod verifier;

pub use clock::{Clock, SystemClock};
pub use guard::{Admission, Ban, Guard, Settings};
pub use hash::{Cost, PasswordHash};
pub use password::{LONGEST, generate};
pub use verifier::{Answer, Verifier};

/// What can go wrong with passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigninError {
    /// The text is no argon2id hash, or one that would cost too much to check.
    #[error(
        "this is no password hash that Postern can check (it must be a PHC string of argon2id, at most 256 MiB and 16 passes)"
    )]
    NotAHash,
    /// The password is empty or longer than [`LONGEST`] bytes.
    #[error("a password has 1 to 1024 bytes")]
    Length,
    /// The cost is outside what argon2 can do.
    #[error("argon2 cannot work with {memory_kib} KiB, {passes} passes and {lanes} lanes")]
    Cost {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// Hashing failed: no memory for it, or the process is stopping.
    #[error("the password could not be hashed: {0}")]
    Failed(String),
}
