//! The table of offences: what a host may be caught at, what it weighs, and how it shows.

use postern_policy::{Action, ActionKind, Decision, Standing, Test, Verdict};

/// Something strong that a host was caught at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offence {
    /// It asked for many recipients that there are not.
    Harvesting,
    /// It relays for strangers, and its mail failed.
    OpenRelay,
    /// It sent in the name of a domain that says it does not.
    Forgery,
    /// It pretends to be us.
    OurName,
    /// It spoke out of turn as only a sending program does, and its mail failed.
    OutOfTurn,
    /// It has the name of a dial-up host, and its mail failed.
    Dialup,
    /// A DNS list knows it, and its mail failed.
    Listed,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The offence.
    pub offence: Offence,
    /// Its name in the store; never changed once published.
    pub name: &'static str,
    /// What it means, in words that follow "the host".
    pub words: &'static str,
    /// What it weighs, in hundredths of an ordinary strike.
    pub weight: u32,
    /// The tests that show it, by name, where they count and the mail was refused or held.
    tests: &'static [&'static str],
    /// One of these must count as well, where any is named.
    beside: &'static [&'static str],
}

/// Heaviest first: one transaction is one strike, for the first that fits.
const TABLE: [Row; 7] = [
    Row {
        offence: Offence::Harvesting,
        name: "harvesting",
        words: "tried many addresses that do not exist",
        weight: 150,
        tests: &[],
        beside: &[],
    },
    Row {
        offence: Offence::OpenRelay,
        name: "open_relay",
        words: "relays mail for strangers",
        weight: 150,
        tests: &["relay"],
        beside: &[],
    },
    Row {
        offence: Offence::Forgery,
        name: "forgery",
        words: "sent in a domain's name that says it does not",
        weight: 100,
        tests: &["dmarc_reject"],
        // A mailing list that changes what passes through it breaks the author's signature, and is itself all the same.
        beside: &["spf", "spf_softfail"],
    },
    Row {
        offence: Offence::OurName,
        name: "our_name",
        words: "pretended to be this server",
        weight: 100,
        tests: &["helo_ours"],
        beside: &[],
    },
    Row {
        offence: Offence::OutOfTurn,
        name: "out_of_turn",
        words: "spoke out of turn and sent what failed",
        weight: 100,
        tests: &["early_talk", "pipelining"],
        beside: &[],
    },
    Row {
        offence: Offence::Dialup,
        name: "dialup",
        words: "has the name of a dial-up host and sent what failed",
        weight: 100,
        tests: &["dialup"],
        beside: &[],
    },
    Row {
        offence: Offence::Listed,
        name: "listed",
        words: "is on a DNS block list and sent what failed",
        weight: 100,
        tests: &["dnsbl"],
        beside: &[],
    },
];

/// Unknown recipients in one session that are harvesting …
const UNKNOWN: u32 = 10;
/// … when there are so many times as many as there were known ones: a list that is a little old is none.
const UNKNOWN_TO_KNOWN: u32 = 4;

impl Offence {
    /// All of them.
    pub fn all() -> impl Iterator<Item = &'static Row> {
        TABLE.iter()
    }

    /// Its row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        // One row for each variant, in the same order: see the test.
        &TABLE[self as usize]
    }

    /// The offence of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.offence)
    }
}

/// An offence, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// Which.
    pub offence: Offence,
    /// What was seen, in words.
    pub words: String,
}

