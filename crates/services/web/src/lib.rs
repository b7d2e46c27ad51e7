//! The recipients' quarantine in a browser: what is held, why, and letting it go.
//!
//! A digest ([`Digests`]) is a mail that tells a recipient what is held, with a link `https://HOST/q/TOKEN`. The
//! token is 32 random bytes, known to the store by its hash only, for one recipient, for a week. To look at
//! the link changes nothing (programs that check links in mail look at every one of them): it shows a button, and the
//! button's POST uses the link up and opens a session of half an hour.
//!
//! Read `site.rs` first: it is the table of pages. `door.rs` lets people in, `held.rs` shows and releases
//! messages, `senders.rs` keeps the recipient's own lists. Every change is a POST that carries a token made
//! from the session's cookie. The pages need no script and fetch nothing from elsewhere.

mod cookie;
mod digest;
mod door;
mod error;
mod forwarded;
mod held;
mod letter;
mod page;
mod senders;
mod service;
mod settings;
mod site;
mod text;
mod token;
mod visitor;
mod why;

pub use digest::{DigestError, Digests, LinkSettings, Sent, SentTo};
pub use service::{Encryption, Parts, Service, guard};
pub use settings::{Limits, PublicUrl, Settings, UrlError};
pub use token::NoRandom;
