//! `cargo xtask bench`: Postern beside Postfix and Dovecot, in one run, driven alike, with every
//! sync on. Interleaved, so that whatever else the machine does meets both; medians are printed.

mod cost;
mod dns;
mod flood;
mod interrupt;
mod load;
mod measure;
mod peer;
mod postern;
mod postfix;
mod sink;
mod table;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use load::Shape;
use measure::measure;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use peer::Peer;
use sink::Sink;
use table::Run;

use crate::{Failure, packages};

const DOMAIN: &str = "bench.test";
const PASSWORD: &str = "bench-password-7";
/// Mailboxes: with one only, the lock of one mailbox would be measured.
const USERS: usize = 10;
const BLOCKED: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 9);
const POSTFIX: &str = "Postfix + Dovecot";
const POSTERN: &str = "Postern";

const PARTS: [&str; 7] = ["mailbox", "gate", "proxy", "blocked", "flood", "idle", "large"];

struct Bench {
    /// Postern's program, unless only Postfix is measured.
    program: Option<PathBuf>,
    /// The port of the DNS that Postern asks.
    dns: u16,
    /// Whether Postfix is measured.
    postfix: bool,
    /// How much less than usual: 1, or 5 with `--quick`.
    divisor: usize,
    runs: Vec<Run>,
    notes: Vec<String>,
}

pub(crate) fn run(arguments: &[String]) -> Result<String, Failure> {
    let mut runs = 3;
    let mut divisor = 1;
    let mut parts = Vec::new();
    let mut only = None;
    let mut program = None;
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--quick" => (divisor, runs) = (5, 1),
            "--runs" => {
                let number = words.next().and_then(|number| number.parse().ok());
                runs = number.ok_or("--runs needs a number")?;
            }
            "--only" => only = words.next(),
            "--program" => program = words.next().map(PathBuf::from),
            part if PARTS.contains(&part) => parts.push(part),
            _ => return Err(format!("what is {word}? parts: {}", PARTS.join(", "))),
        }
    }
    if parts.is_empty() {
        parts = PARTS.to_vec();
    }
    interrupt::prepare()?;
    let wanted = if only == Some("postern") { packages::LOAD } else { packages::BENCH };
    println!("{}", packages::install(wanted)?);
    if program.is_none() && only != Some("postfix") {
        program = Some(postern::build()?);
    }
    let postfix = only != Some("postern") && packages::is_root();
    let mut bench =
        Bench { program, dns: dns::start()?, postfix, divisor, runs: Vec::new(), notes: Vec::new() };
    if !packages::is_root() {
        bench.note("Postfix and Dovecot need root: they are not measured here.".into());
    }
    for number in 1..=runs {
        println!("run {number} of {runs}");
        for part in &parts {
            bench.part(part)?;
        }
    }
    let notes: Vec<String> = bench.notes.iter().map(|note| format!("- {note}")).collect();
    Ok(format!("\n{}\n\n{}", table::of(&bench.runs), notes.join("\n")))
}

impl Bench {
    fn part(&mut self, part: &str) -> Result<(), Failure> {
        match part {
            "mailbox" => {
                self.mailbox("mailbox, 50 sessions", Shape { messages: 5000 / self.divisor, sessions: 50 })?;
                self.mailbox("mailbox, 1 session", Shape { messages: 1000 / self.divisor, sessions: 1 })
            }
            "gate" => self.gate(Shape { messages: 5000 / self.divisor, sessions: 50 }),
            "proxy" => self.proxy(Shape { messages: 5000 / self.divisor, sessions: 50 }),
            "blocked" => self.blocked(20_000 / self.divisor),
            "flood" => self.flood(1000 / self.divisor),
            "idle" => self.idle(10_000 / self.divisor),
            _ => self.large(49_000_000),
        }
    }

    /// From the first connection until the last message is in its mailbox.
    fn mailbox(&mut self, test: &'static str, shape: Shape) -> Result<(), Failure> {
        if self.postfix {
            let mut peer = Peer::new("postfix-dovecot")?;
            let dovecot = postfix::dovecot(&mut peer)?;
            let port = postfix::start(&mut peer, postfix::Role::Mailboxes(dovecot.lmtp))?;
            let arrived = |count: usize| until(|| postfix::in_mailboxes(&peer) >= count);
            let run = deliver(&peer, test, POSTFIX, port, shape, &arrived)?;
            self.take(run, load::count_by_pop3(dovecot.pop3)?, shape)?;
        }
        if let Some((peer, ports)) = self.postern(postern::Role::Mailboxes)? {
            // Accepted is delivered: nothing to wait for.
            let run = deliver(&peer, test, POSTERN, ports.smtp, shape, &|_| Ok(()))?;
            self.take(run, load::count_by_pop3(ports.pop3)?, shape)?;
        }
        Ok(())
    }

