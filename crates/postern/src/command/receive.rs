//! `postern test receive FILE`: one message through everything, and nothing is left of it.
//!
//! The real service holds the session, on a copy of the store without mail ([`Store::rehearsal`]); behind it stands
//! a host that takes everything and keeps nothing. So the replies, the evidence and the verdicts are those
//! that a client at that address would get.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use postern_config::Config;
use postern_dns::Dns;
use postern_events::Events;
use postern_message::Fields;
use postern_net::Stream;
use postern_smtp_service::Door;
use postern_store::{Options, Route, Store, TraceQuery};
use postern_testnet::SmtpPeer;
use postern_types::{Address, ForwardPath, Network, ReversePath, TraceId};
use tokio::net::{TcpListener, TcpStream};

use super::explain::{parse, read};
use super::policy::with_draft;
use super::talk::{Client, Envelope, Exchange};
use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;
use crate::judged::{Judgement, Policies, explained, shown};
use crate::open::with_store;
use crate::output::Output;
use crate::serve::{Shared, prober, smtp_service};

/// What the last work of the session may take.
const LAST_WORK: Duration = Duration::from_secs(10);

/// Trying things out, with nothing left of it
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TestCommand {
    Receive(Receive),
}

/// Play one message through all tests, as if a client at that address sent it: replies, evidence, verdicts
///
/// The DNS is asked, as it would be. Nothing is delivered or stored, no list is written; no host is connected to, but
/// what is remembered of hosts counts. The MTA behind is not asked either: it is taken to accept everybody. Exit code 1: somebody would not get it.
#[derive(Debug, clap::Args)]
pub(crate) struct Receive {
    /// The message; `-` is standard input
    file: String,
    /// The client's address
    #[arg(long)]
    ip: IpAddr,
    /// The name that it gives in EHLO
    #[arg(long)]
    helo: String,
    /// The sender; empty is the null sender
    #[arg(long, value_parser = sender)]
    mail_from: ReversePath,
    /// The recipients
    #[arg(long, required = true, num_args = 1.., value_parser = recipient)]
    rcpt: Vec<ForwardPath>,
    /// Settings to try: a whole configuration, or only what is to change
    #[arg(long, value_name = "FILE")]
    policy_draft: Option<PathBuf>,
    /// Let the tests that open connections do so, as they would; they stand in the ledger
    #[arg(long)]
    probe: bool,
}

fn sender(text: &str) -> Result<ReversePath, String> {
    let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    ReversePath::parse(bare).map_err(|error| error.to_string())
}

fn recipient(text: &str) -> Result<ForwardPath, String> {
    let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    if bare.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    Address::parse(bare).map(ForwardPath::Address).map_err(|error| error.to_string())
}

impl TestCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let Self::Receive(receive) = self;
        receive.run(named, out)
    }
}

