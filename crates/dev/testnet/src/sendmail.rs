//! A real Sendmail from Debian, in a folder of its own: as an MTA that asks a milter and passes on to a server
//! behind it. Needs root; its processes end with the value.
//!
//! Its package cannot be installed beside Postfix's: `cargo xtask test` unpacks it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Uid;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::tool::{group_is_gone, kill_group};
use crate::{Client, Tool, fresh_address, skip};

/// Where `cargo xtask test` unpacks the packages.
const UNPACKED: &str = "/usr/local/lib/postern-tests";

/// A Sendmail to be started.
pub struct Sendmail {
    hostname: String,
    address: SocketAddr,
    domain: String,
    behind: SocketAddr,
    milter: Option<String>,
}

impl Sendmail {
    /// Where Sendmail is unpacked and this is root: one with this host name, on port 25 of an address of its own,
    /// that takes mail for `domain` and passes all of it on to `behind`. Else `None`, with a [`skip`] line.
    #[must_use]
    pub fn find(hostname: &str, domain: &str, behind: SocketAddr) -> Option<Self> {
        if !Path::new(UNPACKED).join("usr/libexec/sendmail/sendmail").exists() {
            skip("Sendmail is not unpacked (`cargo xtask test` as root does it)");
            return None;
        }
        if !Uid::effective().is_root() {
            skip("only root can start Sendmail");
            return None;
        }
        let address = SocketAddr::from((fresh_address(), 25));
        let (hostname, domain) = (hostname.to_owned(), domain.to_owned());
        Some(Self { hostname, address, domain, behind, milter: None })
    }

    /// Asks this milter; without it, mail is put off.
    #[must_use]
    pub fn milter(mut self, at: SocketAddr) -> Self {
        self.milter = Some(format!("S=inet:{}@{}, F=T, T=C:10s;S:10s;R:30s;E:60s", at.port(), at.ip()));
        self
    }

    /// Starts it and waits until it greets.
    ///
    /// # Errors
    /// It does not start; the error holds what it said.
    pub async fn start(self) -> io::Result<RunningSendmail> {
        let folder = tempfile::Builder::new().prefix("postern-sendmail-").tempdir()?;
        let at = folder.path();
        fs::set_permissions(at, fs::Permissions::from_mode(0o755))?;
        fs::create_dir(at.join("queue"))?;
        fs::set_permissions(at.join("queue"), fs::Permissions::from_mode(0o700))?;
        // No DNS: the addresses of a test have no names, and asking for them takes its time.
        fs::write(at.join("switch"), "hosts files\naliases files\n")?;
        fs::write(at.join("hosts"), "127.0.0.1 localhost\n")?;
        let macros = Path::new(UNPACKED).join("usr/share/sendmail/cf/");
        let define = format!("-D_CF_DIR_={}", macros.display());
        let made = Tool::at(Path::new("/usr/bin/m4")).arg(define).arg("-").stdin(self.macros(at)).run().await;
        if !made.ok() {
            return Err(io::Error::other(format!("m4: {}", made.stderr)));
        }
        fs::write(at.join("sendmail.cf"), made.stdout)?;
        let mut running =
            RunningSendmail { folder, address: self.address, hostname: self.hostname, daemon: None };
        running.run().await?;
        Ok(running)
    }

