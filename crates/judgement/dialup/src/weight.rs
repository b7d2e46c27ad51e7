//! The table of weights: what each observation adds to the log-odds that a host is a dial-up one.
//!
//! The score is a logistic one: the weights of what was seen are added to the bias, and
//! `100 / (1 + e^-sum)` is the likelihood. 0.70 doubles the odds, 2.30 makes them ten times as
//! high. The weights were set by hand on the calibration part of `data/names.csv`, never on the
//! part held out, which `tests/sample.rs` measures; `postern probe calibrate` does the same with
//! a file of your own. A further method is a variant and a row.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! features {
    ($($variant:ident $weight:literal $meaning:literal;)*) => {
        /// Something seen that speaks for or against a dial-up host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Feature {
            $(#[doc = $meaning] $variant,)*
        }

        impl Feature {
            /// Every feature, in the order of the table.
            pub const ALL: &'static [Feature] = &[$(Feature::$variant,)*];
            const DEFAULTS: &'static [i32] = &[$($weight,)*];

            /// What was seen, in words.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Feature::$variant => $meaning,)* }
            }
        }
    };
}

// Hundredths of log-odds.
features! {
    // The name and the address.
    WholeAddress       400 "the name holds the whole address";
    PartOfAddress      320 "the name holds a part of the address";
    LastOctet           60 "the name holds the last octet of the address";
    // Words, left of the registered domain.
    ClientWord         320 "a word for access or changing addresses";
    ServerWord        -650 "a word for servers";
    StaticWord        -720 "a word for addresses that stay, or for companies";
    HostingWord       -560 "a word for machines in data centres";
    // The registered domain.
    HostingDomain     -480 "the domain's name says that it rents out machines";
    BareDomain        -150 "the name is a registered domain itself";
    // The look of the name.
    ManyNumbers         60 "six digits or more, a third of the name or more";
    LongNumber          80 "a number or code that does not come from the address";
    SeveralNames      -120 "the address has several names";
    // The neighbours' names; not counted for names with a word for servers, which are numbered too.
    TemplateFilled     240 "the neighbours' names are the same template, filled with their addresses";
    TemplateNumbered   180 "the neighbours' names differ in numbers that follow the address";
    NeighboursAlike    200 "the neighbours' names differ in numbers and codes only";
    NeighboursDiffer  -100 "the neighbours' names are different ones";
    // Who answers on the SMTP port. Large senders send from hosts that take no mail, so silence says little.
    AnswersSmtp       -350 "the host itself answers on its SMTP port";
    SilentSmtp          80 "nobody answers on the host's SMTP port";
    BesideAnswers     -150 "hosts beside it answer on their SMTP ports";
    BesideSilent        80 "nobody answers on the SMTP ports beside it";
    // Exemptions.
    SenderPointsHere -1500 "the sender's domain has its mail host here";
    SpfPass           -300 "SPF says that the sender's domain sends from here";
}

/// The log-odds before anything was seen.
const BIAS: i32 = -220;

/// The weights in use, in hundredths of log-odds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    bias: i32,
    of: Vec<i32>,
}

impl Weights {
    /// The log-odds before anything was seen.
    #[must_use]
    pub fn bias(&self) -> i32 {
        self.bias
    }
}

impl Default for Weights {
    /// The table's.
    fn default() -> Self {
        Self { bias: BIAS, of: Feature::DEFAULTS.to_vec() }
    }
}

impl std::ops::Index<Feature> for Weights {
    type Output = i32;
    fn index(&self, feature: Feature) -> &i32 {
        // One weight for each feature: `default` makes them all, nothing removes one.
        &self.of[feature as usize]
    }
}

impl std::ops::IndexMut<Feature> for Weights {
    fn index_mut(&mut self, feature: Feature) -> &mut i32 {
        &mut self.of[feature as usize]
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meaning())
    }
}
