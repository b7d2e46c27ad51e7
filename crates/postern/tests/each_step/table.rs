//! The table's rows, and what is owed of each message.

use std::ops::RangeInclusive;

use postern_testnet::{Zone, fresh_address};

use crate::link::{ANSWER, CONNECT, How, Language};
use crate::probed;
use crate::running::NAME;
use crate::sender::{Came, STEPS, Sender, id};
use crate::site::{Deployment, Site, recipients, strict};

/// Times that a sender tries again at most; a busy machine may put it off once more than the test wants.
const TRIES: usize = 20;

/// A message, and how many copies there must be in the end.
struct Owed {
    what: String,
    id: String,
    to: Vec<String>,
    copies: RangeInclusive<usize>,
}

/// The rows of one deployment.
pub(crate) struct Table {
    site: Site,
    /// A host whose mail fails: it pretends to be us.
    sender: Sender,
    owed: Vec<Owed>,
}

/// Exactly one.
const ONE: RangeInclusive<usize> = 1..=1;

impl Table {
    /// `None` where there is no Postfix.
    pub(crate) async fn open(deployment: Deployment) -> Option<Self> {
        let site = Site::start(deployment).await?;
        let ip = fresh_address();
        site.house.net.name_at("mail.elsewhere.test", ip);
        site.house.net.dns().add(Zone::new("elsewhere.test").mx(10, "mail.elsewhere.test."));
        let sender = Sender { ip, helo: NAME.to_owned(), from: "carl@elsewhere.test".into() };
        Some(Self { site, sender, owed: Vec::new() })
    }

    pub(crate) async fn nothing_fails(&mut self) {
        for to in self.site.groups() {
            let id = id();
            let came = self.tries(&to, &id, None).await;
            assert!(is(&came, '2'), "{came:?}\n{}", self.site.log());
            self.owe("nothing fails".into(), id, to, ONE);
        }
    }

    /// Each line, at each step, cut and with the MTA saying that it does not want to.
    pub(crate) async fn links_fail(&mut self) {
        for link in 0..self.site.links.len() {
            let language = self.site.links[link].language;
            for &step in language.steps() {
                for how in hows(language, step) {
                    for to in self.site.groups() {
                        self.link_fails(link, step, how, to).await;
                    }
                }
            }
        }
    }

    async fn link_fails(&mut self, link: usize, step: &'static str, how: How, to: Vec<String>) {
        let what = format!("line {link}, {step}: {how:?}, {to:?}");
        let id = id();
        self.site.links[link].fail(Some((step, how)));
        let came = self.tries(&to, &id, None).await;
        assert!(self.site.links[link].has_failed(), "{what}: it came to that: {came:?}");
        let Came::Reply(reply) = &came else { panic!("{what}: the sender is told") };
        assert!(!reply.starts_with('2'), "{what}: {reply}");
        let for_good = matches!(how, How::Says(says) if says.starts_with('5')) && step != CONNECT;
        let hears = if for_good && decides(step) { '5' } else { '4' };
        assert!(is(&came, hears), "{what}: {reply}\n{}", self.site.log());
        self.site.links[link].fail(None);
        if hears == '5' {
            return self.owe(what, id, to, 0..=0);
        }
        self.tries_again(&what, &to, &id).await;
        // rfc1047: the message was taken, and its sender could not be told.
        let told_too_late = step == ANSWER && self.site.links[link].language != Language::Policy;
        self.owe(what, id, to, if told_too_late { 1..=2 } else { ONE });
    }

    pub(crate) async fn the_sender_fails(&mut self) {
        for step in STEPS {
            for to in self.site.groups() {
                let (what, id) = (format!("the sender cuts before {step}"), id());
                let came = self.tries(&to, &id, Some(step)).await;
                if step == "QUIT" {
                    assert!(is(&came, '2'), "{what}: {came:?}");
                    self.owe(what, id, to, ONE);
                    continue;
                }
                assert_eq!(came, Came::Cut, "{what}");
                self.tries_again(&what, &to, &id).await;
                // It has not heard what came of its message.
                self.owe(what, id, to, if step == "answer" { 1..=2 } else { ONE });
            }
        }
    }

