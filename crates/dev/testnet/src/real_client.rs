//! Real mail programs as clients, each with the options that a test needs; certificates are
//! not verified. `None` means that the program is not installed (a skip line was written).

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::{Finished, Tool};

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    Open,
    /// By STARTTLS or STLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// The server to talk to.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// How to talk to it.
    pub security: Security,
}

/// A message with its envelope.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// The envelope sender.
    pub from: &'a str,
    /// The envelope recipients.
    pub to: &'a [&'a str],
    /// Header and body; LF or CRLF.
    pub text: &'a str,
}

/// Who reads a mailbox.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The account.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
}

impl Server {
    /// A server without encryption.
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        Self { address, security: Security::Open }
    }

    /// A server with STARTTLS or STLS.
    #[must_use]
    pub fn starttls(address: SocketAddr) -> Self {
        Self { address, security: Security::StartTls }
    }

    /// A server with TLS from the first byte.
    #[must_use]
    pub fn tls(address: SocketAddr) -> Self {
        Self { address, security: Security::Tls }
    }

    fn url(&self, scheme: &str) -> String {
        let s = if self.security == Security::Tls { "s" } else { "" };
        format!("{scheme}{s}://{}", self.address)
    }

    fn host(&self) -> String {
        self.address.ip().to_string()
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }
}

/// `swaks`, with any further arguments (`--attach`, `--auth`, `--pipeline` …). Its transcript
/// is in `stdout`; the code is 0 only when the message was accepted.
pub async fn swaks(server: &Server, mail: &Mail<'_>, more: &[&str]) -> Option<Finished> {
    let mut tool = Tool::find("swaks")?
        .args(["--server", &server.host(), "--port", &server.port(), "--helo", "swaks.test"])
        .args(["--from", mail.from, "--to", &mail.to.join(","), "--data", "-", "--timeout", "30"]);
    tool = match server.security {
        Security::Open => tool,
        Security::StartTls => tool.arg("--tls"),
        Security::Tls => tool.arg("--tls-on-connect"),
    };
    Some(tool.args(more).stdin(mail.text).run().await)
}

/// `curl` sends a message.
pub async fn curl_smtp(server: &Server, mail: &Mail<'_>, more: &[&str]) -> Option<Finished> {
    let mut tool = curl(server)?.arg(server.url("smtp")).args(["--mail-from", mail.from]);
    for recipient in mail.to {
        tool = tool.args(["--mail-rcpt", recipient]);
    }
    let message = mail.text.replace("\r\n", "\n").replace('\n', "\r\n");
    Some(tool.args(["--upload-file", "-"]).args(more).stdin(message).run().await)
}

/// `curl` reads a mailbox: `path` is empty for the list, a number for a message. Further
/// arguments may hold `--request "DELE 1"` and the like. What it fetched is in `stdout`.
pub async fn curl_pop3(server: &Server, login: &Login<'_>, path: &str, more: &[&str]) -> Option<Finished> {
    let url = format!("{}/{path}", server.url("pop3"));
    let user = format!("{}:{}", login.user, login.password);
    Some(curl(server)?.args([&url, "--user", &user]).args(more).run().await)
}

fn curl(server: &Server) -> Option<Tool> {
    let tool = Tool::find("curl")?.args(["-q", "--silent", "--show-error", "--insecure", "--max-time", "30"]);
    Some(if server.security == Security::StartTls { tool.arg("--ssl-reqd") } else { tool })
}

const SMTPLIB: &str = "
import smtplib, ssl, sys
host, port, security, sender = sys.argv[1:5]
context = ssl._create_unverified_context()
if security == 'Tls':
    s = smtplib.SMTP_SSL(host, int(port), 'python.test', timeout=30, context=context)
else:
    s = smtplib.SMTP(host, int(port), 'python.test', timeout=30)
if security == 'StartTls':
    s.starttls(context=context)
message = sys.stdin.buffer.read().replace(b'\\r\\n', b'\\n').replace(b'\\n', b'\\r\\n')
refused = s.sendmail(sender, sys.argv[5:], message)
for who, (code, text) in refused.items():
    print('refused', who, code, text.decode())
s.quit()
";

/// Python's `smtplib`. Refused recipients are listed in `stdout`.
pub async fn python_smtplib(server: &Server, mail: &Mail<'_>) -> Option<Finished> {
    Some(python(SMTPLIB, server)?.arg(mail.from).args(mail.to).stdin(mail.text).run().await)
}

const POPLIB: &str = "
import poplib, ssl, sys
host, port, security, user, password = sys.argv[1:6]
context = ssl._create_unverified_context()
if security == 'Tls':
    p = poplib.POP3_SSL(host, int(port), timeout=30, context=context)
else:
    p = poplib.POP3(host, int(port), timeout=30)
if security == 'StartTls':
    p.stls(context)
p.user(user)
p.pass_(password)
count, size = p.stat()
print('count', count, 'size', size)
for line in p.uidl()[1]:
    print('uidl', line.decode())
for i in range(1, count + 1):
    print('\\n'.join(line.decode('utf-8', 'replace') for line in p.retr(i)[1]))
    if 'delete' in sys.argv[6:]:
        p.dele(i)
