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
        /// Connections in a minute to the hosts of one network (/24, /64), and to those whose MX names belong to one
        /// registered domain, whatever senders they are asked about. Whoever sends can make up thousands of domains
        /// whose mail goes to one host; and one large provider has the mail of thousands of honest ones. There is one
        /// connection at a time in any case.
        target_per_minute: u32 = 6, 0 ..= 1000;
        /// The same in a day. Ten times what one domain has, and a tenth of what all have together.
        target_per_day: u32 = 500, 0 ..= 100_000;
        /// Questions on their way at the same time, besides those that wait for another's connection to the same host
        /// to end; a change holds from the next start on.
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

settings! {
    /// How long an answer of an active test serves. One that is renewed is asked for again, in the background, when it is
    /// wanted after that time; if that fails the old one serves until its end. A change holds for answers that come in
    /// from then on. What could not be found out serves for three hours.
    pub struct ProbeKeep in Table("probe.keep") {
        /// A sender exists.
        sender_exists: Duration = "31 d", "1 h" ..= "52 w";
        /// When that is renewed.
        sender_exists_refresh: Duration = "7 d", "10 min" ..= "52 w";
        /// A sender does not exist.
        sender_missing: Duration = "3 d", "1 h" ..= "31 d";
        /// When that is renewed.
        sender_missing_refresh: Duration = "3 h", "10 min" ..= "31 d";
        /// What holds for all senders of a domain: that it takes every name, that its mail hosts know their users, or
        /// do not want us.
        domain: Duration = "7 d", "1 h" ..= "52 w";
        /// When that is renewed.
        domain_refresh: Duration = "3 h", "10 min" ..= "52 w";
        /// A host relays for strangers. When this has ended nothing is held against the host, and it is not tested again
        /// until `relay_closed` has passed too: it may have been repaired.
        relay_open: Duration = "7 d", "1 h" ..= "30 d";
        /// A host does not. No host is tested again within this time, whatever the test said.
        relay_closed: Duration = "30 d", "30 d" ..= "52 w";
        /// A host could not be reached for the relay test.
        relay_unreachable: Duration = "1 d", "1 h" ..= "52 w";
        /// Whether a host answers on its SMTP port.
        connect_back: Duration = "7 d", "1 h" ..= "52 w";
        /// Whether the neighbours of a host do; so long is nobody in its network asked again.
        neighbours: Duration = "3 w", "1 w" ..= "52 w";
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
