//! Internet messages (RFC 5322, MIME): header fields read without parsing bodies, the trace
//! fields that a server adds, a bounded look at the structure, and building our own messages.
//!
//! No I/O. Whatever reads a message that came from outside has a bound on size, count and
//! depth, and an answer for every input.

mod automatic;
mod collector;
mod delivery;
mod draft;
mod fields;
mod links;
mod mime;
mod received;
mod summary;

pub use automatic::is_automatic;
pub use collector::{DEFAULT_HEADER_SIZE, HeaderCollector};
pub use delivery::{HOPS, delivered_to, hop_count, return_path, was_delivered_to};
pub use draft::{Attachment, Draft};
pub use fields::{DEFAULT_FIELD_COUNT, Field, Fields};
pub use received::{Protocol, Received, Transmission};
pub use summary::{Bounds, Mailbox, Part, Summary};