    /// What the gate's tests cost: with none of them, and with all that are made by default.
    fn gate(&mut self, shape: Shape) -> Result<(), Failure> {
        let Some(program) = self.program.clone() else { return Ok(()) };
        let tests = [(postern::Tests::Off, "Postern, every test off"), (postern::Tests::Default, POSTERN)];
        let mut costs = Vec::new();
        for (tests, name) in tests {
            let mut peer = Peer::new("postern")?;
            let role = (postern::Role::Mailboxes, tests);
            let ports = postern::start(&mut peer, &program, role, self.dns)?;
            let run = deliver(&peer, "gate, 50 sessions", name, ports.smtp, shape, &|_| Ok(()))?;
            costs.push(run.cost.cpu * 1000.0 / run.messages as f64);
            self.take(run, load::count_by_pop3(ports.pop3)?, shape)?;
        }
        if let [without, with] = costs[..] {
            self.note(format!(
                "The gate's tests cost {:.3} ms of the processor for each message.",
                with - without
            ));
        }
        Ok(())
    }

    /// In front of another server: until that one has every message.
    fn proxy(&mut self, shape: Shape) -> Result<(), Failure> {
        let test = "proxy, 50 sessions";
        if self.postfix {
            let sink = Sink::start()?;
            self.postfix_before(&sink, "Postfix, relay", postfix::Role::Relay(sink.port), test, shape)?;
            let sink = Sink::start()?;
            self.postfix_before(
                &sink,
                "Postfix, before-queue proxy",
                postfix::Role::Proxy(sink.port),
                test,
                shape,
            )?;
        }
        let sink = Sink::start()?;
        if let Some((peer, ports)) = self.postern(postern::Role::Proxy(sink.port))? {
            let run = deliver(&peer, test, "Postern, proxy", ports.smtp, shape, &|_| Ok(()))?;
            self.take(run, sink.count(), shape)?;
        }
        Ok(())
    }

    fn postfix_before(
        &mut self,
        sink: &Sink,
        name: &'static str,
        role: postfix::Role,
        test: &'static str,
        shape: Shape,
    ) -> Result<(), Failure> {
        let mut peer = Peer::new("postfix-proxy")?;
        let port = postfix::start(&mut peer, role)?;
        let arrived = |count: usize| until(|| sink.count() >= count && postfix::queued(&peer) == 0);
        let run = deliver(&peer, test, name, port, shape, &arrived)?;
        self.take(run, sink.count(), shape)
    }

    /// Connections from an address that is blocked: what each costs.
    fn blocked(&mut self, times: usize) -> Result<(), Failure> {
        let test = "blocked address";
        if self.postfix {
            let mut peer = Peer::new("postscreen")?;
            let port = postfix::start(&mut peer, postfix::Role::Door)?;
            let ((), cost) = measure(&peer, || load::knock(BLOCKED, port, times))?;
            self.show(Run {
                test,
                peer: "Postfix, postscreen",
                messages: times,
                accepted_in: cost.seconds,
                cost,
            });
        }
        if let Some((peer, ports)) = self.postern(postern::Role::Mailboxes)? {
            let ((), cost) = measure(&peer, || load::knock(BLOCKED, ports.smtp, times))?;
            self.show(Run { test, peer: POSTERN, messages: times, accepted_in: cost.seconds, cost });
        }
        Ok(())
    }

    /// A new Postern, unless only Postfix is measured.
    fn postern(&self, role: postern::Role) -> Result<Option<(Peer, postern::Ports)>, Failure> {
        let Some(program) = &self.program else { return Ok(None) };
        let mut peer = Peer::new("postern")?;
        let ports = postern::start(&mut peer, program, (role, postern::Tests::Default), self.dns)?;
        Ok(Some((peer, ports)))
    }

