//! A real Postfix from Debian, in a folder of its own: as the MTA behind a proxy, as a sender, as
//! an open or closed relay. Needs root; its processes end with the value.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use nix::unistd::{Group, Uid, User};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::tool::{group_is_gone, kill_group, which};
use crate::{Client, Finished, Tool, fresh_address, skip};

/// A Postfix to be started: as it is here, it accepts mail for nobody.
pub struct Postfix {
    program: PathBuf,
    hostname: String,
    address: SocketAddr,
    mailboxes: Vec<String>,
    mailbox_domains: Vec<String>,
    settings: Vec<(String, String)>,
    services: Vec<String>,
}

/// The services of `master.cf`: name, type, process limit, program. None is chrooted, so that
/// nothing must be copied into the queue folder.
const SERVICES: &str = "\
pickup unix 1 pickup
cleanup unix 0 cleanup
qmgr unix 1 qmgr
tlsmgr unix 1 tlsmgr
rewrite unix - trivial-rewrite
bounce unix 0 bounce
defer unix 0 bounce
trace unix 0 bounce
verify unix 1 verify
flush unix 0 flush
proxymap unix - proxymap
smtp unix - smtp
relay unix - smtp
showq unix - showq
error unix - error
retry unix - error
discard unix - discard
virtual unix - virtual
lmtp unix - lmtp
anvil unix 1 anvil
scache unix 1 scache
postlog unix-dgram 1 postlogd
";

/// What `postfix start` would make.
const QUEUE_FOLDERS: [(&str, u32, &str); 13] = [
    ("active", 0o700, ""),
    ("bounce", 0o700, ""),
    ("corrupt", 0o700, ""),
    ("defer", 0o700, ""),
    ("deferred", 0o700, ""),
    ("flush", 0o700, ""),
    ("hold", 0o700, ""),
    ("incoming", 0o700, ""),
    ("private", 0o700, ""),
    ("maildrop", 0o730, "postdrop"),
    ("public", 0o710, "postdrop"),
    ("saved", 0o700, ""),
    ("trace", 0o700, ""),
];

/// The user that owns delivered mail (Debian's `nobody` and `nogroup`).
const MAIL_USER: u32 = 65_534;

impl Postfix {
    /// Where Postfix is installed and this is root: one with this host name, on port 25 of an
    /// address of its own. Else `None`, with a [`skip`] line.
    #[must_use]
    pub fn find(hostname: &str) -> Option<Self> {
        let Some(program) = which("postfix") else {
            skip("Postfix is not installed (`cargo xtask test` as root installs it)");
            return None;
        };
        if !Uid::effective().is_root() {
            skip("only root can start Postfix");
            return None;
        }
        Some(Self {
            program,
            hostname: hostname.to_owned(),
            address: SocketAddr::from((fresh_address(), 25)),
            mailboxes: Vec::new(),
            mailbox_domains: Vec::new(),
            settings: Vec::new(),
            services: Vec::new(),
        })
    }

    /// Listens there instead.
    #[must_use]
    pub fn listen(mut self, ip: Ipv4Addr, port: u16) -> Self {
        self.address = SocketAddr::from((ip, port));
        self
    }

    /// Has mailboxes for these users of a domain; others there are refused with `550 5.1.1`.
    #[must_use]
    pub fn mailboxes(mut self, domain: &str, users: &[&str]) -> Self {
        self.mailbox_domains.push(domain.to_owned());
        self.mailboxes.extend(users.iter().map(|user| format!("{user}@{domain} {user}@{domain}/")));
        self
    }

    /// Accepts every recipient of a domain, into the mailbox `catchall@domain`.
    #[must_use]
    pub fn catch_all(mut self, domain: &str) -> Self {
        self.mailbox_domains.push(domain.to_owned());
        self.mailboxes.push(format!("@{domain} catchall@{domain}/"));
        self
    }

    /// Is a sender: takes what loopback hands in, and brings all of it to this server.
    #[must_use]
    pub fn relay_all_to(self, server: SocketAddr) -> Self {
        self.setting("mynetworks", "127.0.0.0/8")
            .setting("relayhost", &format!("[{}]:{}", server.ip(), server.port()))
    }

    /// Relays for everybody (and then discards, so that nothing leaves this machine).
    #[must_use]
    pub fn open_relay(self) -> Self {
        self.setting("mynetworks", "0.0.0.0/0").setting("default_transport", "discard:")
    }

    /// Refuses every message once it is there whole.
    #[must_use]
    pub fn refuse_messages(self, text: &str) -> Self {
        self.setting("smtpd_end_of_data_restrictions", &format!("check_client_access static:{{{text}}}"))
    }

    /// Any setting of `main.cf`; the last one of a name holds.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another line of `master.cf`.
    #[must_use]
    pub fn service(mut self, line: &str) -> Self {
        self.services.push(line.to_owned());
        self
    }

