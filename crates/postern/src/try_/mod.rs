//! `postern try`: a whole Postern on loopback with nothing to set up, shown at work.
//!
//! Beside it runs a small test internet ([`world`]), from which it sends itself a tour of
//! messages ([`tour`], [`active`]); the table ([`table`]) tells what came, what was decided and why; the
//! mailboxes are read back by POP3 and compared ([`mailbox`]). Then it stays up, and shows what
//! people send by hand, until Ctrl-C.

mod active;
mod folder;
mod hands;
mod mailbox;
mod play;
mod ready;
mod scene;
mod screen;
mod show;
mod table;
mod tour;
mod world;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use postern_events::Event;
use postern_events::log::{self, Level};
use postern_net::{Signal, Signals};
use postern_store::{Store, StoreError, TraceQuery};
use postern_types::{Address, Secret, Timestamp, TraceId};

use crate::failure::{Failure, Status};
use crate::output::{Format, Output};
use crate::serve::{Ports, Server};
use folder::{DOMAIN, Folder, HOUSE};
use ready::{Account, Ready};
use screen::Screen;
use show::Show;
use world::World;

/// See a whole Postern at work on this machine, with nothing to set up
///
/// It makes a domain with accounts in a folder of its own, starts the server on high ports of
/// loopback, sends it mail of every kind from a small test internet, shows what was decided and
/// why, and stays up for your own attempts until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Try {
    /// End after the tour; exit code 0 only if everything went as it should
    #[arg(long)]
    once: bool,

    /// Send nothing, only stay up
    #[arg(long, conflicts_with = "once")]
    no_tour: bool,

    /// How many accounts: user0@example.test, user1@example.test, … with one password
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    accounts: u32,

    /// Keep everything in this folder [default: a new one that is removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST)]
    listen: Ipv4Addr,

    /// With --json: the file that tells programs every address that is listened on and every
    /// account, written when all of it is ready
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// How often the store is asked for what came in by hand.
const LOOK: Duration = Duration::from_millis(300);
/// What sessions that are still open at the end may take.
const GRACE: Duration = Duration::from_secs(2);

