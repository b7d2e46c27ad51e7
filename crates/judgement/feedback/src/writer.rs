//! Reports of sessions, gathered and written away from them.
//!
//! A session hands its report over and goes on: where the line is full the report is dropped and
//! counted, for a flood must not wait for its own bookkeeping. The writer takes what has come within a moment
//! together into one commit, and clean mail alone only now and then.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postern_policy::{ActionKind, Decision as By, Evidence, Points, Verdict};
use postern_store::{EntryChange, HostChange, HostRecord, Store, Strike, host_of};
use postern_types::{Network, Timestamp, TraceId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::shared::{domain_bits, is_provider, share};
use crate::{Caught, Decision, Exempt, History, Seen, Settings, Share, caught, decide, harvesting};

/// Reports that may wait.
const LINE: usize = 4_096;
/// How long strikes wait for others.
const STRIKES_WAIT: Duration = Duration::from_millis(200);
/// How long clean mail waits to be written.
const CLEAN_WAIT: Duration = Duration::from_secs(30);
/// Hosts in one commit.
const HOSTS: usize = 1_024;
/// Strikes of one host in one commit: a session has one for each offence.
const STRIKES: usize = 16;
/// Characters of what was seen that are kept.
const WORDS: usize = 300;

/// What came of a transaction or session.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The host.
    pub ip: IpAddr,
    /// The transaction that showed it.
    pub trace: TraceId,
    /// What it was.
    pub outcome: Outcome,
    /// The domains that stand behind the mail: a bit for each.
    pub domains: u64,
    /// Whether the evidence shows a large provider.
    pub provider: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The host was caught.
    Caught(Caught),
    /// A message was taken, and next to nothing spoke against it.
    Clean,
}

impl Report {
    /// What to report of a transaction: the heaviest offence that a verdict shows; where there is none, a
    /// clean message if one was taken for somebody. `accepted` are the verdicts of those it was taken for,
    /// `refused` the others'. Nothing is said of clients of ours and of those that the operator allows.
    #[must_use]
    pub fn of(
        trace: TraceId,
        evidence: &Evidence,
        accepted: &[&Verdict],
        refused: &[&Verdict],
    ) -> Option<Self> {
        if evidence.client.trusted {
            return None;
        }
        let all: Vec<&Verdict> = accepted.iter().chain(refused).copied().collect();
        let offences = all.iter().filter_map(|verdict| caught(verdict));
        let outcome = match offences.min_by_key(|caught| caught.offence) {
            Some(caught) => Outcome::Caught(caught),
            None if !accepted.is_empty() && accepted.iter().all(|verdict| is_clean(verdict)) => {
                Outcome::Clean
            }
            None => return None,
        };
        Some(Self {
            ip: evidence.client.ip,
            trace,
            outcome,
            domains: domain_bits(evidence),
            provider: is_provider(evidence, &all),
        })
    }

    /// What to report of a session's recipients, where they show that it tried addresses.
    #[must_use]
    pub fn of_recipients(trace: TraceId, evidence: &Evidence, unknown: u32, known: u32) -> Option<Self> {
        let caught = harvesting(unknown, known).filter(|_| !evidence.client.trusted)?;
        let (ip, provider) = (evidence.client.ip, is_provider(evidence, &[]));
        Some(Self { ip, trace, outcome: Outcome::Caught(caught), domains: 0, provider })
    }
}

/// Delivered on its own merits, at less than half of what holds a message.
fn is_clean(verdict: &Verdict) -> bool {
    let limit = verdict.thresholds.quarantine.unwrap_or(Points::hundredths(500));
    verdict.action.kind() == ActionKind::Deliver
        && verdict.decided_by == By::Nothing
        && verdict.score.plus(verdict.score) < limit
}

/// Where sessions report. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feedback {
    line: Option<mpsc::Sender<Message>>,
    exempt: Exempt,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Report(Report),
    Flush(oneshot::Sender<()>),
}

/// The task that writes.
#[derive(Debug)]
pub struct Writer {
    line: mpsc::Receiver<Message>,
    exempt: Exempt,
}

impl Feedback {
    /// The line, and the task that reads from it.
    #[must_use]
    pub fn new(exempt: Exempt) -> (Self, Writer) {
        let (send, line) = mpsc::channel(LINE);
        let feedback = Self { line: Some(send), exempt: exempt.clone(), dropped: Arc::default() };
        (feedback, Writer { line, exempt })
    }

    /// Nothing is kept of anybody.
    #[must_use]
    pub fn off() -> Self {
        Self { line: None, exempt: Exempt::default(), dropped: Arc::default() }
    }