    /// Starts it and waits until it greets.
    ///
    /// # Errors
    /// It does not start; the error holds its log.
    pub async fn start(self) -> io::Result<RunningPostfix> {
        let folder = tempfile::Builder::new().prefix("postern-postfix-").tempdir()?;
        self.write_folder(folder.path())?;
        let mut running =
            RunningPostfix { program: self.program, folder, address: self.address, master: None };
        running.restart().await?;
        Ok(running)
    }

    fn write_folder(&self, folder: &Path) -> io::Result<()> {
        // Postfix's own user passes through, and its programs read the configuration.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let postfix = User::from_name("postfix").map_err(io::Error::from)?;
        let postfix = postfix.ok_or_else(|| io::Error::other("there is no user postfix"))?;
        for name in ["etc", "queue", "data", "mail"] {
            fs::create_dir(folder.join(name))?;
        }
        let owner = Some(postfix.uid.as_raw());
        chown(folder.join("data"), owner, Some(postfix.gid.as_raw()))?;
        let drop = Group::from_name("postdrop").map_err(io::Error::from)?.map(|group| group.gid.as_raw());
        fs::create_dir(folder.join("queue/pid"))?;
        for (name, mode, group) in QUEUE_FOLDERS {
            let folder = folder.join("queue").join(name);
            fs::create_dir(&folder)?;
            chown(&folder, owner, if group == "postdrop" { drop } else { None })?;
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode))?;
        }
        chown(folder.join("mail"), Some(MAIL_USER), Some(MAIL_USER))?;
        write_old(&folder.join("etc/mailboxes"), &(self.mailboxes.join("\n") + "\n"))?;
        write_old(&folder.join("etc/main.cf"), &self.main_cf(folder))?;
        write_old(&folder.join("etc/master.cf"), &self.master_cf())
    }

    fn main_cf(&self, folder: &Path) -> String {
        let at = folder.display();
        let mut lines = vec![
            "compatibility_level = 3.6".to_owned(),
            format!("queue_directory = {at}/queue"),
            format!("data_directory = {at}/data"),
            "daemon_directory = /usr/lib/postfix/sbin".into(),
            "command_directory = /usr/sbin".into(),
            format!("maillog_file = {at}/log"),
            format!("maillog_file_prefixes = {at}"),
            format!("myhostname = {}", self.hostname),
            format!("smtp_bind_address = {}", self.address.ip()),
            "inet_protocols = ipv4".into(),
            "inet_interfaces = 127.0.0.1".into(),
            "mydestination =".into(),
            "mynetworks =".into(),
            "disable_dns_lookups = yes".into(),
            "smtpd_peername_lookup = no".into(),
            "alias_maps =".into(),
            "alias_database =".into(),
            "local_recipient_maps =".into(),
            "local_transport = error:no local mail".into(),
            "notify_classes =".into(),
            "smtpd_client_connection_count_limit = 0".into(),
            format!("virtual_mailbox_domains = {}", self.mailbox_domains.join(" ")),
            format!("virtual_mailbox_maps = texthash:{at}/etc/mailboxes"),
            format!("virtual_mailbox_base = {at}/mail"),
            "virtual_minimum_uid = 1".into(),
            format!("virtual_uid_maps = static:{MAIL_USER}"),
            format!("virtual_gid_maps = static:{MAIL_USER}"),
        ];
        // Postfix would warn of the earlier entry, in every process.
        let is_set =
            |line: &String| self.settings.iter().any(|(name, _)| line.starts_with(&format!("{name} =")));
        lines.retain(|line| !is_set(line));
        lines.extend(self.settings.iter().map(|(name, value)| format!("{name} = {value}")));
        lines.join("\n") + "\n"
    }

    fn master_cf(&self) -> String {
        let inet = format!("{} inet n - n - - smtpd", self.address);
        let mut lines = vec![inet];
        lines.extend(SERVICES.lines().map(service_line));
        lines.extend(self.services.iter().cloned());
        lines.join("\n") + "\n"
    }
}

/// Writes a file that looks a minute old: Postfix reads one that was changed just now again
/// and again for two seconds, lest somebody is still writing it.
fn write_old(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    let a_minute_ago = SystemTime::now() - Duration::from_secs(60);
    fs::File::options().write(true).open(path)?.set_modified(a_minute_ago)
}

/// `cleanup unix 0 cleanup` → the eight columns of master(5).
fn service_line(short: &str) -> String {
    let words: Vec<&str> = short.split_whitespace().collect();
    let [name, kind, limit, program] = words[..] else { return String::new() };
    let public =
        if matches!(name, "pickup" | "cleanup" | "qmgr" | "flush" | "showq" | "postlog") { "n" } else { "-" };
    let wakeup = match name {
        "pickup" => "60",
        "qmgr" => "300",
        "tlsmgr" | "flush" => "1000?",
        _ => "-",
    };
    let privileged = if name == "virtual" { "n" } else { "-" };
    format!("{name} {kind} {public} {privileged} n {wakeup} {limit} {program}")
}

/// A running Postfix. Its processes are killed when this value is dropped.
pub struct RunningPostfix {
    program: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    /// Postfix's `master`; it makes itself the leader of a process group.
    master: Option<Child>,
}