/// What a transaction with this verdict was caught at. Only mail that was refused or held counts, and only
/// what the judgement itself counted; the recipient's own lists and wishes are nobody's offence. A verdict is
/// looked at as if the recipient wanted failed mail refused: one who lets it pass protects nobody else.
#[must_use]
pub fn caught(verdict: &Verdict) -> Option<Caught> {
    let by_judgement = matches!(verdict.decided_by, Decision::Rule { .. } | Decision::Score { .. });
    // A host that is turned away at the door was caught before.
    let at_the_door = |test: Test| {
        matches!(test, Test::BlockList | Test::Feedback | Test::ConnectionRate | Test::SenderList)
    };
    if !by_judgement || matches!(verdict.decided_by, Decision::Rule { test } if at_the_door(test)) {
        return None;
    }
    if matches!(verdict.action, Action::Deliver) && verdict.profile.failed != postern_policy::Ceiling::Pass {
        return None;
    }
    let counted = || verdict.reasons.iter().filter(|reason| reason.standing == Standing::Counted);
    TABLE.iter().find_map(|row| {
        let one_of = |tests: &[&str]| counted().find(|reason| tests.contains(&reason.test.name()));
        let reason = one_of(row.tests)?;
        if !row.beside.is_empty() {
            one_of(row.beside)?;
        }
        let end = match verdict.action.kind() {
            ActionKind::Refuse => "refused",
            ActionKind::Quarantine => "held",
            ActionKind::Deliver | ActionKind::Tag => "failed",
        };
        let words = format!("{} ({end}, {})", reason.words, verdict.decided_by);
        Some(Caught { offence: row.offence, words })
    })
}

/// Whether a session's recipients show that it tries addresses.
#[must_use]
pub fn harvesting(unknown: u32, known: u32) -> Option<Caught> {
    let many = unknown >= UNKNOWN && unknown >= known.saturating_mul(UNKNOWN_TO_KNOWN);
    let words = || format!("{unknown} recipients that do not exist, {known} that do");
    many.then(|| Caught { offence: Offence::Harvesting, words: words() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_policy::{Ceiling, Evidence, Fact, Finding, Listed, Outcome, Policy, Profile, Stage, judge};

    fn verdict(tests: &[Test], profile: &Profile) -> Verdict {
        let findings = tests.iter().map(|&test| Finding::new(test, Outcome::Hit, Fact::Nothing)).collect();
        let evidence = Evidence { findings, ..Evidence::default() };
        judge(&evidence, &Policy::default(), profile, Stage::Data)
    }

    fn offence(tests: &[Test]) -> Option<Offence> {
        caught(&verdict(tests, &Profile::default())).map(|caught| caught.offence)
    }

    #[test]
    fn every_row_is_found_by_its_offence_and_name() {
        for row in Offence::all() {
            assert_eq!(row.offence.row(), row);
            assert_eq!(Offence::by_name(row.name), Some(row.offence));
        }
        assert!(TABLE.is_sorted_by(|a, b| a.weight >= b.weight), "heaviest first");
    }

    #[test]
    fn the_heaviest_that_counts_is_the_strike() {
        assert_eq!(offence(&[Test::HeloOurs]), Some(Offence::OurName));
        assert_eq!(offence(&[Test::Dnsbl, Test::Dialup]), Some(Offence::Dialup));
        assert_eq!(offence(&[Test::Dialup]), None, "three points are no failure");
        assert_eq!(offence(&[Test::HeaderMissing, Test::HeaderDuplicate, Test::Rdns, Test::Fcrdns]), None);
        assert_eq!(offence(&[Test::BlockList, Test::Dialup]), None, "it was known at the door");
        assert_eq!(offence(&[Test::Hops]), None);
        assert_eq!(offence(&[Test::Spf, Test::DmarcReject]), Some(Offence::Forgery));
        assert_eq!(offence(&[Test::DmarcReject]), None, "a mailing list, as far as the envelope tells");
    }

    #[test]
    fn what_a_recipient_wants_is_nobodys_offence() {
        let blocks =
            Profile { sender: Listed::Blocked { entry: "example.org".into() }, ..Profile::default() };
        assert_eq!(caught(&verdict(&[Test::Rdns], &blocks)), None);
        let passes = Profile { failed: Ceiling::Pass, ..Profile::default() };
        let caught = caught(&verdict(&[Test::HeloOurs], &passes)).unwrap();
        assert_eq!(caught.offence, Offence::OurName, "who lets it pass protects nobody else");
        assert!(caught.words.ends_with("(failed, the rule for helo_ours)"), "{}", caught.words);
    }

    #[test]
    fn trying_addresses_is_not_the_same_as_an_old_list() {
        assert!(harvesting(9, 0).is_none());
        assert!(harvesting(10, 0).is_some());
        assert!(harvesting(10, 3).is_none());
        assert!(harvesting(40, 10).is_some());
    }
}
