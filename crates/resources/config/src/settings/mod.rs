//! Every setting of Postern, each defined once: one file for each part of the server.

mod authentication;
mod door;
mod feedback;
mod filters;
mod gate;
mod mail;
mod probe;
mod quarantine;
mod server;

pub use authentication::Authentication;
pub use door::{Limits, Listen, MinimumTls, Signin, Tls, Trust};
pub use feedback::Feedback;
pub use filters::{Milter, PolicyService};
pub use gate::{Dnsbl, DnsblCheck, Gate, HeaderRule, HeaderTest, TestAction, TestMode, TestRow, TestRule};
pub use mail::{Announce, BareNewline, Dns, Paths, Plaintext, Pop3, Proxy, ProxyTls, Smtp};
pub use probe::{Probe, ProbeKeep, UserTest};
pub use quarantine::{Digest, Quarantine, Web, WebProtocol};
pub use server::{Keep, Log, LogFormat, LogLevel, Reach, Server, Watch};
