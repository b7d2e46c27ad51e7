//! `postern wrap`: one SMTP session on standard input and output, for inetd, systemd (`Accept=yes`) and the like,
//! in front of an MTA that is a program.

use std::fs::{self, File, OpenOptions};
use std::io::{Write, stdin};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::dup2_stderr;
use postern_events::{Events, log};
use postern_net::{Stream, privileges};
use postern_smtp_service::{Door, Program};
use postern_store::Options;

use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;
use crate::open::block_on;
use crate::serve::{Shared, smtp_service};

/// Serve the one SMTP connection on standard input and output, in front of an MTA that is a program
///
/// For inetd, xinetd, tcpserver, and systemd sockets with `Accept=yes`. Domains that were added with `--wrapped`
/// (or `--to`) are passed on to the program, which must speak SMTP on its standard input and output.
#[derive(Debug, clap::Args)]
pub(crate) struct Wrap {
    /// Where the log goes [default: standard error, unless that is the connection too]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// The MTA and its arguments, such as `/usr/sbin/sendmail -bs`; without it, mail goes where each domain's
    /// `--to` says
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

/// What the last work of a session may take after its end.
const LAST_WORK: Duration = Duration::from_secs(10);
/// What the client hears when there is no session.
const NOT_NOW: &str = "421 4.3.0 the mail server cannot be started at the moment, please try again later\r\n";

impl Wrap {
    pub(crate) fn run(self, named: Option<&Path>) -> Result<Status, Failure> {
        let connection = connection()?;
        let mut told = connection.try_clone().map_err(broken())?;
        let done = self.serve(connection, named);
        if done.is_err() {
            // rfc5321 §3.8: what cannot be served is told so; after the session's end nobody hears it.
            let _ = told.write_all(NOT_NOW.as_bytes());
        }
        done
    }

    fn serve(self, connection: TcpStream, named: Option<&Path>) -> Result<Status, Failure> {
        keep_log_out_of_the_connection(self.log.as_deref())?;
        let config = file::load(named)?;
        let (format, level) = compose::events::log(&config);
        let _log = log::init(format, level).map_err(|error| Failure::Finding(error.to_string()))?;
        match &config.server.user {
            Some(user) if nix::unistd::geteuid().is_root() => drop(privileges::drop_to(user)?),
            _ => privileges::refuse_root().map_err(|error| {
                Failure::Finding(format!("{error}: set `server.user` in {}", config.file().display()))
            })?,
        }
        let mut program = self.program.into_iter();
        let program = program.next().map(|path| Program { path: path.into(), arguments: program.collect() });
        block_on(async {
            let shared = Shared::new(config, Options::tool(), Events::new()).await?;
            let config = shared.config.load_full();
            let mut settings = compose::smtp::settings(&config);
            settings.upstream.program = program;
            let service = smtp_service(&shared, &config, settings)?;
            // A DNS list is asked only once it is known to be well, and this process has just begun.
            shared.gate.check_zones().await;
            let whole = connection.try_clone().map_err(broken())?;
            let stream = Stream::from_tcp(tokio::net::TcpStream::from_std(connection).map_err(broken())?);
            service.serve_one(Door::Smtp, stream.map_err(broken())?).await;
            // Standard input and output hold the connection open as long as this process lives. That the client is
            // gone already is as good.
            let _ = whole.shutdown(std::net::Shutdown::Both);
            shared.shutdown.begin(LAST_WORK);
            // What tests have asked is worth knowing for the next connection.
            let answered = tokio::time::timeout(config.probe.deadline, shared.prober.idle()).await;
            if answered.is_err() {
                tracing::info!("questions to other hosts are given up with the end of this process");
            }
            shared.feedback.flush().await;
            let store = shared.store.clone();
            drop(shared);
            Ok(store.close().await?)
        })?;
        Ok(Status::Fine)
    }
}

fn broken() -> impl FnOnce(std::io::Error) -> Failure {
    Failure::io("the connection on standard input cannot be used")
}

/// The connection that is standard input.
fn connection() -> Result<TcpStream, Failure> {
    let no_socket = |why: String| {
        Failure::Usage(format!(
            "standard input is no TCP connection ({why}): `postern wrap` is started by inetd, tcpserver or a systemd \
             socket with Accept=yes, once for each connection"
        ))
    };
    let own = stdin().as_fd().try_clone_to_owned().map_err(|error| no_socket(error.to_string()))?;
    let connection = TcpStream::from(own);
    connection.peer_addr().map_err(|error| no_socket(error.to_string()))?;
    connection.set_nonblocking(true).map_err(|error| no_socket(error.to_string()))?;
    Ok(connection)
}

/// inetd makes standard error the connection as well: a line of the log there would be heard by the client.
fn keep_log_out_of_the_connection(file: Option<&Path>) -> Result<(), Failure> {
    let to = match file {
        Some(path) => {
            let opened = OpenOptions::new().append(true).create(true).open(path);
            opened.map_err(Failure::io(format!("cannot write {}", path.display())))?
        }
        None if is_same(0, 2) => {
            File::options().write(true).open("/dev/null").map_err(Failure::io("cannot open /dev/null"))?
        }
        None => return Ok(()),
    };
    dup2_stderr(to).map_err(std::io::Error::from).map_err(Failure::io("cannot move standard error"))
}

/// Whether two descriptors are the same file.
fn is_same(one: u32, other: u32) -> bool {
    let of = |fd: u32| fs::metadata(format!("/proc/self/fd/{fd}")).map(|facts| (facts.dev(), facts.ino()));
    matches!((of(one), of(other)), (Ok(one), Ok(other)) if one == other)
}
