//! Does the DNS say of this server and its domains what it should?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;

use postern_dns::{Answer, Dns, Forward, MailHosts};
use postern_types::Domain;

use super::Finding;

/// More addresses of one host are not looked at.
const MOST_ADDRESSES: usize = 4;

/// The addresses that this machine uses towards the internet, where they are public. Nothing is
/// sent: connecting a UDP socket only chooses a route.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    // Any addresses outside do; these are Quad9's.
    let outside: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(9, 9, 9, 9).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe).into()),
    ];
    let route = |(any, outside): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((outside, 53)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    outside.into_iter().filter_map(route).filter(|ip| is_public(*ip)).collect()
}

/// Whether others can reach the address (RFC 6890's special ones cannot be).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared)
        }
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000,
    }
}

/// The host name's addresses, and the way back from them and from this machine's own.
pub(crate) async fn host(dns: &Dns, hostname: &Domain, own: &[IpAddr]) -> Vec<Finding> {
    let answer = dns.addresses(hostname).await;
    let mut addresses = own.to_vec();
    if let Answer::Found { value, .. } = &answer {
        addresses.extend(value.iter().filter(|ip| !own.contains(ip)));
    }
    let mut findings = vec![forward(hostname, own, answer)];
    for ip in addresses.into_iter().take(MOST_ADDRESSES) {
        findings.push(reverse(dns, hostname, ip).await);
    }
    findings
}

fn forward(hostname: &Domain, own: &[IpAddr], answer: Answer<Arc<[IpAddr]>>) -> Finding {
    let about = format!("address of {hostname}");
    let list =
        |addresses: &[IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match answer {
        Answer::Found { value, .. } if !own.is_empty() && !own.iter().any(|ip| value.contains(ip)) => {
            Finding::warning(about, format!("{}, but this machine is {}", list(&value), list(own)))
                .so("Right behind a firewall that passes mail on; otherwise correct the A and AAAA records.")
        }
        Answer::Found { value, .. } => Finding::ok(about, list(&value)),
        Answer::NotFound(_) => Finding::problem(about, "the DNS has none")
            .so("Publish an A record, and AAAA where there is IPv6."),
        Answer::Unknown(why) => Finding::unknown(about, why.to_string()),
    }
}

async fn reverse(dns: &Dns, hostname: &Domain, ip: IpAddr) -> Finding {
    let about = format!("name of {ip} (PTR)");
    let advice =
        format!("Ask whoever gave you {ip} to set its PTR record to {hostname}: others refuse mail without.");
    match dns.fcrdns(ip).await {
        Answer::Found { value, .. } if value.iter().any(|name| name.name == *hostname) => {
            Finding::ok(about, hostname.to_string())
        }
        Answer::Found { value, .. } => {
            let names: Vec<&str> = value.iter().map(|name| name.name.as_str()).collect();
            let confirmed = value.iter().any(|name| name.forward == Forward::Confirmed);
            let found = format!("{}, not {hostname}", names.join(", "));
            if confirmed {
                Finding::warning(about, found).so(advice)
            } else {
                Finding::problem(about, found).so(advice)
            }
        }
        Answer::NotFound(_) => Finding::problem(about, "there is none").so(advice),
        Answer::Unknown(why) => Finding::unknown(about, why.to_string()),
    }
}

/// Does the domain's mail come here?
pub(crate) async fn domain(dns: &Dns, domain: &Domain, hostname: &Domain) -> Vec<Finding> {
    vec![mx(dns, domain, hostname).await, spf(dns, domain).await]
}

async fn mx(dns: &Dns, domain: &Domain, hostname: &Domain) -> Finding {
    let about = format!("mail for {domain} (MX)");
    let advice = format!("Publish: {domain}. IN MX 10 {hostname}.");
    match dns.mail_hosts(domain).await {
        Answer::Found { value: MailHosts::Mx(hosts), .. } => {
            let names: Vec<&str> = hosts.iter().map(|mx| mx.exchange.as_str()).collect();
            let here = hosts.iter().any(|mx| mx.exchange == *hostname);
            let found = names.join(", ");
            if here {
                Finding::ok(about, found)
            } else {
                Finding::warning(about, format!("goes to {found}")).so(advice)
            }
        }
        Answer::Found { value: MailHosts::Implicit(_), .. } if domain == hostname => {
            Finding::ok(about, "goes to the host of that name")
        }
        Answer::Found { value: MailHosts::Implicit(_), .. } => {
            Finding::problem(about, "there is no MX record: goes to the host of that name").so(advice)
        }
        Answer::Found { value: MailHosts::Null, .. } => {
            Finding::problem(about, "the domain says that it takes no mail (null MX)").so(advice)
        }
        Answer::NotFound(_) => Finding::problem(about, "the domain cannot receive mail").so(advice),
        Answer::Unknown(why) => Finding::unknown(about, why.to_string()),
    }
}

async fn spf(dns: &Dns, domain: &Domain) -> Finding {
    let about = format!("who may send as {domain} (SPF)");
    match dns.txt(domain).await {
        Answer::Found { value, .. } => match value.iter().find(|text| text.starts_with("v=spf1")) {
            Some(record) => Finding::ok(about, record.to_string()),
            None => Finding::warning(about, "anybody").so("Publish an SPF record."),
        },
        Answer::NotFound(_) => Finding::warning(about, "anybody").so("Publish an SPF record."),
        Answer::Unknown(why) => Finding::unknown(about, why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn public_addresses_are_told_from_private_ones() {
        for (ip, public) in [
            ("192.168.1.1", false),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("8.8.8.8", true),
            ("fe80::1", false),
            ("fd00::1", false),
            ("2620:fe::fe", true),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }
}
