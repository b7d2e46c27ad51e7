//! The DNS as mail uses it: typed questions, bounded answers, and a clear line between
//! "it is not there" and "nobody could tell".
//!
//! [`Dns`] is a cheap handle that everything above shares. Each question is asked once,
//! however many sessions wait for it; the answer is kept as long as its TTL says
//! (RFC 1035, 2308), a failure for a few seconds (RFC 9520). [`Answer::NotFound`] is what a
//! server stated; SERVFAIL, a timeout or a broken answer are [`Answer::Unknown`] and must
//! never count against anybody.
//!
//! hickory does the wire: retries, choice of server, EDNS, TCP after truncation. The cache,
//! the single flight and the reading of answers are here, because hickory's own resolver
//! answers for 127.0.0.0/8 by itself and hands out whole messages where mail needs values.

mod answer;
mod cache;
mod name;
mod question;
mod read;
mod resolver;
mod reverse;
mod settings;
mod wire;

pub use answer::{Absent, Answer, Unknown};
pub use name::QueryName;
pub use read::{MAX_ADDRESSES, MAX_EXCHANGES, MAX_NAMES, MAX_TEXTS, Mx, Mxs};
pub use resolver::{Counts, Dns, MailHosts};
pub use reverse::{Forward, ReverseName};
pub use settings::{DnsError, Servers, Settings};
