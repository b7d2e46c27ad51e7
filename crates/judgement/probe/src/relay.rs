//! The relay test (active-filter §4): would a host relay mail for strangers?
//!
//! Sender and recipient are ours, whatever form the address has; the forms that name the host name it by its
//! address, never by a name that it gives itself, which may be anybody's.
//!
//! At most one test in 30 days is made of an address, so what an open relay's record says (7 days) ends before
//! it may be asked again: for the rest of the 30 days nothing is known of it. The promise not to ask counts more
//! than the renewal, and a host that was repaired is not punished for longer than a week.

use std::net::IpAddr;

use postern_types::{Address, Domain, Host, LocalPart, Reply};

use crate::errand::Heard;
use crate::talk::TalkError;
use crate::{Form, Relay};

/// A form of the recipient's address, and what the host said to it.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) form: Form,
    pub(crate) reply: Reply,
}

/// Whom a relay test is from and to: two domains of ours, or our host's name where there is only one.
pub(crate) fn ends(domains: &[Domain], hostname: &Domain) -> (Address, Address) {
    let first = domains.first().unwrap_or(hostname);
    let other = domains.iter().chain([hostname]).find(|domain| *domain != first).unwrap_or(first);
    (at("relay-test", first.clone().into()), at("nobody", other.clone().into()))
}

/// Every form of the recipient's address, the plain one first.
pub(crate) fn forms(to: &Address, host: IpAddr, us: Option<IpAddr>) -> Vec<(Form, Address)> {
    let (local, domain) = (to.local().as_str(), to.host().to_string());
    let there = || Host::Literal(host.to_canonical());
    let literal = us.map(|us| (Form::Literal, at(local, Host::Literal(us.to_canonical()))));
    let tricks = [
        (Form::Percent, at(&format!("{local}%{domain}"), there())),
        (Form::Bang, at(&format!("{domain}!{local}"), there())),
        (Form::Quoted, at(&format!("{local}@{domain}"), there())),
    ];
    [(Form::Plain, to.clone())].into_iter().chain(literal).chain(tricks).collect()
}

fn at(local: &str, host: Host) -> Address {
    #[allow(
        clippy::unwrap_used,
        reason = "plain words and domain names: 1 to 256 octets, no control characters"
    )]
    let local = LocalPart::from_unquoted(local).or_else(|_| LocalPart::parse("nobody")).unwrap();
    Address::new(local, host)
}

/// Whether a host says that it does not relay. Postfix says so with 454 unless it is told to say 554.
pub(crate) fn denies(reply: &Reply) -> bool {
    let names_relaying = || reply.lines().iter().any(|line| line.to_lowercase().contains("relay"));
    reply.code.is_permanent() || (reply.code.is_transient() && names_relaying())
}

/// What a host's answers come to.
pub(crate) fn read(heard: Result<Heard, TalkError>) -> Relay {
    match heard {
        Ok(Heard::Relay(tried)) => judge(&tried),
        // Who does not even take the sender relays nothing for him.
        Ok(Heard::Refused { at: "MAIL", reply }) if reply.code.is_permanent() => Relay::Closed,
        Ok(Heard::Refused { at: "MAIL", reply }) => Relay::Unclear { why: format!("it said {reply}") },
        Ok(Heard::BrokenOff(why)) => Relay::Unclear { why },
        Ok(Heard::Refused { at, reply }) => Relay::Unreachable { why: format!("at {at} it said {reply}") },
        Ok(Heard::Greeting(_) | Heard::User { .. }) => Relay::Unclear { why: "nothing was asked".into() },
        Err(error) => Relay::Unreachable { why: error.to_string() },
    }
}

