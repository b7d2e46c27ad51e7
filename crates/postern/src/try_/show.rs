//! The tour from its first scene to the last mailbox, row by row.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use postern_store::{Store, TraceRecord};
use postern_types::{Address, TraceIds};

use super::folder;
use super::mailbox;
use super::play::{self, Played};
use super::ready::Account;
use super::scene::Scene;
use super::screen::Screen;
use super::table::{Mark, Row};
use super::tour::{self, Cast};
use super::world::World;

/// What the tour is shown with.
pub(crate) struct Show<'a> {
    pub(crate) world: &'a World,
    pub(crate) smtp: SocketAddr,
    pub(crate) pop3: SocketAddr,
    pub(crate) store: &'a Store,
    pub(crate) people: &'a [Address],
    pub(crate) accounts: &'a [Account],
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Rows as they should be.
    pub(crate) right: usize,
    /// Rows that are not.
    pub(crate) wrong: usize,
}

impl Show<'_> {
    /// Plays all scenes, then reads the mailboxes.
    pub(crate) async fn run(&self, screen: &mut Screen) -> io::Result<Outcome> {
        let ids = TraceIds::new(0);
        let cast = Cast { accounts: self.people, message_size: folder::message_size(), ids: &ids };
        let scenes = tour::scenes(&cast);
        // Nobody but the first two takes part.
        let readers = self.accounts.len().min(2);
        let before = self.mailboxes(readers).await;
        let mut outcome = Outcome::default();
        screen.begin(scenes.len() + readers)?;
        for scene in &scenes {
            screen.doing(scene.what);
            let from = self.world.address(scene.remote);
            let played = play::play(scene, from, self.smtp).await;
            let row = self.row(scene, from, &played).await;
            outcome.count(&row);
            screen.row(&row)?;
            if let Some(wrong) = &played.wrong {
                screen.say(&indented(wrong))?;
            }
        }
        screen.doing("reading the mailboxes");
        for ((number, after), before) in self.mailboxes(readers).await.into_iter().enumerate().zip(before) {
            let row = self.mailbox_row(number, before, after, &scenes);
            outcome.count(&row);
            screen.row(&row)?;
        }
        screen.end();
        Ok(outcome)
    }

    async fn mailboxes(&self, readers: usize) -> Vec<Result<Vec<String>, String>> {
        let mut read = Vec::new();
        for account in &self.accounts[..readers] {
            read.push(mailbox::read(self.pop3, &account.address, &account.password).await);
        }
        read
    }

    async fn row(&self, scene: &Scene, from: Ipv4Addr, played: &Played) -> Row {
        let trace = match play::trace_in(&played.reply) {
            Some(id) => self.store.trace(id).await.ok(),
            None => None,
        };
        Row {
            mark: if played.wrong.is_none() { Mark::Right } else { Mark::Wrong },
            what: scene.what.into(),
            from: scene.remote.name(),
            address: from.to_string(),
            decided: trace
                .as_ref()
                .map_or_else(|| class(&played.reply), |trace| trace.outcome.as_str())
                .into(),
            why: played.reply.replace('\n', " / "),
        }
    }

    fn mailbox_row(
        &self,
        number: usize,
        before: Result<Vec<String>, String>,
        after: Result<Vec<String>, String>,
        scenes: &[Scene],
    ) -> Row {
        let row = |mark, decided: String, why| Row {
            mark,
            what: "mail fetched by POP3".into(),
            from: self.accounts[number].address.clone(),
            address: self.pop3.ip().to_string(),
            decided,
            why,
        };
        match before.and_then(|before| Ok((before.len(), after?))) {
            Err(error) => row(Mark::Wrong, String::new(), error),
            Ok((old, messages)) => {
                let compared = mailbox::compare(number, &messages, old, scenes);
                let decided = format!("{} messages", compared.right);
                if compared.wrong.is_empty() {
                    row(Mark::Right, decided, "octet for octet as they were sent, and nothing else".into())
                } else {
                    row(Mark::Wrong, decided, compared.wrong.join("; "))
                }
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.wrong, self.right) {
            (0, right) => write!(f, "All {right} went as they should."),
            (wrong, right) => write!(f, "{wrong} of {} went WRONG.", wrong + right),
        }
    }
}

impl Outcome {
    fn count(&mut self, row: &Row) {
        match row.mark {
            Mark::Wrong => self.wrong += 1,
            Mark::Right | Mark::Seen => self.right += 1,
        }
    }
}

/// The row of something that a person sent.
pub(crate) fn by_hand(trace: &TraceRecord) -> Row {
    let to: Vec<&str> = trace.recipients.iter().map(|recipient| &*recipient.address).collect();
    let from = trace.sender.as_ref().map_or_else(|| trace.helo.clone(), |sender| format!("<{sender}>"));
    Row {
        mark: Mark::Seen,
        what: if to.is_empty() { "a connection".into() } else { format!("mail to {}", to.join(", ")) },
        from,
        address: trace.client.to_string(),
        decided: trace.outcome.as_str().into(),
        why: trace.reply.clone(),
    }
}

/// What a reply means where there is no trace to ask.
fn class(reply: &str) -> &'static str {
    match reply.bytes().next() {
        Some(b'2') => "accepted",
        Some(b'4') => "deferred",
        Some(b'5') => "refused",
        _ => "",
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("      {line}")).collect::<Vec<_>>().join("\n")
}
