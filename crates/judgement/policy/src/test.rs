//! The tests: one row each, from which settings, replies and explanations follow.

use std::fmt;

use postern_types::Blame;
use serde::{Deserialize, Serialize};

use crate::{Points, RuleAction};

/// Where in the session a test's answer is known. Ordered as the session goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The connection stands; nothing was said.
    #[default]
    Connect,
    /// HELO or EHLO was given.
    Helo,
    /// MAIL was given.
    Mail,
    /// RCPT was given: from here the recipient's profile counts.
    Rcpt,
    /// The message was read.
    Data,
}

/// Whom a test's rule reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every client that is not allow-listed, once a recipient is named.
    Strangers,
    /// As `Strangers`, but a rule that rejects does so at once, before any recipient is named.
    Connection,
    /// As `Strangers`, but never the null sender.
    Sender,
    /// Everybody: what keeps mail from going round in circles counts for friends too.
    Everyone,
}

/// What a refusal says. `{fact}` and `{trace}` are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The reply code.
    pub code: u16,
    /// The enhanced code (RFC 3463 and its registry).
    pub enhanced: (u8, u16, u16),
    /// The public text.
    pub text: &'static str,
    /// Whose fault it is.
    pub blame: Blame,
}

/// One row of the table of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The test.
    pub test: Test,
    /// Its name in settings, evidence and pages; never changed once published.
    pub name: &'static str,
    /// When its answer is known.
    pub stage: Stage,
    /// Whom it reaches.
    pub reach: Reach,
    /// What a hit means, in one sentence.
    pub meaning: &'static str,
    /// What a hit does unless it is configured otherwise.
    pub action: RuleAction,
    /// What a hit adds to the score unless it is configured otherwise.
    pub weight: Points,
    /// What a refusal by this test says.
    pub answer: Answer,
    /// How the sentence "it would have been delivered if …" goes on for somebody whom the test does not hit;
    /// `{label}` is the finding's zone, rule or field. Empty: the explanation makes do with the test's name.
    pub otherwise: &'static str,
}

macro_rules! tests {
    ($($variant:ident $name:literal: $stage:ident, $reach:ident, $action:ident, $weight:literal,
       $meaning:literal; $code:literal $enhanced:tt $blame:ident $text:literal $(, else $otherwise:literal)?;)*) => {
        /// One question about a client, a sender or a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Test {
            $(#[doc = $meaning] $variant,)*
        }

        impl Test {
            /// Every test, in the order of the session.
            pub const ALL: &'static [Test] = &[$(Test::$variant,)*];
            const TABLE: &'static [Entry] = &[$(Entry {
                test: Test::$variant,
                name: $name,
                stage: Stage::$stage,
                reach: Reach::$reach,
                meaning: $meaning,
                action: RuleAction::$action,
                weight: Points::hundredths($weight),
                answer: Answer { code: $code, enhanced: $enhanced, text: $text, blame: Blame::$blame },
                // The column may be left out.
                otherwise: [$($otherwise,)? ""][0],
            },)*];
        }
    };
}

