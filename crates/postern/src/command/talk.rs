//! The client's side of a session that is played through: it says what it is told, and notes what it hears.

use std::net::IpAddr;

use postern_types::{ForwardPath, ReversePath};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The longest reply line that is read; our own are shorter.
const LINE_MAX: u64 = 4096;

/// Who sends to whom.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) ip: IpAddr,
    pub(super) helo: String,
    pub(super) mail_from: ReversePath,
    pub(super) rcpt: Vec<ForwardPath>,
}

/// The client's side.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    pub(super) exchanges: Vec<Exchange>,
}

/// A command and its reply.
#[derive(Debug, serde::Serialize)]
pub(super) struct Exchange {
    /// Empty for the greeting.
    pub(super) command: String,
    pub(super) reply: Vec<String>,
}

impl Exchange {
    pub(super) fn is_positive(&self) -> bool {
        self.reply.last().is_some_and(|line| line.starts_with(['2', '3']))
    }
}

impl Client {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream), exchanges: Vec::new() }
    }

    /// The whole session, as a client that honest mail comes from would hold it.
    pub(super) async fn talk(&mut self, told: &Envelope, message: &[u8]) -> std::io::Result<()> {
        let family = if told.ip.is_ipv4() { "TCP4 " } else { "TCP6 " };
        let own = if told.ip.is_ipv4() { "127.0.0.1" } else { "::1" };
        let header = format!("PROXY {family}{} {own} 40000 25\r\n", told.ip);
        self.stream.get_mut().write_all(header.as_bytes()).await?;
        self.reply(String::new()).await?;
        if !self.went_well() || !self.say(&format!("EHLO {}", plain(&told.helo))).await? {
            return self.quit().await;
        }
        let offered = self.exchanges.last().map(|exchange| exchange.reply.join("\n")).unwrap_or_default();
        let mut mail = format!("MAIL FROM:<{}>", told.mail_from);
        if offered.contains("8BITMIME") && !message.is_ascii() {
            mail.push_str(" BODY=8BITMIME");
        }
        let beyond = !mail.is_ascii() || told.rcpt.iter().any(|rcpt| !rcpt.to_string().is_ascii());
        if beyond && offered.contains("SMTPUTF8") {
            mail.push_str(" SMTPUTF8");
        }
        let mut accepted = 0;
        if self.say(&mail).await? {
            for rcpt in &told.rcpt {
                accepted += usize::from(self.say(&format!("RCPT TO:<{rcpt}>")).await?);
            }
        }
        if accepted > 0 && self.say("DATA").await? {
            self.stream.get_mut().write_all(&dotted(message)).await?;
            self.reply("(the message)".into()).await?;
        }
        self.quit().await
    }

    /// Says something; whether the answer is good.
    async fn say(&mut self, command: &str) -> std::io::Result<bool> {
        self.stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).await?;
        self.reply(command.to_owned()).await?;
        Ok(self.went_well())
    }

    fn went_well(&self) -> bool {
        self.exchanges.last().is_some_and(Exchange::is_positive)
    }

    /// A session that the server has ended needs no QUIT.
    async fn quit(&mut self) -> std::io::Result<()> {
        let ended = self.exchanges.last().is_none_or(|last| {
            last.reply.last().is_none_or(|line| line.starts_with("421") || line.starts_with("521"))
        });
        if !ended {
            // The server may have closed after its reply: what was said stands.
            let _ = self.say("QUIT").await;
            self.exchanges.retain(|exchange| exchange.command != "QUIT" || !exchange.reply.is_empty());
        }
        Ok(())
    }

    async fn reply(&mut self, command: String) -> std::io::Result<()> {
        let mut reply = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = (&mut self.stream).take(LINE_MAX).read_until(b'\n', &mut line).await;
            if read.unwrap_or(0) == 0 {
                break;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push(line);
            if last {
                break;
            }
        }
        self.exchanges.push(Exchange { command, reply });
        Ok(())
    }
}

/// No command of its own comes from an argument.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The message as DATA carries it: lines end in CR LF, dots are doubled (rfc5321 §4.5.2).
fn dotted(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32 + 8);
    for line in message.split_inclusive(|&b| b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_made_fit_for_data() {
        assert_eq!(dotted(b"a: b\n\n.\n..x\r\nend"), b"a: b\r\n\r\n..\r\n...x\r\nend\r\n.\r\n");
        assert_eq!(dotted(b""), b".\r\n");
    }
}
