//! Every setting of Postern, each defined once: one file for each part of the server.

mod door;
mod gate;
mod mail;
mod server;

pub use door::{Limits, Listen, MinimumTls, Signin, Tls, Trust};
pub use gate::{Dnsbl, DnsblCheck, Gate, HeaderRule, HeaderTest, TestAction, TestMode, TestRow, TestRule};
pub use mail::{Announce, BareNewline, Dns, Paths, Plaintext, Pop3, Proxy, ProxyTls, Smtp};
pub use server::{Keep, Log, LogFormat, LogLevel, Reach, Server, Watch};
