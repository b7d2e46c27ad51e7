//! `postern probe test relay|user`: asks by hand, whatever is known, and shows the answer and the conversation.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use postern_config::Config;
use postern_dns::{Answer as DnsAnswer, Dns};
use postern_events::Events;
use postern_probe::{Answer, Parts, Prober, Question, Relay, User, system_clock};
use postern_store::{LedgerQuery, Store};
use postern_types::{Address, Domain};
use serde::Serialize;

use super::ledger::Line;
use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;
use crate::inspect::names::own_addresses;
use crate::open::with_store;
use crate::output::Output;

/// A prober of a command's own, beside a server that may be running: the cache and the ledger are the same.
pub(super) struct Asking {
    prober: Prober,
    dns: Dns,
    store: Store,
}

impl Asking {
    /// Opens the store, asks, closes it.
    pub(super) fn with<T>(
        config: &Config,
        work: impl AsyncFnOnce(&Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        with_store(config, async |store| {
            let dns = Dns::new(compose::dns::settings(config))?;
            let parts = Parts {
                dns: dns.clone(),
                store: store.clone(),
                events: Events::new(),
                clock: system_clock(),
            };
            let prober = Prober::new(compose::probe::settings(config, &own_addresses()), parts);
            prober.load().await?;
            prober.set_domains(store.domains().await?.into_iter().map(|domain| domain.name));
            work(&Self { prober, dns, store }).await
        })
    }

    /// Asks a question by hand.
    pub(super) async fn ask(&self, question: Question) -> Result<Answer, Failure> {
        let answer = self.prober.by_hand(question).await;
        answer.map_err(|why| Failure::Finding(format!("this is not asked: {why}")))
    }

    /// Asks, and collects what was said.
    async fn report(&self, question: Question, since: postern_types::Timestamp) -> Result<Report, Failure> {
        let (about, subject, test) = (question.to_string(), question.subject(), question.probe());
        let answer = self.ask(question).await?;
        let query = LedgerQuery { since: Some(since), about: Some(subject.clone()), limit: 100 };
        let mut connections = self.store.probe_ledger(query).await?;
        connections.retain(|line| line.begun.probe == test && line.begun.subject == subject);
        connections.reverse();
        let words = answer.to_string();
        let connections = connections.into_iter().map(Line::from).collect();
        Ok(Report { question: about, words, answer, connections })
    }

    /// The addresses of a host that is named.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![ip]);
        }
        let name = Domain::parse(host).map_err(|error| Failure::Usage(format!("`{host}`: {error}")))?;
        match self.dns.addresses(&name).await {
            DnsAnswer::Found { value, .. } => Ok(value.to_vec()),
            DnsAnswer::NotFound(absent) => Err(Failure::Finding(format!("{host} has no address: {absent}"))),
            DnsAnswer::Unknown(why) => {
                Err(Failure::Finding(format!("nobody could tell the address of {host}: {why}")))
            }
        }
    }
}

/// Tests each address of a host.
pub(super) fn relay(named: Option<&Path>, host: &str, out: Output) -> Result<Status, Failure> {
    let config = file::load(named)?;
    let reports = Asking::with(&config, async |asking| {
        let since = postern_types::Timestamp::now();
        let mut reports = Vec::new();
        for ip in asking.addresses(host).await? {
            reports.push(asking.report(Question::Relay(ip), since).await?);
        }
        Ok(reports)
    })?;
    let open = |report: &Report| matches!(report.answer, Answer::Relay(Relay::Open { .. }));
    let status = if reports.iter().any(open) { Status::Finding } else { Status::Fine };
    out.value(&Reports(reports))?;
    Ok(status)
}

/// Asks about a sender.
pub(super) fn user(named: Option<&Path>, address: Address, out: Output) -> Result<Status, Failure> {
    let config = file::load(named)?;
    let report = Asking::with(&config, async |asking| {
        asking.report(Question::User(address), postern_types::Timestamp::now()).await
    })?;
    let missing = matches!(report.answer, Answer::User(User::Missing { .. }));
    out.value(&Reports(vec![report]))?;
    Ok(if missing { Status::Finding } else { Status::Fine })
}

/// A question, its answer, and what was said.
#[derive(Serialize)]
struct Report {
    question: String,
    #[serde(skip)]
    words: String,
    answer: Answer,
    connections: Vec<Line>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Reports(Vec<Report>);

impl fmt::Display for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for report in &self.0 {
            let mut question = report.question.clone();
            if let Some(first) = question.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            writeln!(f, "{question}: {}.", report.words)?;
            for line in &report.connections {
                write!(f, "\n{line}")?;
            }
            if report.connections.is_empty() {
                writeln!(f, "Nobody was connected to.")?;
            }
        }
        Ok(())
    }
}