    /// Hands a report over. Never waits.
    pub fn report(&self, report: Report) {
        let Some(line) = self.line.as_ref().filter(|_| !self.exempt.contains(report.ip)) else { return };
        if line.try_send(Message::Report(report)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when everything that was reported before is written, or cannot be.
    pub async fn flush(&self) {
        let Some(line) = &self.line else { return };
        let (done, flushed) = oneshot::channel();
        if line.send(Message::Flush(done)).await.is_ok() {
            // An error says that the writer is gone: nothing will be written any more.
            let _ = flushed.await;
        }
    }

    /// Reports that were dropped because the line was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// What is new about one host.
#[derive(Clone, Debug, Default)]
struct Gathered {
    strikes: Vec<(Caught, TraceId)>,
    clean: u32,
    domains: u64,
    provider: bool,
}

/// What has been gathered, and when it must be written.
#[derive(Default)]
struct Batch {
    hosts: HashMap<Network, Gathered>,
    due: Option<Instant>,
}

impl Batch {
    fn add(&mut self, report: Report) {
        let host = self.hosts.entry(host_of(report.ip)).or_default();
        let wait = match report.outcome {
            Outcome::Caught(caught) => {
                if host.strikes.len() < STRIKES {
                    host.strikes.push((caught, report.trace));
                }
                STRIKES_WAIT
            }
            Outcome::Clean => {
                host.clean = host.clean.saturating_add(1);
                // Only of clean mail: whoever owns many domains can make them all authentic.
                host.domains |= report.domains;
                CLEAN_WAIT
            }
        };
        host.provider |= report.provider;
        let due = Instant::now() + wait;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }
}

impl Writer {
    /// Writes until nobody can report any more.
    pub async fn run(mut self, store: Store, settings: Settings) {
        let mut batch = Batch::default();
        loop {
            let far = Instant::now() + CLEAN_WAIT;
            let due = batch.due.unwrap_or(far);
            let message = tokio::select! {
                message = self.line.recv() => message,
                () = tokio::time::sleep_until(due), if batch.due.is_some() => {
                    self.write(&mut batch, &store, settings).await;
                    continue;
                }
            };
            match message {
                Some(Message::Report(report)) => batch.add(report),
                Some(Message::Flush(done)) => {
                    self.write(&mut batch, &store, settings).await;
                    // Who asked may be gone.
                    let _ = done.send(());
                }
                None => return self.write(&mut batch, &store, settings).await,
            }
            if batch.hosts.len() >= HOSTS {
                self.write(&mut batch, &store, settings).await;
            }
        }
    }

    async fn write(&self, batch: &mut Batch, store: &Store, settings: Settings) {
        let Batch { hosts, .. } = std::mem::take(batch);
        if hosts.is_empty() {
            return;
        }
        let blocked = Arc::new(Mutex::new(Vec::new()));
        let (now, exempt, note) = (Timestamp::now(), self.exempt.clone(), Arc::clone(&blocked));
        let wanted = hosts.keys().copied().collect();
        let written = store.change_hosts(wanted, move |host, known| {
            let gathered = hosts.get(&host)?;
            let share = if exempt.contains(host.range().0) { Some(Share::Exempt) } else { None };
            let change = change(host, known, gathered, share, now, &settings);
            if let EntryChange::Put { reason, until, .. } = &change.entry {
                note.lock().unwrap_or_else(PoisonError::into_inner).push((host, *until, reason.clone()));
            }
            Some(change)
        });
        match written.await {
            Ok(()) => {
                for (host, until, why) in blocked.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                    tracing::info!(%host, %until, why, "a host is on the feedback list");
                }
            }
            Err(error) => tracing::warn!(%error, "what hosts were caught at cannot be written"),
        }
    }
}

/// What becomes of a host.
fn change(
    host: Network,
    known: Option<HostRecord>,
    gathered: &Gathered,
    exempt: Option<Share>,
    now: Timestamp,
    settings: &Settings,
) -> HostChange {
    let history = known.as_ref().map_or(History::new(now), |known| History {
        at: known.at,
        strikes: known.strikes,
        clean: known.clean,
        level: known.level,
        banned_until: known.banned_until,
        parole_until: known.parole_until,
    });
    let domains = known.as_ref().map_or(0, |known| known.domains) | gathered.domains;
    let weight = |caught: &Caught| f64::from(caught.offence.row().weight) / 100.0;
    let strikes = gathered.strikes.iter().map(|(caught, _)| weight(caught)).sum();
    let seen = Seen { strikes, clean: gathered.clean };
    let share = exempt.unwrap_or_else(|| share(&history.at(now, settings), domains, gathered.provider));
    let (next, decision) = decide(&history, seen, share, now, settings);
    let entry =
        match (decision, gathered.strikes.iter().max_by_key(|(caught, _)| caught.offence.row().weight)) {
            (Decision::Block { until }, Some((caught, trace))) => {
                let many = if share == Share::Shared { ", although many share it" } else { "" };
                let reason =
                    format!("the host {}{many}: {}", caught.offence.row().words, short(&caught.words));
                EntryChange::Put { reason, trace: *trace, until }
            }
            _ => EntryChange::Keep,
        };
    let strike = |(caught, trace): &(Caught, TraceId)| Strike {
        at: now,
        offence: caught.offence.row().name.to_owned(),
        weight: caught.offence.row().weight,
        trace: *trace,
        words: short(&caught.words),
    };
    HostChange {
        record: HostRecord {
            host,
            at: next.at,
            strikes: next.strikes,
            clean: next.clean,
            level: next.level,
            domains,
            banned_until: next.banned_until,
            parole_until: next.parole_until,
            lifted_at: known.and_then(|known| known.lifted_at),
        },
        strikes: gathered.strikes.iter().map(strike).collect(),
        entry,
    }
}

fn short(words: &str) -> String {
    words.chars().take(WORDS).collect()
}
