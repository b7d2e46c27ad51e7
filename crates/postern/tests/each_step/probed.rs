//! The host that a test asks fails at each step of what it is asked: nothing is known of the sender then, and its mail is
//! taken.

use std::net::Ipv4Addr;

use postern_testnet::{Act, RunningPeer, SmtpPeer, Stage, Zone, fresh_address};

use crate::running::House;
use crate::sender::Sender;

/// A sender whose own mail host fails.
pub(crate) struct Probed {
    pub(crate) what: String,
    pub(crate) sender: Sender,
    host: Option<RunningPeer>,
}

impl Probed {
    /// Whether it was asked, if it can be.
    pub(crate) fn was_asked(&self) -> bool {
        self.host.as_ref().is_none_or(|host| !host.clients().is_empty())
    }
}

/// One for each way to fail.
pub(crate) async fn all(house: &House) -> Vec<Probed> {
    let mut all = Vec::new();
    all.push(one(house, "refuses connections", 0, None).await);
    all.push(well(house, 1).await);
    let ways = [
        ("cuts", Act::Drop),
        ("hangs", Act::Hang),
        ("says 421", Act::ReplyAndClose("421 4.3.2 Not now".into())),
        ("says nonsense", Act::Bytes(b"nonsense\r\n".to_vec())),
    ];
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Rcpt] {
        for (way, act) in &ways {
            let host = SmtpPeer::new().on(stage, "*", act.clone());
            all.push(one(house, &format!("{way} at {stage:?}"), all.len(), Some(host)).await);
            all.push(well(house, all.len()).await);
        }
    }
    all
}

/// One that answers: where nobody does, it is thought that the fault is ours, and nobody is asked.
async fn well(house: &House, number: usize) -> Probed {
    one(house, "answers", number, Some(SmtpPeer::new())).await
}

async fn one(house: &House, what: &str, number: usize, host: Option<SmtpPeer>) -> Probed {
    let (ip, host) = place(number, host).await;
    let (domain, name) = (format!("asked{number}.test"), format!("mx.asked{number}.test"));
    house.net.name_at(&name, ip);
    house.net.dns().add(Zone::new(&domain).mx(10, &format!("{name}.")).txt("@", "v=spf1 mx -all"));
    let sender = Sender { ip, helo: name, from: format!("carl@{domain}") };
    Probed { what: format!("the sender's host {what}"), sender, host }
}

/// Each in a network of its own: one where many fail is not asked any more.
async fn place(number: usize, host: Option<SmtpPeer>) -> (Ipv4Addr, Option<RunningPeer>) {
    let [_, b, c, _] = fresh_address().octets();
    let c = c.wrapping_add(u8::try_from(number).unwrap());
    // Other addresses of this kind end with less.
    for last in 251..=254 {
        let ip = Ipv4Addr::new(127, b, c, last);
        let Some(host) = &host else { return (ip, None) };
        if let Ok(running) = host.clone().start(ip).await {
            return (ip, Some(running));
        }
    }
    panic!("there is no room for a host in 127.{b}.{c}.0/24");
}
