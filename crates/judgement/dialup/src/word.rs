//! Words in names, in the languages of those who give them. Whole words only: `dsl` is not in `dslam`,
//! nor `mail` in `mailand`. The lists are sorted; names of providers are not in them.

use std::ops::Range;

use crate::mask::runs;

/// What a word speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A line of a household, or an address that changes.
    Client,
    /// A machine that serves.
    Server,
    /// An address that stays.
    Static,
    /// A machine in a data centre.
    Hosting,
}

const CLIENT: &[&str] = &[
    "abo",
    "abonado",
    "abonent",
    "abonne",
    "abonnement",
    "abonnent",
    "access",
    "adsl",
    "anschluss",
    "apt",
    "asdl",
    "ata",
    "bb",
    "bng",
    "bras",
    "bredband",
    "breitband",
    "broadband",
    "bsr",
    "cable",
    "cablemodem",
    "casa",
    "catv",
    "cdma",
    "cgn",
    "cgnat",
    "client",
    "cliente",
    "clientes",
    "clients",
    "cm",
    "cmts",
    "consumer",
    "cpe",
    "cust",
    "customer",
    "customers",
    "dhcp",
    "dhcpdyn",
    "dial",
    "dialin",
    "dialup",
    "din",
    "dinamic",
    "dinamica",
    "dinamico",
    "dip",
    "docsis",
    "dsl",
    "dslam",
    "dslpool",
    "dyn",
    "dynamic",
    "dynamicip",
    "dynamik",
    "dynamisch",
    "dynamiskt",
    "dyndsl",
    "dynip",
    "dynpool",
    "einwahl",
    "epon",
    "fiber",
    "fibernet",
    "fibra",
    "fibre",
    "fttb",
    "ftth",
    "fttx",
    "gpon",
    "gprs",
    "hfc",
    "home",
    "homeuser",
    "hsd",
    "hsi",
    "internetdsl",
    "ipdyn",
    "isdn",
    "kabel",
    "kabelnet",
    "klient",
    "klienti",
    "kund",
    "kunde",
    "kunden",
    "lan",
    "lte",
    "mobil",
    "mobile",
    "modem",
    "movil",
    "nat",
    "ont",
    "onu",
    "pon",
    "pool",
    "pools",
    "pots",
    "ppp",
    "pppoe",
    "pppool",
    "res",
    "resi",
    "residential",
    "retail",
    "revip",
    "subs",
    "subscriber",
    "subscribers",
    "tilaaja",
    "umts",
    "user",
    "users",
    "usuario",
    "utente",
    "uzivatel",
    "vdsl",
    "vlan",
    "wifi",
    "wimax",
    "wireless",
    "wlan",
    "xdsl",
    "zakaznik",
];

const SERVER: &[&str] = &[
    "antispam",
    "bounce",
    "bounces",
    "correio",
    "correo",
    "courrier",
    "edge",
    "email",
    "emailer",
    "esp",
    "exch",
    "exchange",
    "ftp",
    "gate",
    "gateway",
    "gw",
    "imap",
    "inbound",
    "ironport",
    "kuldeposta",
    "list",
    "lists",
    "listserv",
    "lmtp",
    "mail",
    "mailer",
    "mailfilter",
    "mailgate",
    "mailgateway",
    "mailgw",
    "mailhost",
    "mailhub",
    "mailing",
    "mailman",
    "mailout",
    "mailrelay",
    "mails",
    "mailserver",
    "mailsrv",
    "mbox",
    "mda",
    "messaging",
    "mout",
    "mta",
    "mtaout",
    "mx",
    "mxout",
    "mxs",
    "newsletter",
    "notify",
    "ns",
    "out",
    "outbound",
    "outgoing",
    "owa",
    "pochta",
    "poczta",
    "post",
    "posta",
    "poste",
    "postfix",
    "posti",
    "postmaster",
    "relay",
    "relays",
    "remote",
    "securemail",
    "send",
    "sender",
    "sendmail",
    "server",
    "serveur",
    "servidor",
    "serwer",
    "smarthost",
    "smtp",
    "smtpd",
    "smtpgw",
    "smtpout",
    "smtprelay",
    "smtps",
    "spamfilter",
    "szerver",
    "webmail",
    "www",
    "zimbra",
];