p.quit()
";

/// What happens to messages on the server once they are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
}

/// Python's `poplib` fetches everything: `count N size S`, `uidl N ID` lines, then the messages.
pub async fn python_poplib(server: &Server, login: &Login<'_>, afterwards: Afterwards) -> Option<Finished> {
    let delete = (afterwards == Afterwards::Delete).then_some("delete");
    Some(python(POPLIB, server)?.args([login.user, login.password]).args(delete).run().await)
}

fn python(script: &str, server: &Server) -> Option<Tool> {
    let security = format!("{:?}", server.security);
    Some(Tool::find("python3")?.args(["-c", script, &server.host(), &server.port(), &security]))
}

/// `msmtp` sends a message.
pub async fn msmtp(server: &Server, mail: &Mail<'_>) -> Option<Finished> {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let tool = Tool::find("msmtp")?
        .args([format!("--host={}", server.host()), format!("--port={}", server.port())])
        .arg(format!("--tls={}", on(server.security != Security::Open)))
        .arg(format!("--tls-starttls={}", on(server.security == Security::StartTls)))
        .args(["--tls-certcheck=off", "--domain=msmtp.test", "--timeout=30", "--debug"])
        .args([&format!("--from={}", mail.from), "--"]);
    Some(tool.args(mail.to).stdin(mail.text).run().await)
}

/// `fetchmail` fetches everything and deletes it; the messages are in `stdout`, as batch SMTP.
/// Its code is 0 when there was mail, 1 when there was none.
pub async fn fetchmail(server: &Server, login: &Login<'_>) -> Option<Finished> {
    let tool = Tool::find("fetchmail")?;
    let tls = match server.security {
        Security::Open => "sslproto ''",
        Security::StartTls => "sslproto 'TLS1.2+' no sslcertck",
        Security::Tls => "ssl no sslcertck",
    };
    let rules = format!(
        "set no syslog\npoll {} protocol POP3 port {} user \"{}\" password \"{}\" {tls} fetchall bsmtp \"-\"\n",
        server.host(),
        server.port(),
        login.user,
        login.password,
    );
    Some(
        with_folder(|folder| {
            private_file(&folder.join("rules"), &rules)?;
            Ok(tool.arg("-f").arg(folder.join("rules")).env("FETCHMAILHOME", folder).env("HOME", folder))
        })
        .await
        .0,
    )
}

/// `getmail` fetches everything and deletes it; the messages are in `stdout`, one after another.
pub async fn getmail(server: &Server, login: &Login<'_>) -> Option<Finished> {
    let tool = Tool::find("getmail")?;
    let retriever =
        if server.security == Security::Tls { "SimplePOP3SSLRetriever" } else { "SimplePOP3Retriever" };
    let (host, port) = (server.host(), server.port());
    let Login { user, password } = login;
    // As root, getmail delivers by a command only, and only when it is told that this is meant.
    let rules = |mbox: &Path| {
        format!(
            "[retriever]\ntype = {retriever}\nserver = {host}\nport = {port}\nusername = {user}\n\
             password = {password}\ntimeout = 30\n\
             [destination]\ntype = MDA_external\npath = /bin/sh\narguments = (\"-c\", \"cat >> {}\")\n\
             allow_root_commands = true\n[options]\ndelete = true\nread_all = true\n",
            mbox.display(),
        )
    };
    let (mut finished, mbox) = with_folder(|folder| {
        private_file(&folder.join("rules"), &rules(&folder.join("mbox")))?;
        Ok(tool.arg("--getmaildir").arg(folder).args(["--rcfile", "rules"]).env("HOME", folder))
    })
    .await;
    finished.stderr = format!("{}{}", finished.stdout, finished.stderr);
    finished.stdout = mbox;
    Some(finished)
}

/// `openssl s_client`: sends the lines of `input` once the connection is protected, prints the
/// handshake and the replies. `protocol` (`smtp`, `pop3`) is needed for [`Security::StartTls`].
/// The input should end the session, with QUIT.
pub async fn openssl_s_client(server: &Server, protocol: &str, input: &str) -> Option<Finished> {
    let mut tool = Tool::find("openssl")?.args([
        "s_client",
        "-crlf",
        "-ign_eof",
        "-connect",
        &server.address.to_string(),
    ]);
    if server.security == Security::StartTls {
        tool = tool.args(["-starttls", protocol]);
    }
    Some(tool.stdin(input).run().await)
}

/// Runs a tool whose settings lie in a folder that is removed afterwards; gives the content of
/// the file `mbox` there, too.
async fn with_folder(tool: impl FnOnce(&Path) -> io::Result<Tool>) -> (Finished, String) {
    let prepared = tempfile::tempdir().and_then(|folder| Ok((tool(folder.path())?, folder)));
    match prepared {
        Ok((tool, folder)) => {
            let finished = tool.run().await;
            let mbox = std::fs::read(folder.path().join("mbox")).unwrap_or_default();
            (finished, String::from_utf8_lossy(&mbox).into_owned())
        }
        Err(error) => {
            (Finished { code: None, stdout: String::new(), stderr: error.to_string() }, String::new())
        }
    }
}

fn private_file(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
