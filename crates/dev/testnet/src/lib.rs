//! A test internet on loopback: an authoritative DNS server, remote SMTP hosts that do what
//! they are told, an SMTP client that reads like a conversation, and real programs
//! (Postfix, swaks, curl, …) started in folders of their own.
//!
//! For tests, for the bench, and for `postern try`. Nothing here leaves 127.0.0.0/8.
//!
//! ```
//! use postern_testnet::{Client, Internet, SmtpPeer, Zone};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let net = Internet::start().await?;
//! net.dns().add(Zone::new("example.test").mx(10, "mx1").txt("@", "v=spf1 mx -all"));
//! let mx = net.host("mx1.example.test", SmtpPeer::new().unknown_user("nobody")).await?;
//!
//! let mut c = Client::connect(mx.address()).await?;
//! c.expect("220 mx1.example.test *").await;
//! c.send("EHLO client.test").await;
//! c.expect("250*").await;
//! c.send("MAIL FROM:<ann@example.org>").await;
//! c.expect("250 *").await;
//! c.send("RCPT TO:<nobody@example.test>").await;
//! c.expect("550 5.1.1 *").await;
//! assert_eq!(mx.count("RCPT*"), 1);
//! # Ok(()) }
//! ```

mod address;
mod browser;
mod client;
mod conversation;
mod dns;
mod gate;
mod glob;
mod http;
mod internet;
mod peer;
mod postfix;
pub mod real_client;
mod running;
mod sendmail;
mod smtp_source;
mod tls;
mod tool;
mod world;
mod zone;

pub use address::{bind_smtp, fresh_address};
pub use browser::{Browser, Scheme, Screen};
pub use client::{Client, ClientError, ReplyText};
pub use dns::{DnsServer, Question};
pub use gate::Gate;
pub use glob::matches as glob_matches;
pub use http::{Connection, HttpAnswer, HttpClient};
pub use internet::Internet;
pub use peer::{Act, Extensions, SmtpPeer, Stage};
pub use postfix::{Postfix, RunningPostfix};
pub use running::{Received, RunningPeer};
pub use sendmail::{RunningSendmail, Sendmail};
pub use smtp_source::SmtpSource;
pub use tls::Certificate;
pub use tool::{Finished, Tool, skip};
pub use zone::{Fault, Kind, Zone};