impl Try {
    /// Runs it to its end.
    pub(crate) fn run(self, out: Output) -> Result<Status, Failure> {
        match (out.format, &self.file) {
            (Format::Json, None) => {
                return Err(Failure::Usage("--json needs the name of a FILE here".into()));
            }
            (Format::Text, Some(file)) => {
                let file = file.display();
                return Err(Failure::Usage(format!("`{file}` is unexpected; did you mean `--json {file}`?")));
            }
            _ => {}
        }
        let folder = Folder::open(self.data.as_deref())?;
        let file = File::create(folder.log()).map_err(Failure::io("cannot write the log"))?;
        let log = log::init_file(file, log::Format::Text, Level::Info);
        let _log = log.map_err(|error| Failure::Finding(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(Failure::io("cannot start"))?.block_on(self.hold(&folder))
    }

    /// From the first port to the last.
    async fn hold(&self, folder: &Folder) -> Result<Status, Failure> {
        let mut signals = Signals::new()?;
        let house = tokio::select! {
            house = self.open(folder) => house?,
            () = asked_to_stop(&mut signals) => return Ok(self.interrupted()),
        };
        let shown = tokio::select! {
            shown = self.visit(&house, folder) => shown,
            () = asked_to_stop(&mut signals) => Ok(self.interrupted()),
        };
        house.close().await?;
        shown
    }

    /// A tour that was not seen to its end did not go as it should.
    fn interrupted(&self) -> Status {
        if self.once { Status::Finding } else { Status::Fine }
    }

    /// Everything that has to be there before the tour.
    async fn open(&self, folder: &Folder) -> Result<House, Failure> {
        let world = World::start(HOUSE, DOMAIN).await.map_err(Failure::io("no test internet"))?;
        folder.furnish()?;
        let password = postern_signin::generate()?;
        let people = folder.people(self.accounts, &password).await?;
        let (config, ports) = folder.open_ports(self.listen, &world)?;
        let ready = ready(folder, &world, &ports, &people, &password);
        let doors = Doors::of(&ports)?;
        let server = Server::start(config, ports).await?;
        if let Some(file) = &self.file {
            ready.write(file).map_err(Failure::io(format!("cannot write {}", file.display())))?;
        }
        Ok(House { server, world, people, ready, doors })
    }

    /// The tour, and what comes after it.
    async fn visit(&self, house: &House, folder: &Folder) -> Result<Status, Failure> {
        let lost = || Failure::io("cannot write to standard output");
        let mut screen = Screen::new();
        screen.say(&format!("Postern is up in {}", folder.path().display())).map_err(lost())?;
        for (service, addresses) in &house.ready.listen {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            screen.say(&format!("  {service:6} {}", addresses.join(", "))).map_err(lost())?;
        }
        screen.say("").map_err(lost())?;
        let mut status = Status::Fine;
        if !self.no_tour {
            let outcome = house.tour(&mut screen).await?;
            if outcome.wrong > 0 {
                status = Status::Finding;
            }
            screen.say(&format!("\n{outcome}")).map_err(lost())?;
        }
        if !self.once {
            house.stay(&mut screen, folder).await?;
        }
        Ok(status)
    }
}

/// SIGINT or SIGTERM.
async fn asked_to_stop(signals: &mut Signals) {
    while signals.next().await == Signal::Reload {}
}

/// Where the tour and the lines by hand connect to.
#[derive(Clone, Copy)]
struct Doors {
    smtp: SocketAddr,
    pop3: SocketAddr,
}

impl Doors {
    fn of(ports: &Ports) -> Result<Self, Failure> {
        let addresses = ports.addresses();
        let first = |name: &str| {
            let address = addresses.get(name).and_then(|all| all.first()).copied();
            let mut address =
                address.ok_or_else(|| Failure::Finding(format!("{name} is not listened on")))?;
            // Who listens on every address is reached on this one.
            if address.ip().is_unspecified() {
                address.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            Ok::<_, Failure>(address)
        };
        Ok(Self { smtp: first("smtp")?, pop3: first("pop3")? })
    }
}

fn ready(
    folder: &Folder,
    world: &World,
    ports: &Ports,
    people: &[Address],
    password: &Secret<String>,
) -> Ready {
    let account =
        |address: &Address| Account { address: address.to_string(), password: password.expose().clone() };
    Ready {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        folder: folder.path().into(),
        config: folder.config(),
        data: folder.data(),
        log: folder.log(),
        domain: DOMAIN.into(),
        listen: ports.addresses().into_iter().filter(|(_, addresses)| !addresses.is_empty()).collect(),
        dns: world.dns(),
        hosts: world.servers(),
        accounts: people.iter().map(account).collect(),
    }
}

/// A house that is up, and the world around it.
struct House {
    server: Server,
    world: World,
    people: Vec<Address>,
    ready: Ready,
    doors: Doors,
}

impl House {
    /// Lets nobody in any more, and waits for those who are.
    async fn close(self) -> Result<(), Failure> {
        self.server.events().emit(&Event::Stopping { why: "the trial is over" });
        self.server.shutdown().begin(GRACE);
        self.server.finish().await
    }

    async fn tour(&self, screen: &mut Screen) -> Result<show::Outcome, Failure> {
        let show = Show {
            world: &self.world,
            smtp: self.doors.smtp,
            pop3: self.doors.pop3,
            store: self.server.store(),
            people: &self.people,
            accounts: &self.ready.accounts,
        };
        let scenes = show.scenes();
        show.prepare(&scenes).await?;
        show.run(&scenes, screen).await.map_err(Failure::io("cannot write to standard output"))
    }

    /// Says how to send and fetch by hand, and shows what comes in. For ever.
    async fn stay(&self, screen: &mut Screen, folder: &Folder) -> Result<(), Failure> {
        let lost = || Failure::io("cannot write to standard output");
        screen.say("").map_err(lost())?;
        if let Some(account) = self.ready.accounts.first() {
            for (what, line) in hands::lines(self.doors.smtp, self.doors.pop3, account) {
                screen.say(&format!("{what:14} {line}")).map_err(lost())?;
            }
        }
        let program = std::env::current_exe().unwrap_or_else(|_| "postern".into());
        let (program, file) = (program.display(), folder.config());
        let why = format!("{:14} {program} --config {} trace ID", "ask why", file.display());
        screen.say(&why).map_err(lost())?;
        screen.say("\nIt stays up; Ctrl-C ends it. What you send shows here:").map_err(lost())?;
        let mut news = News { begin: Timestamp::now(), shown: BTreeMap::new() };
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            news.show(self.server.store(), screen).await?;
        }
    }
}

/// What has come in since the tour.
struct News {
    begin: Timestamp,
    /// What was shown of late.
    shown: BTreeMap<TraceId, Timestamp>,
}

/// Rows shown at one look: under load the table gives samples.
const ROWS: usize = 20;
/// How many milliseconds after its end a transaction may show in the store.
const LATE_MILLIS: i64 = 5_000;

impl News {
    async fn show(&mut self, store: &Store, screen: &Screen) -> Result<(), Failure> {
        let query = TraceQuery { since: Some(self.begin), limit: ROWS, ..TraceQuery::default() };
        let traces = match store.traces(query).await {
            Ok(traces) => traces,
            Err(StoreError::Busy) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for trace in traces.iter().rev() {
            if self.shown.insert(trace.id, trace.at).is_none() {
                let row = screen.row(&show::by_hand(trace));
                row.map_err(Failure::io("cannot write to standard output"))?;
            }
        }
        let now = Timestamp::now();
        self.shown.retain(|_, at| now.as_millis() - at.as_millis() <= LATE_MILLIS);
        self.begin = self.begin.max(Timestamp::from_millis(now.as_millis() - LATE_MILLIS));
        Ok(())
    }
}
