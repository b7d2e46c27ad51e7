//! The dial-up test, as far as names tell: is this host a residential or dynamic one that
//! should not send mail directly?
//!
//! What the DNS said about an address and its neighbours goes in as an [`Observation`]; out
//! comes an [`Assessment`]: a [`Likelihood`] and the reasons in words. There is no table of
//! providers. A name counts because it holds the address, because of words for access or for
//! servers in many languages, and because the neighbours' names are the same template filled
//! with their addresses; see the table in `weight.rs`, to which later methods add rows.
//!
//! Pure: no I/O, no clock; the same observation gives the same assessment. Names come from
//! strangers: any text may stand in one, and the work for each is bounded.

mod address;
mod calibrate;
mod distance;
mod mask;
mod name;
mod observation;
mod sample;
mod score;
mod template;
mod weight;
mod word;

pub use calibrate::{Calibration, Row, calibrate};
pub use observation::{MAX_NAME, MAX_NAMES, MAX_NEIGHBOURS, Neighbour, Observation, Smtp, SmtpBeside};
pub use sample::{Label, Part, Sample, SampleError, read_samples};
pub use score::{Assessment, Likelihood, Looked, Reason, score};
pub use weight::{Feature, Weights};
