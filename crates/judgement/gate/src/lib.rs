//! The gate: collectors of evidence about a client, a sender and a message.
//!
//! [`Gate`] is shared by all sessions: address lists, DNS block lists and their health, rules for
//! headers. [`Gate::fast`] answers whether an address is listed in well under a microsecond. A
//! [`Collector`] belongs to one session: it starts its questions as soon as it can and never
//! waits before [`Collector::evidence`] is asked for. What it brings is judged by `postern-policy`.
//!
//! ```text
//! match gate.fast(ip) { Blocked | Feedback => judge(&gate.door(ip), …, Stage::Connect), … }
//! let mut collector = gate.begin(ip, Trust::Stranger);   // PTR and DNS lists are under way
//! collector.helo(helo);  collector.mail(&sender);        // more questions, still no waiting
//! let evidence = collector.settle(&policy, &profile).await;  // now it waits, up to the deadline
//! collector.headers(&header, &recipients);               // DKIM keys and DMARC policies are under way
//! collector.body(&piece);  collector.end();
//! let evidence = collector.evidence(Stage::Data).await;
//! let field = collector.report();                        // Authentication-Results
//! ```

mod active;
mod authentic;
mod collector;
mod dialup;
mod dnsbl;
mod error;
mod gate;
mod header;
mod health;
mod helo;
mod lists;
mod loaded;
mod lookup;
mod message;
mod profile;
mod reverse;
mod sample;
mod sender;
mod settings;

pub use collector::{Collector, Trust};
pub use dialup::{DialupNames, dialup_names};
pub use dnsbl::{ZoneReport, ZoneState};
pub use error::GateError;
pub use gate::{Fast, Gate, Refreshed};
pub use profile::profile;
pub use sample::Sample;
pub use settings::{
    Authentication, Code, ConnectBack, Dnsbl, DnsblCheck, HeaderRule, HeaderTest, NetworkList, SenderList,
    Settings, UserTest,
};
