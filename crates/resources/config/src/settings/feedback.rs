//! `[feedback]`: hosts that later stages caught are turned away at the door for a while.

use std::time::Duration;

use crate::schema::settings;

settings! {
    /// The feedback list: a host that a later stage caught (as an open relay, at forging a sender, at trying
    /// addresses …) is turned away at the door for a while. Networks of `gate.allow`, of `postern list` and of
    /// `signin.never_ban` are never on it. `postern ban` shows it and lifts its entries.
    pub struct Feedback in Table("feedback") {
        /// Whether there is one. What it does is `gate.tests.feedback`.
        enabled: bool = true;
        /// How often a host is caught, within about a day, until it is turned away.
        after: u32 = 3, 1 ..= 1000;
        /// After this long having been caught counts half.
        half_life: Duration = "1 d", "1 s" ..= "52 w";
        /// How long the first time. Each further time is four times as long, and until some time after a block
        /// being caught once is enough.
        first: Duration = "1 h", "1 s" ..= "52 w";
        /// The longest time.
        max: Duration = "7 d", "1 s" ..= "520 w";
        /// The longest time for a host that many share: one that sends clean mail too, sends for several domains,
        /// or is a large provider's. It must also be caught four times as often.
        max_shared: Duration = "15 min", "0 s" ..= "1 d";
    }
}
