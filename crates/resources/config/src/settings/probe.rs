//! `[probe]`: the tests that open connections of their own.

use std::time::Duration;

use postern_types::{Domain, Network};

use crate::choice::choice;
use crate::schema::settings;

settings! {
    /// The active tests: those that ask other hosts. Which of them count, and how much, is said in
    /// `[gate.tests.dialup]`, `[gate.tests.relay]` and `[gate.tests.user]`; here is whom they ask and how often. They
    /// never send a message. `postern probe ledger` shows every connection that was opened.
    pub struct Probe in Table("probe") {
        /// Whether the dial-up test connects back to a client whose name leaves it in doubt, to see whether it answers
        /// on its SMTP port.
        connect_back: bool = true;
        /// How many neighbours of such a client are connected to as well, one connection each in three weeks for the
        /// whole network. 0: none. It touches hosts that have nothing to do with the mail.
        neighbours: u8 = 0, 0 ..= 6;
        /// About which senders their own mail host is asked, where the score is in doubt.
        user_test: UserTest = "authentic";
        /// How long a session waits for an answer. If the user test has none by then and it could change the verdict,
        /// the client is asked to come back (`451`).
        wait: Duration = "2 s", "0 s" ..= "30 s";
        /// Domains that do not want to be asked, with all below them.
        opt_out_domains: Vec<Domain> = [];
        /// Networks that do not want to be asked.
        opt_out_networks: Vec<Network> = [];
        /// Networks that are not public and may be connected to all the same. A domain's MX record can name any
        /// address, also one inside your network.
        private_networks: Vec<Network> = [];
        /// Questions in a minute, in all.
        per_minute: u32 = 30, 0 ..= 10_000;
        /// Questions in a day, in all.
        per_day: u32 = 5000, 0 ..= 1_000_000;
        /// Questions about one domain, or hosts of one network (/24, /64), in a minute.
        place_per_minute: u32 = 1, 0 ..= 1000;
        /// Questions about one domain or network in a day.
        place_per_day: u32 = 50, 0 ..= 100_000;
        /// Questions on their way at the same time; a change holds from the next start on. One host has one
        /// connection at a time, whatever this says.
        concurrent: u32 = 10, 1 ..= 1000;
        /// How long connecting may take.
        connect_timeout: Duration = "10 s", "100 ms" ..= "5 min";
        /// How long a host may take to answer one command.
        command_timeout: Duration = "30 s", "100 ms" ..= "5 min";
        /// How long one question may take in all.
        deadline: Duration = "90 s", "1 s" ..= "30 min";
        /// The port that is connected to. Another than 25 is for tests only.
        port: u16 = 25, 1 ..= 65_535;
    }
}

choice! {
    /// About which senders their own mail host is asked.
    pub enum UserTest {
        /// those whose domain is shown to send the mail (SPF), so that a victim of forgery is not bothered
        Authentic = "authentic",
        /// all of them
        Everybody = "everybody",
    }
}
