//! `Authentication-Results` (RFC 8601): what was found, for whoever reads the message after us.

use std::fmt::Write as _;
use std::net::IpAddr;

use postern_types::{Authenticity, Domain};

use crate::message::Authentication;
use crate::spf::{Identity, Spf};

/// Everything that the field reports. What was not checked is left out.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Who checked: our name.
    pub authserv_id: &'a Domain,
    /// SPF.
    pub spf: Option<&'a Spf>,
    /// DKIM, ARC and DMARC.
    pub message: Option<&'a Authentication>,
    /// Whether the name of the client's address leads back to it.
    pub iprev: Option<(Authenticity, IpAddr)>,
}

/// The longest reason, in octets.
const REASON_MAX: usize = 120;

impl Report<'_> {
    /// The field with its folds and its line end; each line is shorter than 998 octets.
    #[must_use]
    pub fn to_field(&self) -> String {
        let mut out = format!("Authentication-Results: {}", self.authserv_id);
        let before = out.len();
        if let Some((result, ip)) = self.iprev {
            method(&mut out, "iprev", result);
            property(&mut out, "policy.iprev", &ip.to_string());
        }
        if let Some(spf) = self.spf {
            method(&mut out, "spf", spf.result);
            reason(&mut out, spf.problem.as_deref());
            let name = match spf.identity {
                Identity::MailFrom => "smtp.mailfrom",
                Identity::Helo => "smtp.helo",
            };
            property(&mut out, name, &spf.domain);
        }
        if let Some(message) = self.message {
            about_message(&mut out, message);
        }
        if out.len() == before {
            // rfc8601 §2.2: no-result
            out.push_str("; none");
        }
        out.push_str("\r\n");
        out
    }
}

fn about_message(out: &mut String, message: &Authentication) {
    for dkim in &message.dkim {
        method(out, "dkim", dkim.result);
        reason(out, dkim.problem.as_deref());
        if let (Some(domain), Some(selector)) = (&dkim.domain, &dkim.selector) {
            property(out, "header.d", domain.as_str());
            property(out, "header.s", selector.as_str());
            property(out, "header.a", dkim.algorithm);
            property(out, "header.b", &dkim.tag);
        }
    }
    if message.dkim.is_empty() {
        method(out, "dkim", Authenticity::None);
    }
    method(out, "dmarc", message.dmarc.result);
    if let Some(domain) = &message.dmarc.domain {
        // rfc8601 §2.7.6 and rfc7489 §11.1 register policy.* for what a receiver applies
        if message.dmarc.result != Authenticity::None {
            property(out, "policy.dmarc", &message.dmarc.policy.to_string());
        }
        property(out, "header.from", domain.as_str());
    }
    method(out, "arc", message.arc.result);
    reason(out, message.arc.problem.as_deref());
    if let Some(sealer) = message.arc.sealers.last() {
        property(out, "header.d", sealer.as_str());
    }
}

fn method(out: &mut String, name: &str, result: Authenticity) {
    // Writing to a string cannot fail.
    let _ = write!(out, ";\r\n\t{name}={result}");
}

fn property(out: &mut String, name: &str, value: &str) {
    out.push_str("\r\n\t ");
    out.push_str(name);
    out.push('=');
    push_value(out, value, 255);
}

fn reason(out: &mut String, why: Option<&str>) {
    if let Some(why) = why {
        out.push_str(" reason=");
        push_quoted(out, why, REASON_MAX);
    }
}

/// rfc8601 §2.2, `pvalue`: a token (rfc2045 §5.1), else a quoted string.
fn push_value(out: &mut String, value: &str, most: usize) {
    let token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte);
    if !value.is_empty() && value.len() <= most && value.bytes().all(token) {
        out.push_str(value);
    } else {
        push_quoted(out, value, most);
    }
}

/// What strangers wrote: only visible ASCII and spaces, and nothing that ends the string.
fn push_quoted(out: &mut String, text: &str, most: usize) {
    out.push('"');
    let plain =
        |c: char| if (c.is_ascii_graphic() && !matches!(c, '"' | '\\')) || c == ' ' { c } else { '?' };
    out.extend(text.chars().take(most).map(plain));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Dkim;

    fn host() -> Domain {
        Domain::parse("mx.here.example").unwrap()
    }

    #[test]
    fn nothing_checked_is_none() {
        let report = Report { authserv_id: &host(), spf: None, message: None, iprev: None };
        assert_eq!(report.to_field(), "Authentication-Results: mx.here.example; none\r\n");
    }

    #[test]
    fn each_method_has_its_properties() {
        let spf = Spf {
            result: Authenticity::PermError,
            identity: Identity::Helo,
            domain: "[192.0.2.1]".into(),
            term: None,
            problem: Some("a \"quoted\" \\ fault\r\n".into()),
            explanation: None,
        };
        let dkim = Dkim {
            result: Authenticity::Pass,
            domain: Domain::parse("a.example").ok(),
            selector: Domain::parse("s1").ok(),
            aligned: true,
            algorithm: "rsa-sha256",
            tag: "AB/=+cde".into(),
            problem: None,
        };
        let message = Authentication { dkim: vec![dkim], ..Authentication::default() };
        let report = Report {
            authserv_id: &host(),
            spf: Some(&spf),
            message: Some(&message),
            iprev: Some((Authenticity::Pass, "2001:db8::1".parse().unwrap())),
        };
        let expected = "Authentication-Results: mx.here.example;\r\n\
            \tiprev=pass\r\n\t policy.iprev=\"2001:db8::1\";\r\n\
            \tspf=permerror reason=\"a ?quoted? ? fault??\"\r\n\t smtp.helo=\"[192.0.2.1]\";\r\n\
            \tdkim=pass\r\n\t header.d=a.example\r\n\t header.s=s1\r\n\t header.a=rsa-sha256\r\n\
            \t header.b=\"AB/=+cde\";\r\n\
            \tdmarc=none;\r\n\tarc=none\r\n";
        assert_eq!(report.to_field(), expected);
    }

    proptest! {
        #[test]
        fn whatever_strangers_wrote_it_stays_one_field(domain in ".{0,300}", problem in ".{0,300}") {
            let spf = Spf {
                result: Authenticity::PermError, identity: Identity::Helo, domain, term: None,
                problem: Some(problem), explanation: None,
            };
            let field = Report { authserv_id: &host(), spf: Some(&spf), message: None, iprev: None }.to_field();
            prop_assert!(field.is_ascii());
            prop_assert!(field.ends_with("\r\n") && !field.contains("\r\n\r\n"));
            let lines: Vec<_> = field.trim_end().split("\r\n").collect();
            prop_assert!(lines.iter().all(|line| line.len() < 998 && !line.contains(['\r', '\n'])));
            prop_assert!(lines[1..].iter().all(|line| line.starts_with('\t')));
            prop_assert_eq!(crate::without_forged(field.as_bytes(), &host()).len(), 0, "we know our own");
        }
    }
}
