//! What a server's answer to RCPT says about the user: a pure function.

use postern_types::{Address, Reply};

/// What an answer to RCPT says about the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// It would be taken.
    Accepted,
    /// There is no such user.
    NoSuchUser,
    /// They do not want us.
    DislikesUs,
    /// They can tell later.
    Later,
    /// Neither yes nor no.
    Unclear,
}

/// How servers say that there is no such user.
const NO_SUCH_USER: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "no such recipient",
    "no such mailbox",
    "no such address",
    "no such account",
    "user not found",
    "mailbox not found",
    "recipient not found",
    "address not found",
    "does not exist",
    "doesn't exist",
    "unknown recipient",
    "recipient unknown",
    "unknown mailbox",
    "mailbox unknown",
    "unknown address",
    "address unknown",
    "unknown local part",
    "unknown local-part",
    "no mailbox here by that name",
    "not a valid mailbox",
    "not a known user",
    "invalid mailbox",
    "invalid recipient",
    "doesn't have a",
    "utilisateur inconnu",
    "destinataire inconnu",
    "unbekannter benutzer",
    "unbekannter empf",
    "benutzer unbekannt",
    "usuario desconocido",
    "utente sconosciuto",
];

/// Words of servers that speak about us and not about the user, whatever the code.
const ABOUT_US: &[&str] = &[
    "blocked",
    "blacklist",
    "black list",
    "blocklist",
    "block list",
    "rbl",
    "dnsbl",
    "spam",
    "denied",
    "policy",
    "reputation",
    "greylist",
    "graylist",
    "grey-list",
    "rate limit",
    "too many",
    "temporar",
    "try again",
    "banned",
    "verif",
    "callback",
    "callout",
    "reverse dns",
    "listed",
    "relay",
    "authenti",
    "client host",
    "your ip",
    "your host",
    "null sender",
];

/// Reads an answer to `RCPT TO:<recipient>`. In doubt it is [`Recipient::Unclear`]: an accusation needs a server
/// that says "no such user" and nothing else.
#[must_use]
pub fn classify(reply: &Reply, recipient: &Address) -> Recipient {
    let code = reply.code;
    if code.is_positive() {
        // rfc5321 §4.2.2: 252 is "cannot verify".
        return if code.get() == 252 { Recipient::Unclear } else { Recipient::Accepted };
    }
    if code.is_transient() {
        return Recipient::Later;
    }
    if !code.is_permanent() {
        return Recipient::Unclear;
    }
    let says = Words::of(reply, recipient);
    let detail = reply.enhanced.map(|enhanced| (enhanced.class, enhanced.subject, enhanced.detail));
    match detail {
        Some((5, 7, _)) => Recipient::DislikesUs,
        _ if says.any(ABOUT_US) => Recipient::Unclear,
        // rfc3463 §3.2, and rfc7505 §4.2 for 5.1.10.
        Some((5, 1, 1 | 10)) => Recipient::NoSuchUser,
        // 5.0.0 says as much as no code.
        None | Some((5, 0, 0)) if matches!(code.get(), 550 | 553) && says.any(NO_SUCH_USER) => {
            Recipient::NoSuchUser
        }
        _ => Recipient::Unclear,
    }
}

/// The words of a reply in lower case, without the address in it, which its owner chose.
struct Words(String);

impl Words {
    fn of(reply: &Reply, recipient: &Address) -> Self {
        let text = reply.lines().join(" ").to_lowercase();
        let text = text.replace(&recipient.to_string().to_lowercase(), " ");
        let domain = recipient.host().to_string().to_lowercase();
        let text = text.replace(&domain, " ");
        Self(text.replace(&format!("<{}>", recipient.local()).to_lowercase(), " "))
    }

    fn any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.0.contains(phrase))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &str) -> Reply {
        let (code, text) = wire.split_at(3);
        let text = text.trim_start();
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        match postern_types::EnhancedCode::parse(first) {
            Some(e) => {
                Reply::new(code.parse().unwrap(), Some((e.class, e.subject, e.detail)), rest.to_owned())
            }
            None => Reply::new(code.parse().unwrap(), None, text.to_owned()),
        }
    }

    #[test]
    fn what_servers_say() {
        use Recipient::*;
        let user: Address = "spammy@denied.example".parse().unwrap();
        for (said, expected) in [
            // Yes.
            ("250 2.1.5 Ok", Accepted),
            ("250 OK", Accepted),
            ("251 2.1.5 User not local; will forward", Accepted),
            ("252 2.1.5 Cannot VRFY user", Unclear),
            // No such user.
            ("550 5.1.1 <spammy@denied.example>: Recipient address rejected: User unknown", NoSuchUser),
            ("550 5.1.1 The email account that you tried to reach does not exist.", NoSuchUser),
            ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", NoSuchUser),
            ("550 No such user here", NoSuchUser),
            ("550 spammy@denied.example: User unknown", NoSuchUser),
            ("550 <spammy>: Unknown user", NoSuchUser),
            ("553 sorry, no mailbox here by that name. (#5.1.1)", NoSuchUser),
            ("550 5.0.0 User unknown", NoSuchUser),
            ("550 Requested action not taken: mailbox unavailable; unknown recipient", NoSuchUser),
            ("550 Utilisateur inconnu", NoSuchUser),
            // They speak about us.
            ("550 5.7.1 Client host [192.0.2.1] blocked using bl.example", DislikesUs),
            ("554 5.7.1 Service unavailable", DislikesUs),
            ("530 5.7.0 Must issue a STARTTLS command first", DislikesUs),
            ("550 5.1.1 Recipient rejected: your IP is on our blacklist", Unclear),
            ("550 5.1.1 Callback verification not allowed", Unclear),
            ("550 No such user; relaying denied", Unclear),
            ("550 5.4.1 Recipient address rejected: Access denied", Unclear),
            // Neither.
            ("550 Requested action not taken: mailbox unavailable", Unclear),
            ("550 Unrouteable address", Unclear),
            ("550 5.2.1 The account is disabled", Unclear),
            ("552 5.2.2 Mailbox full", Unclear),
            ("551 5.1.6 User has moved", Unclear),
            ("550 5.1.0 Address rejected", Unclear),
            ("551 User unknown", Unclear),
            ("554 User unknown", Unclear),
            ("501 5.1.3 Bad recipient address syntax", Unclear),
            ("503 5.5.1 Need MAIL command", Unclear),
            ("521 does not accept mail", Unclear),
            // Later.
            ("450 4.2.0 <spammy@denied.example>: Recipient address rejected: Greylisted", Later),
            ("451 4.7.1 Greylisting in action, please come back later", Later),
            ("450 4.1.1 <x>: Recipient address rejected: User unknown", Later),
            ("421 4.3.2 Too busy", Later),
            ("452 4.5.3 Too many recipients", Later),
        ] {
            assert_eq!(classify(&read(said), &user), expected, "{said}");
        }
    }
}
