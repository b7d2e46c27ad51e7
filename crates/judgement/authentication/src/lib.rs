//! Sender authentication as evidence: SPF (RFC 7208), DKIM (6376, 8301, 8463), ARC (8617), DMARC (7489, 9091)
//! and the field that reports them (8601).
//!
//! No verdict is made here: each part says what it found, and DNS trouble is `temperror`, never a failure.

mod arc;
mod body;
mod dmarc;
mod forged;
mod header;
mod key;
mod lookup;
mod message;
mod report;
mod signature;
mod spf;
mod tags;

pub use arc::Arc;
pub use dmarc::{Dmarc, DmarcPolicy};
pub use forged::without_forged;
pub use lookup::Lookup;
pub use message::{Authentication, Body, Dkim, Known, MOST_HASHES, MOST_KEYS, MOST_SIGNATURES, Plan};
pub use report::Report;
pub use spf::{Identity, Sender, Spf, spf};