impl Drop for RunningPostfix {
    fn drop(&mut self) {
        if let Some(master) = self.master.take() {
            kill_group(master.id(), Signal::SIGKILL);
        }
    }
}

impl RunningPostfix {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The messages in a mailbox (`ann@example.test`), in no particular order.
    #[must_use]
    pub fn mailbox(&self, address: &str) -> Vec<String> {
        let folder = self.folder.path().join("mail").join(address).join("new");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let read = |path: PathBuf| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        entries.flatten().filter_map(|entry| read(entry.path()).ok()).collect()
    }

    /// Waits until a mailbox has this many messages, 30 seconds at most; whether it has.
    pub async fn wait_for_mailbox(&self, address: &str, count: usize) -> bool {
        self.wait(|| self.mailbox(address).len() >= count).await
    }

    /// How many messages its queue holds, whether waiting, in work or deferred.
    #[must_use]
    pub fn queued(&self) -> usize {
        ["maildrop", "incoming", "active", "deferred"]
            .iter()
            .map(|name| files_below(&self.folder.path().join("queue").join(name)))
            .sum()
    }

    /// How many messages it holds until somebody lets them go (`HOLD`).
    #[must_use]
    pub fn held(&self) -> usize {
        files_below(&self.folder.path().join("queue/hold"))
    }

    /// The messages that it holds, as its queue files have them: text between lengths.
    #[must_use]
    pub fn held_messages(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut folders = vec![self.folder.path().join("queue/hold")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path => {
                        texts.extend(fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
                    }
                }
            }
        }
        texts
    }

    /// Hands a message in as a program on its own host does (`sendmail`).
    pub async fn sendmail(&self, from: &str, to: &[&str], message: &str) -> Finished {
        let sendmail = self.program.with_file_name("sendmail");
        let folder = self.folder.path().join("etc");
        Tool::at(&sendmail).arg("-C").arg(folder).args(["-i", "-f", from]).args(to).stdin(message).run().await
    }

    /// Waits until the queue is empty, 30 seconds at most; whether it is.
    pub async fn wait_for_empty_queue(&self) -> bool {
        self.wait(|| self.queued() == 0).await
    }

    /// Postfix tells nobody when it is done, so its folders are looked at now and then.
    async fn wait(&self, done: impl Fn() -> bool) -> bool {
        let poll = async {
            while !done() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), poll).await.is_ok()
    }

    /// Tries every deferred message again, now (`postqueue -f`).
    pub async fn flush(&self) -> Finished {
        let postqueue = self.program.with_file_name("postqueue");
        Tool::at(&postqueue).arg("-c").arg(self.folder.path().join("etc")).arg("-f").run().await
    }

    /// Kills all its processes at once, as a crash would. The queue stays.
    ///
    /// # Errors
    /// As the system says.
    pub async fn kill(&mut self) -> io::Result<()> {
        if let Some(mut master) = self.master.take() {
            let group = master.id();
            kill_group(group, Signal::SIGKILL);
            master.wait().await?;
            group_is_gone(group).await;
        }
        Ok(())
    }

    /// Stops it in order (`postfix stop`).
    ///
    /// # Errors
    /// As the system says.
    pub async fn stop(&mut self) -> io::Result<()> {
        let Some(mut master) = self.master.take() else { return Ok(()) };
        let group = master.id();
        Tool::at(&self.program).arg("-c").arg(self.folder.path().join("etc")).arg("stop").run().await;
        let ended = tokio::time::timeout(Duration::from_secs(10), master.wait()).await;
        kill_group(group, Signal::SIGKILL);
        if ended.is_err() {
            master.wait().await?;
        }
        group_is_gone(group).await;
        Ok(())
    }

    /// Starts it again after [`RunningPostfix::kill`] or [`RunningPostfix::stop`].
    ///
    /// # Errors
    /// It does not start; the error holds its log.
    pub async fn restart(&mut self) -> io::Result<()> {
        // `postfix start` would check everything first, which takes it seconds.
        let output = fs::File::create(self.folder.path().join("output"))?;
        let master = Command::new("/usr/lib/postfix/sbin/master")
            .arg("-d")
            .arg("-c")
            .arg(self.folder.path().join("etc"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        self.master = Some(master);
        let greeted = tokio::time::timeout(Duration::from_secs(30), self.greets()).await;
        if matches!(greeted, Ok(true)) {
            return Ok(());
        }
        let output = fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
        Err(io::Error::other(format!("Postfix does not start:\n{output}{}", self.log())))
    }

    /// Whether it greets before it ends.
    async fn greets(&mut self) -> bool {
        loop {
            if let Ok(mut client) = Client::connect(self.address).await
                && client.reply().await.is_ok_and(|reply| reply.code == 220)
            {
                // It is up; how it takes the end of this session does not matter.
                let _ = client.ask("QUIT").await;
                return true;
            }
            let ended = self.master.as_mut().is_none_or(|master| !matches!(master.try_wait(), Ok(None)));
            if ended {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn files_below(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let count = |path: PathBuf| if path.is_dir() { files_below(&path) } else { 1 };
    entries.flatten().map(|entry| count(entry.path())).sum()
}