    /// The configuration, in Sendmail's own words for it.
    fn macros(&self, at: &Path) -> String {
        let at = at.display();
        let mut lines = vec![
            format!("include(`{UNPACKED}/usr/share/sendmail/cf/m4/cf.m4')"),
            "OSTYPE(`linux')".into(),
            "undefine(`ALIAS_FILE')".into(),
            "undefine(`STATUS_FILE')".into(),
            "undefine(`HELP_FILE')".into(),
            format!("define(`confDOMAIN_NAME', `{}')", self.hostname),
            format!("define(`QUEUE_DIR', `{at}/queue')"),
            format!("define(`confPID_FILE', `{at}/pid')"),
            format!("define(`confSERVICE_SWITCH_FILE', `{at}/switch')"),
            format!("define(`confHOSTS_FILE', `{at}/hosts')"),
            "define(`confTO_IDENT', `0')".into(),
            "define(`confDONT_PROBE_INTERFACES', `true')".into(),
            "define(`confCONNECTION_RATE_THROTTLE', `0')".into(),
            "define(`confREFUSE_LA', `1000')".into(),
            "define(`confQUEUE_LA', `1000')".into(),
            format!("define(`SMART_HOST', `relay:[{}]')", self.behind.ip()),
            format!("define(`RELAY_MAILER_ARGS', `TCP $h {}')", self.behind.port()),
            "FEATURE(`no_default_msa')".into(),
            "FEATURE(`nocanonify')".into(),
            "FEATURE(`accept_unresolvable_domains')".into(),
            "FEATURE(`nouucp', `reject')".into(),
            format!("RELAY_DOMAIN(`{}')", self.domain),
            format!("DAEMON_OPTIONS(`Family=inet, Addr={}, Port=25, Name=MTA')", self.address.ip()),
        ];
        lines.extend(self.milter.iter().map(|milter| format!("INPUT_MAIL_FILTER(`tested', `{milter}')")));
        lines.push("MAILER(`smtp')".into());
        lines.join("\n") + "\n"
    }
}

/// A running Sendmail. Its processes are killed when this value is dropped.
pub struct RunningSendmail {
    folder: TempDir,
    address: SocketAddr,
    hostname: String,
    /// The daemon, leader of a process group.
    daemon: Option<Child>,
}

impl Drop for RunningSendmail {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            kill_group(daemon.id(), Signal::SIGKILL);
        }
    }
}

impl RunningSendmail {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that was said on its connections, and what it complained about.
    #[must_use]
    pub fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("output") + &read("traffic")
    }

    /// How many messages its queue holds.
    #[must_use]
    pub fn queued(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.folder.path().join("queue")) else { return 0 };
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("qf")).count()
    }

    /// Waits until the queue is empty, 30 seconds at most; whether it is.
    pub async fn wait_for_empty_queue(&self) -> bool {
        let poll = async {
            while self.queued() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), poll).await.is_ok()
    }

    /// Kills all its processes at once.
    ///
    /// # Errors
    /// As the system says.
    pub async fn kill(&mut self) -> io::Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            let group = daemon.id();
            kill_group(group, Signal::SIGKILL);
            daemon.wait().await?;
            group_is_gone(group).await;
        }
        Ok(())
    }

    async fn run(&mut self) -> io::Result<()> {
        let at = self.folder.path();
        let output = fs::File::create(at.join("output"))?;
        // Where the host's name has no dot, Sendmail waits a minute for a better one: it gets one of its own.
        let script = "echo \"$1\" > /proc/sys/kernel/hostname && shift && exec \"$@\"";
        let daemon = Command::new("unshare")
            .args(["--uts", "sh", "-c", script, "sh", &self.hostname])
            .arg(Path::new(UNPACKED).join("usr/libexec/sendmail/sendmail"))
            .arg("-C")
            .arg(at.join("sendmail.cf"))
            .arg("-bD")
            .arg("-X")
            .arg(at.join("traffic"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        self.daemon = Some(daemon);
        if matches!(tokio::time::timeout(Duration::from_secs(30), self.greets()).await, Ok(true)) {
            return Ok(());
        }
        Err(io::Error::other(format!("Sendmail does not start:\n{}", self.log())))
    }

    /// Whether it greets before it ends.
    async fn greets(&mut self) -> bool {
        loop {
            if let Ok(mut client) = Client::connect(self.address).await
                && client.reply().await.is_ok()
            {
                let _ = client.ask("QUIT").await;
                return true;
            }
            let ended = self.daemon.as_mut().is_none_or(|daemon| !matches!(daemon.try_wait(), Ok(None)));
            if ended {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
