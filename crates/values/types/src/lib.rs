//! The words of mail as values: addresses, domains, replies, trace ids, times.
//!
//! Everything above speaks in these types. Each is parsed once, at the edge, and cannot
//! hold an invalid value afterwards. No I/O, no clock of its own except where a function
//! says so.

mod address;
mod authenticity;
mod domain;
mod id;
mod network;
mod path;
mod reply;
mod secret;
mod time;
mod zone;

pub use address::{Address, AddressError, Host, LocalPart};
pub use authenticity::Authenticity;
pub use domain::{Domain, DomainError};
pub use id::{TraceId, TraceIdError, TraceIds};
pub use network::{AddressSet, Network, NetworkError};
pub use path::{ForwardPath, ReversePath};
pub use reply::{Blame, EnhancedCode, Refusal, Reply, ReplyCode};
pub use secret::Secret;
pub use time::Timestamp;
pub use zone::{Zone, ZoneError};