    /// Connections that say nothing, and one more that does.
    fn idle(&mut self, count: usize) -> Result<(), Failure> {
        let count = allow_files(count)?;
        let Some((peer, ports)) = self.postern(postern::Role::Mailboxes)? else { return Ok(()) };
        let before = peer.memory();
        let open = load::idle(ports.smtp, count)?;
        let after = peer.memory();
        load::send(ports.smtp, Shape { messages: 10, sessions: 1 })?;
        drop(open);
        self.note(format!(
            "{count} idle connections: {} MB (before: {} MB); another client is served meanwhile.",
            after / 1024,
            before / 1024
        ));
        Ok(())
    }

    /// How long honest messages take during a flood from a blocked address.
    fn flood(&mut self, messages: usize) -> Result<(), Failure> {
        let Some((_peer, ports)) = self.postern(postern::Role::Mailboxes)? else { return Ok(()) };
        let flood::Flood { rate, idle, flooded, beside } = flood::flood(ports.smtp, messages)?;
        let times = |latency: &flood::Latency| latency.p99.as_secs_f64() / idle.p99.as_secs_f64();
        self.note(format!(
            "A flood of {rate:.0} connections a second from a blocked address: an honest message takes {:.2?} (p99 {:.2?}), \
             without it {:.2?} (p99 {:.2?}): p99 ×{:.1}; with the flood against a bare listener beside Postern ×{:.1}.",
            flooded.median,
            flooded.p99,
            idle.median,
            idle.p99,
            times(&flooded),
            times(&beside),
        ));
        Ok(())
    }

    /// One large message: how much more memory than before.
    fn large(&mut self, octets: usize) -> Result<(), Failure> {
        let Some((peer, ports)) = self.postern(postern::Role::Mailboxes)? else { return Ok(()) };
        load::send(ports.smtp, Shape { messages: 100, sessions: 10 })?;
        let before = peer.memory();
        let ((), cost) = measure(&peer, || load::send_large(ports.smtp, octets))?;
        let grown = cost.peak.saturating_sub(before) as f64 / 1024.0;
        self.note(format!(
            "A message of {} MB: memory grows by {grown:.1} MB, {:.2} s.",
            octets / 1_000_000,
            cost.seconds
        ));
        Ok(())
    }

    /// Keeps a run whose messages are all there.
    fn take(&mut self, run: Run, found: usize, shape: Shape) -> Result<(), Failure> {
        let sent = shape.messages + warm_up(shape).messages;
        if found != sent {
            return Err(format!(
                "{} with {}: {sent} messages were accepted, {found} are there",
                run.test, run.peer
            ));
        }
        self.show(run);
        Ok(())
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of a bench stay far below 2^52")]
    fn show(&mut self, run: Run) {
        let messages = run.messages as f64;
        let (rate, cpu) = (messages / run.cost.seconds, run.cost.cpu * 1000.0 / messages);
        println!("  {}, {}: {rate:.0}/s, {cpu:.3} ms CPU, {} MB", run.test, run.peer, run.cost.peak / 1024);
        self.runs.push(run);
    }

    fn note(&mut self, note: String) {
        println!("  {note}");
        self.notes.push(note);
    }
}

/// Before the clock starts: processes are forked, caches filled.
fn warm_up(shape: Shape) -> Shape {
    Shape { messages: shape.sessions * 10, sessions: shape.sessions }
}

/// Sends, waits until all has arrived, and measures both.
fn deliver(
    peer: &Peer,
    test: &'static str,
    name: &'static str,
    port: u16,
    shape: Shape,
    arrived: &dyn Fn(usize) -> Result<(), Failure>,
) -> Result<Run, Failure> {
    let warm = warm_up(shape);
    load::send(port, warm)?;
    arrived(warm.messages)?;
    let (accepted_in, cost) = measure(peer, || {
        let started = Instant::now();
        load::send(port, shape)?;
        let accepted_in = started.elapsed().as_secs_f64();
        arrived(warm.messages + shape.messages)?;
        Ok(accepted_in)
    })?;
    Ok(Run { test, peer: name, messages: shape.messages, accepted_in, cost })
}

/// Looks every 20 ms, for four minutes at most.
fn until(done: impl Fn() -> bool) -> Result<(), Failure> {
    let started = Instant::now();
    while !done() {
        if started.elapsed() > Duration::from_secs(240) {
            return Err("not everything arrived within four minutes".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// As many open files as are needed for so many connections, on both sides; fewer where the system
/// does not allow it.
fn allow_files(connections: usize) -> Result<usize, Failure> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| error.to_string())?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(|error| error.to_string())?;
    let possible = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(200);
    Ok(connections.min(possible))
}