tests! {
    AllowList "allow_list": Connect, Strangers, Score, 0,
        "The client's address is on the operator's allow list: no other test counts.";
        550 (5, 7, 1) Client "Refused ({trace})";
    BlockList "block_list": Connect, Connection, Reject, 0,
        "The client's address is on the operator's block list.";
        554 (5, 7, 1) Client "Your address is blocked here ({trace})",
            else "the operator did not block the address";
    Feedback "feedback": Connect, Connection, Reject, 0,
        "The client's address was caught lately by a later test.";
        554 (5, 7, 1) Client "Your address is blocked for a while after earlier abuse ({trace})",
            else "the address had not been caught before";
    Dnsbl "dnsbl": Connect, Strangers, Score, 500,
        "The client's address is on a DNS block list.";
        554 (5, 7, 1) Client "{fact} ({trace})",
            else "{label} did not list the address";
    EarlyTalk "early_talk": Connect, Strangers, Score, 400,
        "The client spoke before it was greeted.";
        554 (5, 5, 1) Protocol "You spoke before the greeting ({trace})",
            else "the client had waited for the greeting";
    ConnectionRate "connection_rate": Connect, Strangers, Score, 100,
        "The client connects more often than the limit.";
        450 (4, 7, 0) Client "Too many connections from your address; try again later ({trace})",
            else "the client had connected less often";
    Rdns "rdns": Connect, Strangers, Score, 200,
        "The client's address has no name (PTR).";
        550 (5, 7, 25) Client "Your address has no reverse DNS name ({trace})",
            else "the address had a name";
    Fcrdns "fcrdns": Connect, Strangers, Score, 100,
        "No name of the client's address leads back to the address.";
        550 (5, 7, 25) Client "Your reverse DNS name does not lead back to your address ({trace})",
            else "a name of the address led back to it";
    Pipelining "pipelining": Helo, Strangers, Score, 200,
        "The client sent commands ahead where it must wait for the answer.";
        554 (5, 5, 0) Protocol "You did not wait for the reply ({trace})",
            else "the client had waited for the replies";
    HeloSyntax "helo_syntax": Helo, Strangers, Score, 200,
        "The HELO name is neither a domain name nor an address literal.";
        550 (5, 5, 2) Protocol "Your HELO name is not a valid name ({trace})",
            else "the HELO name were a name";
    HeloOurs "helo_ours": Helo, Strangers, Reject, 0,
        "A stranger gives our own name or address in HELO.";
        550 (5, 7, 1) Client "Your HELO name is ours ({trace})",
            else "the HELO name were not ours";
    HeloUnqualified "helo_unqualified": Helo, Strangers, Score, 200,
        "The HELO name is a single label.";
        550 (5, 5, 2) Client "Your HELO name is not fully qualified ({trace})",
            else "the HELO name were fully qualified";
    HeloLiteral "helo_literal": Helo, Strangers, Score, 200,
        "The address literal in HELO is not the client's address.";
        550 (5, 7, 1) Client "The address in your HELO is not yours ({trace})",
            else "the address in HELO were the client's";
    HeloUnresolved "helo_unresolved": Helo, Strangers, Score, 150,
        "The HELO name is not in the DNS.";
        550 (5, 7, 1) Client "Your HELO name is not in the DNS ({trace})",
            else "the HELO name were in the DNS";
    SenderList "sender_list": Mail, Sender, Reject, 0,
        "The sender's address or domain is on the operator's block list.";
        550 (5, 7, 1) Sender "The sender is blocked here ({trace})",
            else "the operator did not block the sender";
    SenderDomain "sender_domain": Mail, Sender, Reject, 0,
        "The sender's domain cannot receive mail, so it cannot be answered.";
        550 (5, 1, 8) Sender "{fact} ({trace})",
            else "the sender's domain could receive mail";
    Spf "spf": Mail, Strangers, Score, 300,
        "The sender's domain says that the client may not send its mail (SPF fail).";
        550 (5, 7, 23) Sender "{fact} ({trace})",
            else "the sender's domain let this address send its mail (SPF)";
    SpfSoftFail "spf_softfail": Mail, Strangers, Score, 100,
        "The sender's domain says that the client probably may not send its mail (SPF softfail).";
        550 (5, 7, 23) Sender "{fact} ({trace})",
            else "the sender's domain let this address send its mail (SPF)";
    Dialup "dialup": Mail, Strangers, Score, 300,
        "The client's name is that of a residential or dynamic address.";
        550 (5, 7, 1) Client "Your address has the name of a residential or dynamic one ({trace})",
            else "the client's name were not that of a residential or dynamic address";
    Relay "relay": Rcpt, Strangers, Off, 200,
        "The client relays mail for strangers.";
        550 (5, 7, 1) Client "Your host relays mail for strangers ({trace})",
            else "the client did not relay for strangers";
    User "user": Rcpt, Sender, Score, 400,
        "The sender's own mail host says that there is no such user.";
        550 (5, 1, 7) Sender "{fact} ({trace})",
            else "the sender's mail host knew the sender";
    HeaderRule "header_rule": Data, Strangers, Score, 300,
        "A header field matches a rule of the operator.";
        550 (5, 7, 1) Content "The message header is not accepted here ({trace})",
            else "the rule {label} did not fit the header";
    HeaderMissing "header_missing": Data, Strangers, Score, 100,
        "A header field that every message has is missing.";
        550 (5, 6, 0) Content "{fact} ({trace})",
            else "the header had a {label} field";
    HeaderDuplicate "header_duplicate": Data, Strangers, Score, 100,
        "A header field that may stand once stands more often.";
        550 (5, 6, 0) Content "{fact} ({trace})",
            else "the header had one {label} field";
    Dkim "dkim": Data, Strangers, Score, 0,
        "A signature of the message does not hold (DKIM).";
        550 (5, 7, 20) Sender "{fact} ({trace})",
            else "the signature held (DKIM)";
    Arc "arc": Data, Strangers, Score, 0,
        "The seals of those who passed the message on do not hold (ARC).";
        550 (5, 7, 29) Sender "{fact} ({trace})",
            else "the seals held (ARC)";
    Dmarc "dmarc": Data, Strangers, Score, 50,
        "The author's domain did not send the message, and asks for nothing to be done about it (DMARC, p=none).";
        550 (5, 7, 1) Sender "{fact} ({trace})",
            else "the author's domain had sent or signed it (DMARC)";
    DmarcQuarantine "dmarc_quarantine": Data, Strangers, Quarantine, 0,
        "The author's domain did not send the message, and asks for quarantine (DMARC, p=quarantine).";
        550 (5, 7, 1) Sender "{fact} ({trace})",
            else "the author's domain had sent or signed it (DMARC)";
    DmarcReject "dmarc_reject": Data, Strangers, Reject, 0,
        "The author's domain did not send the message, and asks for it to be refused (DMARC, p=reject).";
        550 (5, 7, 1) Sender "{fact} ({trace})",
            else "the author's domain had sent or signed it (DMARC)";
    Hops "hops": Data, Everyone, Reject, 0,
        "The message goes round in circles.";
        554 (5, 4, 6) Content "{fact} ({trace})",
            else "the message did not go round in circles";
}

impl Test {
    /// The test's row.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        // The macro makes one row for each variant, in the same order.
        &Self::TABLE[self as usize]
    }

    /// The stable name: `gate.tests.<name>` holds its settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// When the answer is known.
    #[must_use]
    pub fn stage(self) -> Stage {
        self.entry().stage
    }

    /// The test of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|test| test.name() == name)
    }

    /// The key of its settings.
    #[must_use]
    pub fn setting(self) -> String {
        format!("gate.tests.{}", self.name())
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Test {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::by_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format_args!("no test is called `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_test_and_name() {
        for &test in Test::ALL {
            assert_eq!(test.entry().test, test);
            assert_eq!(Test::by_name(test.name()), Some(test));
            assert!(test.entry().meaning.ends_with('.'));
            assert!(test.entry().answer.text.ends_with("({trace})"));
        }
        assert!(Test::ALL.is_sorted_by_key(|test| test.stage()), "in the order of the session");
    }
}
