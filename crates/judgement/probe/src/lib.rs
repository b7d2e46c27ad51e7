//! The prober: the one place through which every connection goes that a test opens.
//!
//! A test asks a [`Question`] and has one of three things at once ([`Asked`]): an answer that is fresh
//! enough, the word that it is being found out, or why it is not asked. Nothing here makes a session wait:
//! who wants to may [wait a moment](Pending::wait) for what is pending.
//!
//! What the prober promises to the world, and keeps here and nowhere else:
//!
//! * one question is asked once, however many sessions want to know, and its answer is kept across
//!   restarts; it is renewed in the background before it ends, and a failed attempt never erases a good
//!   answer that still serves;
//! * one connection at a time to whoever has the host that is asked, and few in a minute and a day, whatever domains
//!   lead there; few questions about one domain or network; few in all; hosts that do not answer are left alone for
//!   longer and longer;
//! * whoever does not want to be asked is not asked, nor is this host itself, nor what is not public;
//! * an honest name in EHLO, no message ever: no command but EHLO, HELO, MAIL, RCPT, RSET and QUIT
//!   leaves this crate;
//! * every connection is written down before it is opened, with everything that was said, where the
//!   operator can read it.
//!
//! ```text
//! match prober.ask(Question::User(sender), "mail from 192.0.2.7").await {
//!     Asked::Fresh(answer) => …,
//!     Asked::Pending(pending) => pending.wait(moment).await …,
//!     Asked::NotAllowed(why) => …,
//! }
//! ```

mod answer;
mod breaker;
mod cache;
mod clock;
mod connect;
mod errand;
mod find_out;
mod flight;
mod hosts;
mod limit;
mod not_allowed;
mod place;
mod prober;
mod question;
mod relay;
mod reply;
mod seat;
mod settings;
mod talk;
mod target;
mod user;
mod visit;
mod way_out;

pub use answer::{Answer, Connect, Form, Neighbours, Obstacle, Relay, User};
pub use clock::{Clock, system_clock};
pub use flight::{Pending, Waited};
pub use not_allowed::NotAllowed;
pub use prober::{Asked, Parts, Prober};
pub use question::Question;
pub use reply::{Recipient, classify};
pub use settings::{Breaking, Keep, Limits, Settings, Timeouts};
