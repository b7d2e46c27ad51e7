//! The gate: collectors of evidence about a client, a sender and a message.
//!
//! [`Gate`] is shared by all sessions: address lists, DNS block lists and their health, rules for
//! headers. [`Gate::fast`] answers whether an address is listed in well under a microsecond. A
//! [`Collector`] belongs to one session: it starts its questions as soon as it can and never
//! waits before [`Collector::evidence`] is asked for. What it brings is judged by `postern-policy`; how a verdict on
//! a recipient and on the whole message comes about, and what follows from it, is the same for every service and
//! is here too (`judgement.rs`, `judged.rs`, `door.rs`).
//!
//! ```text
//! match gate.fast(ip) { Blocked | Feedback => judge(&gate.door(ip), …, Stage::Connect), … }
//! let mut collector = gate.begin(ip, Trust::Stranger);   // PTR and DNS lists are under way
//! collector.helo(helo);  collector.mail(&sender);        // more questions, still no waiting
//! let judged = collector.judge_recipient(address, profile, &policy, &mut seen).await;  // now it waits, up to the deadline
//! collector.judge_header(&header, &mut recipients, &policy, trace).await?;  // DKIM keys and DMARC policies are under way
//! collector.body(&piece);  collector.end();
//! collector.judge_message(&mut recipients, &policy, trace).await?;
//! let field = collector.report();                        // Authentication-Results
//! ```

mod active;
mod authentic;
mod collector;
mod dialup;
mod dnsbl;
mod door;
mod error;
mod gate;
mod header;
mod health;
mod helo;
mod judged;
mod judgement;
mod lists;
mod loaded;
mod lookup;
mod message;
mod profile;
mod reverse;
mod sample;
mod sender;
mod settings;
mod weighed;

pub use collector::{Collector, Trust};
pub use dialup::{DialupNames, dialup_names};
pub use dnsbl::{ZoneReport, ZoneState};
pub use door::TurnedAway;
pub use error::GateError;
pub use gate::{Fast, Gate, Refreshed};
pub use judged::{Judged, MARK, Placement, Recipient, Seen, shared_mark};
pub use judgement::Known;
pub use profile::profile;
pub use sample::Sample;
pub use settings::{
    Authentication, Code, ConnectBack, Dnsbl, DnsblCheck, HeaderRule, HeaderTest, NetworkList, SenderList,
    Settings, UserTest,
};
