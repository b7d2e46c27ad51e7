//! The tour from its first scene to the last mailbox, row by row.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use postern_policy::{Fact, Finding, Outcome as Seen, Record, Test};
use postern_store::{ListEntry, ListKind, ListOwner, Store, StoreError, Subject, TraceRecord};
use postern_testnet::glob_matches;
use postern_types::{Address, Timestamp, TraceIds};

use super::active;
use super::folder;
use super::mailbox;
use super::play::{self, Played, Stage};
use super::ready::Account;
use super::scene::{Question, Scene, Turn};
use super::screen::Screen;
use super::table::{Mark, Row};
use super::tour::{self, Cast};
use super::world::{Asked, World};

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
    /// The scenes.
    pub(crate) fn scenes(&self) -> Vec<Scene> {
        let (ids, hosts) = (TraceIds::new(0), self.world.hosts());
        let message_size = folder::message_size();
        tour::scenes(&Cast { accounts: self.people, message_size, ids: &ids, hosts })
    }

    /// Sets what the scenes start from: nobody was asked or caught yet, and a friend is known.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn prepare(&self, scenes: &[Scene]) -> Result<(), StoreError> {
        for turn in scenes.iter().flat_map(|scene| &scene.turns) {
            let Turn::Learns(Question { probe, subject }) = turn else { continue };
            self.store.forget_probe(probe, subject).await?;
            if let Some((_, domain)) = subject.split_once('@') {
                self.store.forget_probe("domain", domain).await?;
            }
        }
        for host in self.world.hosts() {
            match self.store.lift(host.ip.into(), Timestamp::now()).await {
                // Nothing was known of it.
                Ok(_) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let last = self.people.iter().take(2).next_back();
        if let (Some(last), Ok(friend)) = (last, Address::parse(active::FRIEND)) {
            self.store.put_listed(friend_of(last, friend)).await?;
        }
        Ok(())
    }

    /// Plays all scenes, then reads the mailboxes.
    pub(crate) async fn run(&self, scenes: &[Scene], screen: &mut Screen) -> io::Result<Outcome> {
        // Nobody but the first two takes part.
        let readers = self.accounts.len().min(2);
        let before = self.mailboxes(readers).await;
        let mut outcome = Outcome::default();
        screen.begin(scenes.len() + 1 + readers)?;
        let stage = Stage { smtp: self.smtp, store: self.store, gate: self.world.gate() };
        for scene in scenes {
            screen.doing(scene.what);
            let mut played = play::play(scene, stage).await;
            let row = self.row(scene, &mut played).await;
            outcome.count(&row);
            screen.row(&row)?;
            if let Some(wrong) = &played.wrong {
                screen.say(&indented(wrong))?;
            }
        }
        let row = self.asked_row();
        outcome.count(&row);
        screen.row(&row)?;
        screen.doing("reading the mailboxes");
        for ((number, after), before) in self.mailboxes(readers).await.into_iter().enumerate().zip(before) {
            let row = self.mailbox_row(number, before, after, scenes);
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

    async fn row(&self, scene: &Scene, played: &mut Played) -> Row {
        let trace = match play::trace_in(&played.reply) {
            Some(id) => self.store.trace(id).await.ok(),
            None => None,
        };
        let mut why = played.noted.clone();
        why.push(played.reply.replace('\n', " / "));
        let outcome = trace.as_ref().map(|trace| trace.outcome);
        if let (Some(expected), None) = (scene.outcome, &played.wrong)
            && outcome != Some(expected)
        {
            played.wrong = Some(format!("it should have been {}", expected.as_str()));
        }
        if let (Some((test, pattern)), None) = (&scene.seen, &played.wrong) {
            let seen = trace.as_ref().and_then(|trace| seen(trace, *test)).unwrap_or_default();
            if !glob_matches(pattern, &seen) {
                played.wrong = Some(format!("{test} has seen `{seen}` instead of {pattern}"));
            }
            why.push(format!("{test}: {seen}"));
        }
        let decided = played.done.or_else(|| outcome.map(postern_store::Outcome::as_str));
        Row {
            mark: if played.wrong.is_none() { Mark::Right } else { Mark::Wrong },
            what: scene.what.into(),
            from: scene.who.clone(),
            address: scene.ip.to_string(),
            decided: decided.unwrap_or_else(|| class(&played.reply)).into(),
            why: why.join(" / "),
        }
    }

    /// What the hosts have seen that were asked something.
    fn asked_row(&self) -> Row {
        let asked = self.world.asked();
        let questions = asked.iter().map(|asked| asked.connections).sum::<usize>();
        let rude = asked.iter().find(|asked| asked.connections > 1 || asked.messages > 0);
        let (mark, why) = match rude {
            None => (Mark::Right, "one connection to a host, and never a message".into()),
            Some(Asked { name, connections, messages }) => {
                (Mark::Wrong, format!("{name} had {connections} connections and {messages} messages"))
            }
        };
        Row {
            mark,
            what: "what other hosts were asked".into(),
            from: folder::HOUSE.into(),
            address: self.smtp.ip().to_string(),
            decided: format!("{questions} questions"),
            why,
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

/// What a test has seen, in words.
fn seen(trace: &TraceRecord, test: Test) -> Option<String> {
    let record: Record = serde_json::from_str(&trace.evidence).ok()?;
    let Finding { outcome, fact, .. } = record.evidence.of(test).next()?;
    Some(match fact {
        Fact::Nothing if *outcome == Seen::Clear => "clear".into(),
        // What was asked, the scene says.
        Fact::NoAnswer { why, .. } => why.clone(),
        fact => fact.to_string(),
    })
}

/// The entry by which mail of a friend is let in.
fn friend_of(recipient: &Address, friend: Address) -> ListEntry {
    ListEntry {
        list: ListKind::Allow,
        owner: ListOwner::Recipient(recipient.clone()),
        subject: Subject::Address(friend),
        reason: "a friend".into(),
        trace: None,
        strikes: 0,
        created_at: Timestamp::now(),
        expires_at: None,
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