/// A plain address or a literal that was accepted says it all. The other forms may be taken for a mailbox of the
/// host's own: a host that takes some of them and not others knows what they mean, one that takes all of them
/// takes any name.
fn judge(tried: &[Tried]) -> Relay {
    let accepted: Vec<Form> =
        tried.iter().filter(|tried| tried.reply.code.is_positive()).map(|tried| tried.form).collect();
    let is_elsewhere = |form: &Form| matches!(form, Form::Plain | Form::Literal);
    let tricks = tried.iter().filter(|tried| !is_elsewhere(&tried.form)).count();
    let taken = accepted.iter().filter(|form| !is_elsewhere(form)).count();
    if accepted.iter().any(is_elsewhere) || (taken > 0 && taken < tricks) {
        return Relay::Open { forms: accepted };
    }
    if taken > 0 {
        return Relay::Unclear { why: "it takes any name for one of its own".into() };
    }
    match tried.iter().find(|tried| !denies(&tried.reply)) {
        Some(later) => Relay::Unclear { why: format!("it said {}", later.reply) },
        None => Relay::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(codes: &[(Form, u16)]) -> Relay {
        let said = |&(form, code): &(Form, u16)| Tried { form, reply: Reply::new(code, None, "x") };
        judge(&codes.iter().map(said).collect::<Vec<_>>())
    }

    #[test]
    fn answers_are_read() {
        use Form::*;
        let open = |forms: &[Form]| Relay::Open { forms: forms.to_vec() };
        for (codes, expected) in [
            (vec![(Plain, 250)], open(&[Plain])),
            (vec![(Plain, 550), (Literal, 550), (Percent, 550), (Bang, 550), (Quoted, 550)], Relay::Closed),
            (
                vec![(Plain, 550), (Literal, 250), (Percent, 550), (Bang, 550), (Quoted, 550)],
                open(&[Literal]),
            ),
            (
                vec![(Plain, 550), (Literal, 550), (Percent, 250), (Bang, 550), (Quoted, 550)],
                open(&[Percent]),
            ),
            (vec![(Plain, 550)], Relay::Closed),
        ] {
            assert_eq!(tried(&codes), expected, "{codes:?}");
        }
        let catch_all = [(Plain, 550), (Literal, 550), (Percent, 250), (Bang, 250), (Quoted, 250)];
        assert!(matches!(tried(&catch_all), Relay::Unclear { .. }));
        assert!(matches!(tried(&[(Plain, 451)]), Relay::Unclear { .. }));
    }

    #[test]
    fn a_temporary_no_is_one_when_it_is_about_relaying() {
        let said = |text: &'static str| {
            judge(&[Tried { form: Form::Plain, reply: Reply::new(454, Some((4, 7, 1)), text) }])
        };
        assert_eq!(said("<nobody@ours.test>: Relay access denied"), Relay::Closed);
        assert!(matches!(said("Greylisted"), Relay::Unclear { .. }));
    }

    #[test]
    fn both_ends_are_ours_and_so_is_every_form() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let host = domain("mx.example.org");
        let (from, to) = ends(&[domain("example.org"), domain("example.net")], &host);
        assert_eq!(
            (from.to_string().as_str(), to.to_string().as_str()),
            ("relay-test@example.org", "nobody@example.net")
        );
        let (from, to) = ends(&[], &host);
        assert_eq!(
            (from.to_string().as_str(), to.to_string().as_str()),
            ("relay-test@mx.example.org", "nobody@mx.example.org")
        );
        let (_, to) = ends(&[domain("example.org")], &host);
        let forms = forms(&to, "192.0.2.1".parse().unwrap(), "192.0.2.9".parse().ok());
        let forms: Vec<String> = forms.iter().map(|(_, address)| address.to_string()).collect();
        assert_eq!(
            forms,
            [
                "nobody@mx.example.org",
                "nobody@[192.0.2.9]",
                "nobody%mx.example.org@[192.0.2.1]",
                "mx.example.org!nobody@[192.0.2.1]",
                "\"nobody@mx.example.org\"@[192.0.2.1]",
            ]
        );
    }
}