impl Receive {
    fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let mut config = file::load(named)?;
        if let Some(draft) = &self.policy_draft {
            config = with_draft(&config, draft)?;
        }
        let content = read(&self.file)?;
        let (message, stripped) = as_it_came(&content, config.server.hostname.as_str());
        let played = with_store(&config, async |store| self.play(&store, config.clone(), message).await)?;
        let note =
            stripped.then_some("The lines that this server had put on top of the message were left out.");
        let played =
            Played { notes: played.notes.into_iter().chain(note.map(str::to_owned)).collect(), ..played };
        out.value(&played)?;
        Ok(if played.everybody_gets_it(self.rcpt.len()) { Status::Fine } else { Status::Finding })
    }

    async fn play(&self, house: &Store, mut config: Config, message: &[u8]) -> Result<Played, Failure> {
        let folder = tempfile::tempdir().map_err(Failure::io("cannot make a folder for the rehearsal"))?;
        let data = folder.path().join("data");
        house.rehearsal(&data).await?;
        config.server.data.clone_from(&data);
        // The session is in the clear, and needs no room for mail.
        (config.tls.certificate, config.tls.key) = (None, None);
        config.smtp.minimum_free_disk.0 = 0;
        let probing = config.clone();
        // Nobody is asked; the answers that are kept serve.
        (config.probe.per_minute, config.probe.per_day) = (0, 0);
        let sink = SmtpPeer::sink().name("behind.test").start_at((Ipv4Addr::LOCALHOST, 0).into()).await;
        let sink = sink.map_err(Failure::io("cannot listen on 127.0.0.1"))?;
        let mut notes = Vec::new();
        let shared = Shared::new(config, Options::default(), Events::new()).await?;
        for domain in shared.store.domains().await? {
            if domain.route != Route::Mailbox {
                notes.push(format!("The MTA behind was not asked about recipients in {}.", domain.name));
                shared.store.set_route(domain.name, Route::Proxy(sink.address().to_string())).await?;
            }
        }
        if self.probe {
            self.let_probe(&shared, house, &probing).await?;
        }
        // DNS lists are asked only once they are known to be well.
        shared.gate.check_zones().await;
        let session = self.converse(&shared, message).await?;
        shared.shutdown.begin(LAST_WORK);
        let (config, store) = (shared.config.load_full(), shared.store.clone());
        drop(shared);
        store.close().await?;
        let (outcome, judgements) = judged(&data, &config).await?;
        Ok(Played { session, outcome, judgements, notes })
    }

    /// Gives the tests the house's own prober: with its limits, and its ledger.
    async fn let_probe(&self, shared: &Shared, house: &Store, config: &Config) -> Result<(), Failure> {
        let dns = Dns::new(compose::dns::settings(config))?;
        let prober =
            prober(compose::probe::settings(config, &shared.own), dns, house, &shared.events).await?;
        prober.set_domains(house.domains().await?.into_iter().map(|domain| domain.name));
        shared.gate.set_prober(prober);
        Ok(())
    }

    /// The session itself, over loopback; the client's address goes ahead in a PROXY header.
    async fn converse(&self, shared: &Shared, message: &[u8]) -> Result<Vec<Exchange>, Failure> {
        let failed = || Failure::io("the session broke");
        let config = shared.config.load_full();
        let mut settings = compose::smtp::settings(&config);
        settings.trust.proxy_protocol = [Network::single(Ipv4Addr::LOCALHOST.into())].into_iter().collect();
        let service = smtp_service(shared, &config, settings)?;
        let (ip, helo, mail_from, rcpt) =
            (self.ip, self.helo.clone(), self.mail_from.clone(), self.rcpt.clone());
        let envelope = Envelope { ip, helo, mail_from, rcpt };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed())?;
        let client = TcpStream::connect(listener.local_addr().map_err(failed())?).await.map_err(failed())?;
        let (accepted, _) = listener.accept().await.map_err(failed())?;
        let serve = service.serve_one(Door::Smtp, Stream::from_tcp(accepted).map_err(failed())?);
        let mut client = Client::new(client);
        let talk = async {
            let told = client.talk(&envelope, message).await;
            (client, told)
        };
        let ((), (client, told)) = tokio::join!(serve, talk);
        told.map_err(failed())?;
        Ok(client.exchanges)
    }
}

/// The message as it came: what this server put on top when it stored it is cut off, down to its `Received`.
fn as_it_came<'a>(content: &'a [u8], hostname: &str) -> (&'a [u8], bool) {
    const OURS: [&str; 5] =
        ["Return-Path", "Delivered-To", "X-Postern-Verdict", "Authentication-Results", "Received-SPF"];
    let by = format!("by {hostname} with ");
    for field in Fields::with_limit(content, 16) {
        let value = String::from_utf8_lossy(&field.value()).into_owned();
        if field.is("Received") {
            let ours = value.split_whitespace().collect::<Vec<_>>().join(" ").contains(&by);
            return if ours { (behind(content, field.raw_value()), true) } else { (content, false) };
        }
        if !OURS.iter().any(|name| field.is(name)) {
            break;
        }
    }
    (content, false)
}

