//! Whether many senders stand behind a host.

use postern_policy::{Evidence, Outcome, Rdns, Standing, Test, Verdict};

use crate::{History, Share};

/// Providers whose hosts send for many. A confirmed name of theirs is enough: nobody else can have one.
const PROVIDERS: [&str; 48] = [
    "amazonses.com",
    "aol.com",
    "bigpond.com",
    "bluehost.com",
    "bt.com",
    "comcast.net",
    "constantcontact.com",
    "cox.net",
    "exacttarget.com",
    "fastmail.com",
    "free.fr",
    "gandi.net",
    "gmx.net",
    "google.com",
    "googlemail.com",
    "hostedemail.com",
    "hover.com",
    "icloud.com",
    "ionos.com",
    "kundenserver.de",
    "laposte.net",
    "libero.it",
    "mail.ru",
    "mailchannels.net",
    "mailgun.net",
    "mailgun.org",
    "mailjet.com",
    "mandrillapp.com",
    "mcsv.net",
    "messagingengine.com",
    "migadu.com",
    "mimecast.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "ovh.net",
    "pphosted.com",
    "proofpoint.com",
    "protonmail.ch",
    "qq.com",
    "rzone.de",
    "sendgrid.net",
    "sparkpostmail.com",
    "t-online.de",
    "web.de",
    "yahoo.com",
    "yandex.net",
    "zoho.com",
];
/// Clean messages lately from which on a host is one that people write from.
const CLEAN: f64 = 5.0;
/// Domains that a host was shown to send for from which on it is one that many share.
const DOMAINS: u32 = 3;

/// Who is behind a host, by its history and what the last session showed.
pub(crate) fn share(history: &History, domains: u64, provider: bool) -> Share {
    if provider || history.clean >= CLEAN || domains.count_ones() >= DOMAINS {
        Share::Shared
    } else {
        Share::Own
    }
}

/// Whether the evidence shows a large provider: by its confirmed name, or by a DNS list that speaks for the
/// host, such as a list of known mail servers with a negative weight. Its customers' lines have names below its own
/// too, and are no hosts of its mail.
pub(crate) fn is_provider(evidence: &Evidence, verdicts: &[&Verdict]) -> bool {
    let hit = |test| evidence.of(test).any(|finding| finding.outcome == Outcome::Hit);
    if let Rdns::Confirmed { name } = &evidence.client.rdns
        && !hit(Test::Dialup)
    {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let below = |provider: &&str| {
            name.strip_suffix(*provider).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if PROVIDERS.iter().any(below) {
            return true;
        }
    }
    let speaks_for = |verdict: &&Verdict| {
        verdict.reasons.iter().any(|reason| {
            reason.test == Test::Dnsbl
                && reason.standing == Standing::Counted
                && reason.weight < postern_policy::Points::ZERO
        })
    };
    hit(Test::Dnsbl) && verdicts.iter().any(speaks_for)
}

/// The domains that the evidence shows to stand behind the host, a bit for each.
pub(crate) fn domain_bits(evidence: &Evidence) -> u64 {
    evidence.authentic_domains().fold(0, |bits, domain| bits | bit(domain))
}

/// FNV-1a, folded to one of 63 bits: the store keeps a signed number.
fn bit(domain: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    1 << (domain.bytes().fold(0xcbf2_9ce4_8422_2325, step) % 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_policy::{Fact, Finding};
    use postern_types::Timestamp;

    fn named(name: &str) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.client.rdns = Rdns::Confirmed { name: name.to_owned() };
        evidence
    }

    #[test]
    fn providers_are_known_by_a_name_that_leads_back() {
        assert!(is_provider(&named("mail-qt1-f180.google.com."), &[]));
        assert!(is_provider(&named("Mail.GMX.net"), &[]));
        assert!(!is_provider(&named("mail.notgoogle.com"), &[]));
        let mut forged = Evidence::default();
        forged.client.rdns = Rdns::Unconfirmed { name: "mail.google.com".to_owned() };
        assert!(!is_provider(&forged, &[]));
        let mut line = named("c-73-0-2-1.hsd1.wa.comcast.net");
        assert!(is_provider(&line, &[]));
        line.findings.push(Finding::new(Test::Dialup, Outcome::Hit, Fact::Nothing));
        assert!(!is_provider(&line, &[]), "a customer's line");
        assert!(PROVIDERS.is_sorted());
    }

    #[test]
    fn clean_mail_or_several_domains_make_a_host_shared() {
        let history = History::new(Timestamp::from_millis(0));
        assert_eq!(share(&history, bit("a.example") | bit("b.example"), false), Share::Own);
        let three = bit("a.example") | bit("b.example") | bit("c.example");
        assert_eq!(share(&history, three, false), Share::Shared);
        assert_eq!(share(&History { clean: 5.0, ..history }, 0, false), Share::Shared);
        assert_eq!(share(&history, 0, true), Share::Shared);
    }
}