const STATIC: &[&str] = &[
    "bedrijf",
    "biz",
    "business",
    "businessline",
    "company",
    "corp",
    "corporate",
    "dedicated",
    "empresa",
    "empresarial",
    "empresas",
    "enterprise",
    "entreprise",
    "erhverv",
    "estatica",
    "estatico",
    "fest",
    "feste",
    "festip",
    "firma",
    "fix",
    "fixe",
    "fixed",
    "fixedip",
    "fixip",
    "foretag",
    "imprese",
    "kiintea",
    "office",
    "pro",
    "sip",
    "sta",
    "stat",
    "static",
    "statica",
    "staticip",
    "staticka",
    "staticline",
    "statico",
    "statique",
    "statisch",
    "statisk",
    "stc",
    "vast",
    "vaste",
    "yritys",
    "zakelijk",
];

const HOSTING: &[&str] = &[
    "aws",
    "baremetal",
    "cloud",
    "clouds",
    "cloudserver",
    "clust",
    "cluster",
    "colo",
    "colocation",
    "compute",
    "container",
    "cpanel",
    "datacenter",
    "datacentre",
    "dds",
    "dedi",
    "dedibox",
    "dedizierte",
    "droplet",
    "ec2",
    "ecs",
    "elastic",
    "esxi",
    "farm",
    "hosted",
    "hosting",
    "hostingas",
    "instance",
    "instances",
    "kubernetes",
    "kvm",
    "lb",
    "nodes",
    "openstack",
    "openvz",
    "plesk",
    "proxmox",
    "rack",
    "rootserver",
    "rz",
    "s3",
    "servers",
    "srv",
    "vds",
    "vm",
    "vms",
    "vps",
    "vserver",
    "web",
    "webhosting",
    "webserver",
    "websrv",
    "xen",
];

/// Words at either end of a registered domain's first label, which tell what its owner sells.
const HOSTING_DOMAIN: &[&str] = &[
    "cloud",
    "colo",
    "compute",
    "datacenter",
    "datacentre",
    "dedicated",
    "host",
    "hosted",
    "hoster",
    "hosting",
    "rack",
    "rechenzentrum",
    "server",
    "servers",
    "serveur",
    "servidor",
    "vps",
    "webspace",
];

/// The words of a text that mean something here, with their places.
pub(crate) fn words(text: &str) -> Vec<(Range<usize>, Kind)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for run in runs(bytes, |byte| byte.is_ascii_alphanumeric()) {
        let token = &text[run.clone()];
        // The letters of a code such as 00a1be2f are no words.
        if let Some(kind) = kind(token) {
            found.push((run, kind));
        } else if !crate::template::is_code(token) {
            let letters = runs(token.as_bytes(), |byte| byte.is_ascii_alphabetic());
            let letters = letters.map(|part| run.start + part.start..run.start + part.end);
            found.extend(letters.filter_map(|part| Some((part.clone(), kind(&text[part])?))));
        }
    }
    found
}

/// Whether the registered domain says that its owner rents out machines.
pub(crate) fn is_hosting(domain: &str) -> bool {
    let label = domain.split('.').next().unwrap_or_default();
    HOSTING_DOMAIN.iter().any(|word| label.starts_with(word) || label.ends_with(word))
}

fn kind(word: &str) -> Option<Kind> {
    let lists =
        [(SERVER, Kind::Server), (STATIC, Kind::Static), (HOSTING, Kind::Hosting), (CLIENT, Kind::Client)];
    lists.into_iter().find(|(list, _)| list.binary_search(&word).is_ok()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_no_word_is_in_two() {
        let lists = [CLIENT, SERVER, STATIC, HOSTING];
        for (at, list) in lists.iter().enumerate() {
            assert!(list.is_sorted_by(|a, b| a < b));
            for other in &lists[at + 1..] {
                assert!(list.iter().all(|word| !other.contains(word)));
            }
        }
    }

    #[test]
    fn only_whole_words_count() {
        let kinds = |text| words(text).into_iter().map(|(_, kind)| kind).collect::<Vec<_>>();
        assert_eq!(kinds("adsl2-pool7.mailand"), [Kind::Client, Kind::Client]);
        assert_eq!(kinds("static-#-#.dslamps"), [Kind::Static]);
        assert_eq!(kinds("ec2-#.smtp9"), [Kind::Hosting, Kind::Server]);
        assert_eq!(kinds("00dsl1ab2mx"), []);
        assert!(is_hosting("myhosting.example") && !is_hosting("ghostnet.example"));
    }
}