/// What stands in `content` behind the line that ends with `part` of it.
fn behind<'a>(content: &'a [u8], part: &[u8]) -> &'a [u8] {
    let end = part.as_ptr_range().end.addr().saturating_sub(content.as_ptr().addr());
    let rest = content.get(end..).unwrap_or_default();
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    rest.strip_prefix(b"\n").unwrap_or(rest)
}

/// What the rehearsal's store knows of the transaction.
async fn judged(data: &Path, config: &Config) -> Result<(Option<Outcome>, Vec<Judgement>), Failure> {
    let store = Store::open(data, Options::tool())?;
    let traces = store.traces(TraceQuery::default()).await?;
    let mut result = (None, Vec::new());
    // The latest first; the one that a message made, or else what refused the session.
    for summary in traces {
        let record = store.trace(summary.id).await?;
        if record.evidence.is_empty() {
            continue;
        }
        let mut policies = Policies::of(store.clone(), config);
        let (judgements, _) = explained(&parse(&record.evidence)?, &mut policies, record.id).await?;
        let evidence = serde_json::from_str(&record.evidence).unwrap_or_default();
        let outcome =
            Outcome { id: record.id, ended: record.outcome.as_str(), reply: record.reply, evidence };
        let found = !judgements.is_empty();
        result = (Some(outcome), judgements);
        if found {
            break;
        }
    }
    store.close().await?;
    Ok(result)
}

/// How the transaction ended.
#[derive(Debug, serde::Serialize)]
struct Outcome {
    id: TraceId,
    ended: &'static str,
    reply: String,
    evidence: serde_json::Value,
}

/// The session as it would have gone, and why.
#[derive(Debug, serde::Serialize)]
struct Played {
    session: Vec<Exchange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    judgements: Vec<Judgement>,
    notes: Vec<String>,
}

impl Played {
    /// Whether every one of so many recipients would find it in the mailbox.
    fn everybody_gets_it(&self, recipients: usize) -> bool {
        use postern_policy::ActionKind::{Deliver, Tag};
        let gets = |judgement: &&Judgement| matches!(judgement.explanation.action, Deliver | Tag);
        let message = self.session.iter().find(|exchange| exchange.command == "(the message)");
        message.is_some_and(Exchange::is_positive)
            && self.judgements.iter().filter(gets).count() >= recipients
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Exchange { command, reply } in &self.session {
            if !command.is_empty() {
                writeln!(f, "C: {}", shown(command))?;
            }
            for line in reply {
                writeln!(f, "S: {}", shown(line))?;
            }
        }
        if let Some(Outcome { ended, .. }) = &self.outcome {
            writeln!(f, "\nIt would have ended as {ended}.")?;
        }
        for judgement in &self.judgements {
            writeln!(f, "\n{judgement}")?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        writeln!(f, "Nothing was delivered or stored.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_lines_are_left_out() {
        let stored = b"Return-Path: <a@b.test>\r\nDelivered-To: ann@example.org\r\nReceived: from x (unknown [192.0.2.1])\r\n\
            \tby mail.example.org with ESMTP id 06y5ygaw1em01;\r\n\tSun, 22 Nov 2026 05:59:00 +0000\r\n\
            From: a@b.test\r\n\r\nhello\r\n";
        let (rest, stripped) = as_it_came(stored, "mail.example.org");
        assert!(stripped && rest.starts_with(b"From: a@b.test\r\n"));
        assert_eq!(as_it_came(stored, "mx.example.net"), (&stored[..], false));
        let plain = b"From: a@b.test\n\nhello\n";
        assert_eq!(as_it_came(plain, "mail.example.org"), (&plain[..], false));
    }

    #[test]
    fn senders_are_read_with_and_without_brackets() {
        assert_eq!(sender("<>").unwrap(), ReversePath::Null);
        assert_eq!(sender("").unwrap(), ReversePath::Null);
        assert_eq!(sender("<a@b.test>").unwrap(), sender("a@b.test").unwrap());
        assert!(sender("a b").is_err());
    }
}