    /// The disk is full: what would be held is put off, as is what would be delivered here.
    pub(crate) async fn our_disk_fails(&mut self) {
        let Some(disk) = &self.site.disk else { return };
        // What is held by policy delegation is held by the MTA.
        if self.site.deployment == Deployment::Delegation {
            return;
        }
        let (what, id, to) = ("the disk is full".to_owned(), id(), recipients().to_vec());
        disk.fill_but(0);
        let came = self.tries(&to, &id, None).await;
        assert!(is(&came, '4'), "{what}: {came:?}\n{}", self.site.log());
        disk.clear();
        self.tries_again(&what, &to, &id).await;
        self.owe(what, id, to, ONE);
    }

    /// The hosts that the user test asks. Their senders are honest: what is known of them is nothing.
    pub(crate) async fn hosts_that_are_asked_fail(&mut self) {
        for probed in probed::all(&self.site.house).await {
            let id = id();
            let to = vec![strict()];
            let mut came = Came::Cut;
            for _ in 0..TRIES {
                came = probed.sender.tries(self.site.address, &to, &id, None).await;
                if is(&came, '2') {
                    break;
                }
                // An answer is on its way, and the sender was asked to come back.
                assert!(is(&came, '4'), "{}: {came:?}", probed.what);
            }
            assert!(is(&came, '2'), "{}: {came:?}", probed.what);
            assert!(probed.was_asked(), "{}: it came to that", probed.what);
            self.owe(probed.what, id, to, ONE);
        }
    }

    /// Everything has arrived where it belongs, as often as it should.
    pub(crate) async fn settle(self) {
        self.site.settle().await;
        let [pass, hold] = recipients();
        let there = [
            (&pass, self.site.delivered(&pass).await),
            (&strict(), self.site.delivered(&strict()).await),
            (&hold, self.site.held().await),
        ];
        for Owed { what, id, to, copies } in &self.owed {
            for (recipient, there) in &there {
                let count = there.iter().filter(|text| text.contains(id.as_str())).count();
                let owed = if to.contains(recipient) { copies } else { &(0..=0) };
                assert!(owed.contains(&count), "{what}: {recipient} has {count} copies, not {owed:?}");
            }
        }
    }

    async fn tries(&self, to: &[String], id: &str, cut: Option<&str>) -> Came {
        self.sender.tries(self.site.address, to, id, cut).await
    }

    async fn tries_again(&self, what: &str, to: &[String], id: &str) {
        let mut came = Came::Cut;
        for _ in 0..TRIES {
            came = self.tries(to, id, None).await;
            if is(&came, '2') {
                return;
            }
        }
        panic!("{what}: it is never taken: {came:?}\n{}", self.site.log());
    }

    fn owe(&mut self, what: String, id: String, to: Vec<String>, copies: RangeInclusive<usize>) {
        let what = format!("{:?}, {what}", self.site.deployment);
        self.owed.push(Owed { what, id, to, copies });
    }
}

fn is(came: &Came, class: char) -> bool {
    matches!(came, Came::Reply(reply) if reply.starts_with(class))
}

/// What can happen at a step. The MTA's answer to a whole message is its own: it can only be lost.
fn hows(language: Language, step: &str) -> Vec<How> {
    match (language, step) {
        (Language::Smtp, CONNECT | "message" | ANSWER) | (Language::Milter | Language::Policy, _) => {
            vec![How::Cut]
        }
        (Language::Smtp, "DATA") => {
            vec![How::Cut, How::Says("451 4.3.0 Not now"), How::Says("554 5.3.0 Never")]
        }
        (Language::Smtp, _) => vec![How::Cut, How::Says("450 4.3.0 Not now"), How::Says("550 5.3.0 Never")],
    }
}

/// Whether the MTA says there that it does not want the message, and not that it does not want to talk.
fn decides(step: &str) -> bool {
    matches!(step, "MAIL" | "RCPT" | "DATA" | "final dot")
}
