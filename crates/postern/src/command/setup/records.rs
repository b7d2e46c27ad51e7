//! The DNS records that a new mail server needs.

use std::fmt;
use std::net::IpAddr;

use postern_types::Domain;

/// One record, as a zone file has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Record {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
    /// Who publishes it, where it is not the domain's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// The records for one domain. `own` are the server's public addresses, where they are known.
pub(crate) fn of(domain: &Domain, hostname: &Domain, own: &[IpAddr]) -> Vec<Record> {
    let mut records = Vec::new();
    for ip in own {
        records.push(Record {
            name: format!("{hostname}."),
            kind: if ip.is_ipv4() { "A" } else { "AAAA" },
            value: ip.to_string(),
            note: None,
        });
    }
    if own.is_empty() {
        records.push(Record {
            name: format!("{hostname}."),
            kind: "A",
            value: "<the server's public address>".into(),
            note: Some("and AAAA where there is IPv6"),
        });
    }
    records.push(Record {
        name: format!("{domain}."),
        kind: "MX",
        value: format!("10 {hostname}."),
        note: None,
    });
    records.push(Record {
        name: format!("{domain}."),
        kind: "TXT",
        value: "\"v=spf1 mx ~all\"".into(),
        note: Some("add whoever else sends for the domain"),
    });
    for ip in own {
        records.push(Record {
            name: reverse(*ip),
            kind: "PTR",
            value: format!("{hostname}."),
            note: Some(PTR),
        });
    }
    if own.is_empty() {
        let name = "<the server's public address>".into();
        records.push(Record { name, kind: "PTR", value: format!("{hostname}."), note: Some(PTR) });
    }
    records
}

const PTR: &str = "set by whoever gave you the address";

/// rfc1035 §3.5, rfc3596 §2.5: the name under which an address's own name stands.
fn reverse(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            let labels: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            format!("{labels}ip6.arpa.")
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:30} IN {:4} {}", self.name, self.kind, self.value)?;
        self.note.map_or(Ok(()), |note| write!(f, "   ; {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_names() {
        assert_eq!(reverse("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa.");
        assert_eq!(
            reverse("2001:db8::1".parse().unwrap()),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
        );
    }

    #[test]
    fn records_read_like_a_zone_file() {
        let (domain, host) =
            (Domain::parse("example.org").unwrap(), Domain::parse("mail.example.org").unwrap());
        let records = of(&domain, &host, &["192.0.2.1".parse().unwrap()]);
        let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "mail.example.org.              IN A    192.0.2.1",
                "example.org.                   IN MX   10 mail.example.org.",
                "example.org.                   IN TXT  \"v=spf1 mx ~all\"   ; add whoever else sends for the domain",
                "1.2.0.192.in-addr.arpa.        IN PTR  mail.example.org.   ; set by whoever gave you the address",
            ]
        );
    }
}
