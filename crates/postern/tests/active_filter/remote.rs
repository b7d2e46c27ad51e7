//! The remote hosts: who connects, what it is, and what the tests must find out about it.

use std::net::Ipv4Addr;

use postern_testnet::{Internet, Postfix, RunningPeer, RunningPostfix, SmtpPeer, Stage, Zone, fresh_address};

use crate::expected::Finding;

/// A remote host with a message.
pub(crate) struct Remote {
    pub(crate) name: &'static str,
    pub(crate) ip: Ipv4Addr,
    pub(crate) helo: String,
    pub(crate) sender: String,
    pub(crate) finding: Finding,
    /// The active test that asks about it: its first answer is on its way for a while.
    pub(crate) asked: Option<&'static str>,
}

/// All of them, in the test internet.
pub(crate) struct World<'a> {
    net: &'a Internet,
    remotes: Vec<Remote>,
    /// Real mail servers at remote hosts' addresses, by what they are.
    pub(crate) postfixes: Vec<(&'static str, RunningPostfix)>,
    peers: Vec<RunningPeer>,
}

impl Remote {
    fn asked_about_by(&mut self, probe: &'static str) {
        self.asked = Some(probe);
    }
}

/// A DNS list.
pub(crate) const LIST: &str = "list.test";

impl<'a> World<'a> {
    /// Where there is no Postfix, `None`.
    pub(crate) async fn open(net: &'a Internet) -> Option<Self> {
        let mut world = Self { net, remotes: Vec::new(), postfixes: Vec::new(), peers: Vec::new() };
        world.hosts_known_by_name();
        world.relays().await?;
        world.senders().await?;
        Some(world)
    }

    pub(crate) fn remotes(&self) -> &[Remote] {
        &self.remotes
    }

    /// Passive tests.
    fn hosts_known_by_name(&mut self) {
        let honest = self.net.name("mail.honest.test");
        self.domain("honest.test", "mail.honest.test", "v=spf1 mx -all");
        self.add("an honest host", honest, "mail.honest.test", "carl@honest.test", Finding::Clean);

        let dialup = fresh_address();
        let name = pool_name(dialup, "isp.test");
        self.net.name_at(&name, dialup);
        self.domain("elsewhere.test", "mail.honest.test", "");
        let fails = Finding::Fails("550 5.7.1 *residential or dynamic*");
        self.add("a dial-up host", dialup, &name, "carl@elsewhere.test", fails);

        let office = fresh_address();
        let name = pool_name(office, "isp.test");
        self.net.name_at(&name, office);
        self.domain("office.test", &name, "");
        self.add("a small office on a fixed line", office, &name, "carl@office.test", Finding::Clean);

        let listed = self.net.name("mail.listed.test");
        self.net.dns().add(Zone::dnsbl(LIST, [listed.into()]));
        self.domain("listed.test", "mail.listed.test", "");
        let fails = Finding::Fails("550 5.7.1 *listed by list.test*");
        self.add("a listed host", listed, "mail.listed.test", "carl@listed.test", fails);

        self.net.dns().add(Zone::new("nomail.test").mx(0, "."));
        let fails = Finding::Fails("550 5.7.27 *");
        self.add("a sender that cannot be answered", honest, "mail.honest.test", "carl@nomail.test", fails);

        self.domain("bank.test", "mail.honest.test", "v=spf1 ip4:192.0.2.1 -all");
        self.net.dns().add(Zone::new("_dmarc.bank.test").txt("@", "v=DMARC1; p=reject"));
        self.add("a forger", honest, "mail.honest.test", "carl@bank.test", Finding::Forged);
    }

    /// The relay test, with real Postfixes.
    async fn relays(&mut self) -> Option<()> {
        let open = Postfix::find("open.relay.test")?.open_relay();
        let ip = self.server("open relay", "open.relay.test", open).await;
        self.domain("relay.test", "open.relay.test", "");
        let fails = Finding::Fails("550 5.7.1 *relays mail for strangers*");
        self.add("an open relay", ip, "open.relay.test", "carl@relay.test", fails).asked_about_by("relay");

        let closed = Postfix::find("closed.shut.test")?;
        let ip = self.server("closed relay", "closed.shut.test", closed).await;
        self.domain("shut.test", "closed.shut.test", "");
        self.add("a closed relay", ip, "closed.shut.test", "carl@shut.test", Finding::Clean)
            .asked_about_by("relay");
        Some(())
    }

