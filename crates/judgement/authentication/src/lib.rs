//! Sender authentication as evidence: SPF (RFC 7208), DKIM (6376, 8301, 8463), ARC (8617), DMARC (7489, 9091)
//! and the field that reports them (8601).
//!
//! No verdict is made here: each part says what it found, and DNS trouble is `temperror`, never a failure.

mod lookup;
mod spf;

pub use lookup::Lookup;
pub use spf::{Identity, Sender, Spf, spf};
