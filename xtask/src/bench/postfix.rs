//! Postfix and Dovecot from Debian as peers, in folders and on ports of their own. What is not
//! written here is the packages' default; no sync is turned off.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::peer::{Peer, free_port};
use super::{DOMAIN, PASSWORD};
use crate::Failure;

/// What Postfix does with mail.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// Hands it to Dovecot by LMTP on this port.
    Mailboxes(u16),
    /// As a proxy before its queue, into a second smtpd; then to the server on this port.
    Proxy(u16),
    /// Queues it, then to the server on this port.
    Relay(u16),
    /// Drops the blocked address at the door (postscreen).
    Door,
}

/// Dovecot's LMTP and POP3, with Maildir, in the same group as the Postfix before it.
pub(super) struct Dovecot {
    pub(super) lmtp: u16,
    pub(super) pop3: u16,
}

pub(super) fn dovecot(peer: &mut Peer) -> Result<Dovecot, Failure> {
    let ports = Dovecot { lmtp: free_port()?, pop3: free_port()? };
    let (lmtp, pop3, at) = (ports.lmtp, ports.pop3, peer.path("dovecot"));
    let at = at.display();
    for name in ["dovecot/state", "dovecot/mail"] {
        fs::create_dir_all(peer.path(name)).map_err(|error| error.to_string())?;
    }
    let (mail, group) = ids("mail")?;
    chown(peer.path("dovecot/mail"), Some(mail), Some(group)).map_err(|error| error.to_string())?;
    let text = format!(
        "base_dir = {at}/run
state_dir = {at}/state
log_path = {at}/log
protocols = pop3 lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:%h/Maildir
first_valid_uid = 1
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={at}/mail/%n allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"
    );
    let configuration = peer.write("dovecot/dovecot.conf", &text)?;
    let configuration = configuration.display().to_string();
    peer.spawn(Path::new("/usr/sbin/dovecot"), &["-F", "-c", &configuration])?;
    peer.wait_for(lmtp)?;
    peer.wait_for(pop3)?;
    Ok(ports)
}

/// How many messages lie in Dovecot's mailboxes; asks the file system, which costs Dovecot nothing.
pub(super) fn in_mailboxes(peer: &Peer) -> usize {
    let Ok(homes) = fs::read_dir(peer.path("dovecot/mail")) else { return 0 };
    let count = |folder: &Path| fs::read_dir(folder).map_or(0, Iterator::count);
    homes
        .flatten()
        .map(|home| home.path().join("Maildir"))
        .map(|m| count(&m.join("new")) + count(&m.join("cur")))
        .sum()
}

/// Starts Postfix; gives its port.
pub(super) fn start(peer: &mut Peer, role: Role) -> Result<u16, Failure> {
    let (smtp, again) = (free_port()?, free_port()?);
    let folder = peer.path("postfix");
    make_folders(&folder)?;
    let at = folder.display();
    let mut main = format!(
        "compatibility_level = 3.6
queue_directory = {at}/queue
data_directory = {at}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {at}/log
maillog_file_prefixes = {at}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.{DOMAIN}
mydestination =
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
"
    );
    main += &match role {
        Role::Mailboxes(lmtp) => format!(
            "virtual_mailbox_domains = {DOMAIN}\nvirtual_mailbox_maps = static:all\n\
             virtual_transport = lmtp:inet:127.0.0.1:{lmtp}\n"
        ),
        Role::Proxy(next) | Role::Relay(next) => format!("relayhost = [127.0.0.1]:{next}\n"),
        Role::Door => {
            let list = peer.write("postfix/etc/blocked", &format!("{} reject\n", super::BLOCKED))?;
            format!(
                "postscreen_access_list = cidr:{}\npostscreen_denylist_action = drop\n\
                 postscreen_cache_map =\npostscreen_client_connection_count_limit = 0\n",
                list.display()
            )
        }
    };
    let door = match role {
        Role::Door => format!(
            "127.0.0.1:{smtp} inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n\
             dnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy\n"
        ),
        Role::Proxy(_) => format!(
            "127.0.0.1:{smtp} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:{again} \
             -o smtpd_client_connection_count_limit=200\n"
        ),
        _ => format!("127.0.0.1:{smtp} inet n - n - - smtpd\n"),
    };
    let master = format!(
        "{door}127.0.0.1:{again} inet n - n - - smtpd -o smtpd_proxy_filter= \
         -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n{SERVICES}"
    );
    for (name, text) in [("main.cf", &main), ("master.cf", &master)] {
        let file = peer.write(&format!("postfix/etc/{name}"), text)?;
        // Postfix reads a file that was changed just now again and again, for two seconds.
        let file = fs::File::options().write(true).open(file);
        let old = SystemTime::now() - Duration::from_secs(60);
        file.and_then(|file| file.set_modified(old)).map_err(|error| error.to_string())?;
    }
    let etc = folder.join("etc").display().to_string();
    peer.spawn(Path::new("/usr/lib/postfix/sbin/master"), &["-d", "-c", &etc])?;
    peer.wait_for(smtp)?;
    Ok(smtp)
}

/// How many messages wait in Postfix's queue.
pub(super) fn queued(peer: &Peer) -> usize {
    let queue = peer.path("postfix/queue");
    ["maildrop", "incoming", "active", "deferred"].iter().map(|name| files(&queue.join(name))).sum()
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

/// Debian's master.cf, without chroot (which would need files copied into the queue).
const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// The folders that `postfix start` would make.
fn make_folders(folder: &Path) -> Result<(), Failure> {
    let (postfix, _) = ids("postfix")?;
    let postdrop = group("postdrop")?;
    let make = |name: &str, owner: Option<u32>, group: Option<u32>, mode: u32| {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)
            .and_then(|()| chown(&folder, owner, group))
            .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)))
            .map_err(|error| format!("{}: {error}", folder.display()))
    };
    make("queue", None, None, 0o755)?;
    make("queue/pid", None, None, 0o755)?;
    make("data", Some(postfix), None, 0o755)?;
    let own = [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
        "trace",
    ];
    for name in own {
        make(&format!("queue/{name}"), Some(postfix), None, 0o700)?;
    }
    make("queue/maildrop", Some(postfix), Some(postdrop), 0o730)?;
    make("queue/public", Some(postfix), Some(postdrop), 0o710)
}

/// A user's number, and that of its group.
pub(super) fn ids(user: &str) -> Result<(u32, u32), Failure> {
    let fields = database("passwd", user)?;
    match (fields.get(2).and_then(|n| n.parse().ok()), fields.get(3).and_then(|n| n.parse().ok())) {
        (Some(user), Some(group)) => Ok((user, group)),
        _ => Err(format!("there is no user {user}")),
    }
}

fn group(name: &str) -> Result<u32, Failure> {
    let fields = database("group", name)?;
    fields.get(2).and_then(|n| n.parse().ok()).ok_or_else(|| format!("there is no group {name}"))
}

fn database(kind: &str, name: &str) -> Result<Vec<String>, Failure> {
    let output = Command::new("getent").args([kind, name]).output().map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().split(':').map(str::to_owned).collect())
}
