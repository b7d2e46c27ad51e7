//! The feedback list: a host that later stages caught is turned away at the door for a while.
//!
//! Sessions [`report`](Feedback::report) what came of them and never wait. A writer gathers the reports, and
//! [`decide`], a pure function, says what follows from a host's history: strikes count and decay, blocks grow
//! with each repetition, parole follows a block, clean mail speaks for a host, and a host that many share is
//! never blocked for long. What is an offence, and what it weighs, is one table ([`Offence`]).
//!
//! Everything is in the store: the entries (`postern ban list`), what each host was caught at with its
//! trace (`postern ban why`), and the sums, so that a restart forgets nothing.

mod decide;
mod offence;
mod settings;
mod shared;
mod told;
mod writer;

pub use decide::{Decision, History, Seen, Share, decide};
pub use offence::{Caught, Offence, Row, caught, harvesting};
pub use settings::{Exempt, Settings};
pub use told::{Taken, Told};
pub use writer::{Feedback, Outcome, Report, Writer};