    /// The user test, with real Postfixes; SPF shows that the domain's owner is who sends.
    async fn senders(&mut self) -> Option<()> {
        let spf = "v=spf1 mx -all";
        let users = Postfix::find("mx.users.test")?.mailboxes("users.test", &["carl"]);
        let ip = self.server("users", "mx.users.test", users).await;
        self.domain("users.test", "mx.users.test", spf);
        self.add("a sender that exists", ip, "mx.users.test", "carl@users.test", Finding::Clean)
            .asked_about_by("user");
        let fails = Finding::Fails("550 5.7.1 *nobody@users.test*");
        self.add("a sender that does not", ip, "mx.users.test", "nobody@users.test", fails)
            .asked_about_by("user");

        let any = Postfix::find("mx.any.test")?.catch_all("any.test");
        let ip = self.server("catch-all", "mx.any.test", any).await;
        self.domain("any.test", "mx.any.test", spf);
        self.add("a catch-all", ip, "mx.any.test", "xyz@any.test", Finding::Clean).asked_about_by("user");

        let grey = Postfix::find("mx.grey.test")?
            .mailboxes("grey.test", &["carl"])
            .setting("smtpd_recipient_restrictions", "check_client_access static:{450 4.2.0 Greylisted}");
        let ip = self.server("greylister", "mx.grey.test", grey).await;
        self.domain("grey.test", "mx.grey.test", spf);
        self.add("a greylister", ip, "mx.grey.test", "carl@grey.test", Finding::Clean).asked_about_by("user");

        let late = Postfix::find("mx.late.test")?.catch_all("late.test").refuse_messages("550 5.7.1 No");
        let ip = self.server("refuses at DATA", "mx.late.test", late).await;
        self.domain("late.test", "mx.late.test", spf);
        self.add("one that refuses at DATA", ip, "mx.late.test", "carl@late.test", Finding::Clean)
            .asked_about_by("user");

        let hangs = self.net.host("mx.hangs.test", SmtpPeer::new().hang(Stage::Connect)).await.unwrap();
        let std::net::IpAddr::V4(ip) = hangs.address().ip() else { return None };
        self.peers.push(hangs);
        self.domain("hangs.test", "mx.hangs.test", spf);
        self.add("one that hangs", ip, "mx.hangs.test", "carl@hangs.test", Finding::Clean)
            .asked_about_by("user");
        Some(())
    }

    /// Starts a real mail server and names its address.
    async fn server(&mut self, what: &'static str, name: &str, postfix: Postfix) -> Ipv4Addr {
        let running = postfix.start().await.unwrap();
        let std::net::IpAddr::V4(ip) = running.address().ip() else { panic!("IPv4") };
        self.net.name_at(name, ip);
        self.postfixes.push((what, running));
        ip
    }

    /// A sender's domain with its mail host, and its SPF record where it has one.
    fn domain(&self, name: &str, host: &str, spf: &str) {
        let zone = Zone::new(name).mx(10, &format!("{host}."));
        self.net.dns().add(if spf.is_empty() { zone } else { zone.txt("@", spf) });
    }

    fn add(
        &mut self,
        name: &'static str,
        ip: Ipv4Addr,
        helo: &str,
        sender: &str,
        finding: Finding,
    ) -> &mut Remote {
        self.remotes.push(Remote {
            name,
            ip,
            helo: helo.to_owned(),
            sender: sender.to_owned(),
            finding,
            asked: None,
        });
        self.remotes.last_mut().unwrap()
    }
}

/// A name as a provider gives it to the addresses of a pool.
fn pool_name(ip: Ipv4Addr, provider: &str) -> String {
    let [a, b, c, d] = ip.octets();
    format!("dsl-{a}-{b}-{c}-{d}.pool.{provider}")
}
