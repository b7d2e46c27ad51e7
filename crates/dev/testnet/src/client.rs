//! An SMTP (or POP3) client for tests that reads like the conversation it holds.
//!
//! It speaks exactly what it is told, right or wrong: lines, or bytes with no line end added.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::glob;

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// One side of a conversation, with its transcript.
pub struct Client {
    wire: BufReader<Box<dyn Wire>>,
    transcript: String,
    patience: Duration,
}

/// A whole reply, of one line or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyText {
    /// The three digits of the last line; 0 where it has none.
    pub code: u16,
    /// All lines as they came, joined by `\n`, without line ends.
    pub text: String,
}

/// Why a reply did not come.
#[derive(Debug)]
pub enum ClientError {
    /// The connection is closed, in the middle of a line or before one.
    Closed,
    /// Nothing came in time.
    Timeout,
    /// The network's or TLS's own error.
    Io(io::Error),
}

/// No reply may be longer than this.
const REPLY_MAX: usize = 1 << 20;

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// As the system says.
    pub async fn connect(to: SocketAddr) -> io::Result<Self> {
        Ok(Self::over(TcpStream::connect(to).await?))
    }

    /// Connects from a given address of 127.0.0.0/8, so that the server sees that one.
    ///
    /// # Errors
    /// As the system says.
    pub async fn connect_from(source: Ipv4Addr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source, 0)))?;
        Ok(Self::over(socket.connect(to).await?))
    }

    /// Connects with TLS from the first byte; any certificate will do.
    ///
    /// # Errors
    /// As the system or TLS says.
    pub async fn connect_tls(to: SocketAddr) -> io::Result<Self> {
        let mut client = Self::connect(to).await?;
        client.tls(crate::tls::trusting_client()?, "localhost").await?;
        Ok(client)
    }

    /// Speaks over any stream.
    #[must_use]
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            wire: BufReader::new(Box::new(stream)),
            transcript: String::new(),
            patience: Duration::from_secs(20),
        }
    }

    /// How long to wait for a reply; 20 seconds until this is called.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sends a line; CRLF is added.
    ///
    /// # Panics
    /// With the conversation so far, when the connection is gone.
    pub async fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\r\n").as_bytes()).await;
    }

    /// Sends exactly these bytes.
    ///
    /// # Panics
    /// With the conversation so far, when the connection is gone.
    #[allow(clippy::panic, reason = "this is the assertion of a test")]
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.write(bytes).await {
            panic!("cannot send {:?}: {error}\n{}", String::from_utf8_lossy(bytes), self.transcript);
        }
    }

    /// Sends exactly these bytes.
    ///
    /// # Errors
    /// The connection is gone, or takes nothing more for a while.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]);
        self.transcript.push_str(&format!("C: {}\n", shown.trim_end().escape_debug()));
        let sent = timeout(self.patience, async {
            self.wire.get_mut().write_all(bytes).await?;
            self.wire.get_mut().flush().await
        });
        Ok(sent.await.map_err(|_| ClientError::Timeout)??)
    }

    /// Reads a whole reply and checks it against a pattern ([`crate::glob_matches`]): `250 *` is
    /// a reply of one line, `250*` one of any number of lines.
    ///
    /// # Panics
    /// With the conversation so far, when another reply came or none.
    #[allow(clippy::panic, reason = "this is the assertion of a test")]
    pub async fn expect(&mut self, pattern: &str) -> ReplyText {
        match self.reply().await {
            Ok(reply) if glob::matches(pattern, &reply.text) => reply,
            Ok(_) => panic!("expected {pattern:?} after\n{}", self.transcript),
            Err(error) => panic!("expected {pattern:?}, but: {error}\n{}", self.transcript),
        }
    }

    /// Expects that the other side closes the connection, after whatever it still sends.
    ///
    /// # Panics
    /// With the conversation so far, when it stays open.
    #[allow(clippy::panic, reason = "this is the assertion of a test")]
    pub async fn expect_closed(&mut self) {
        let mut rest = Vec::new();
        let read = timeout(self.patience, self.wire.read_to_end(&mut rest)).await;
        // A reset is a way to close, too.
        assert!(read.is_ok(), "the connection stays open after\n{}", self.transcript);
    }

    /// Sends a line and reads the reply.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn ask(&mut self, line: &str) -> Result<ReplyText, ClientError> {
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// Reads a whole reply: up to the line whose code is followed by no hyphen (RFC 5321 §4.2.1).
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn reply(&mut self) -> Result<ReplyText, ClientError> {
        let mut text = String::new();
        loop {
            let line = self.line().await?;
            let more = line.len() > 3 && line.is_char_boundary(3) && line[3..].starts_with('-');
            let numbered = line.get(..3).is_some_and(|c| c.bytes().all(|b| b.is_ascii_digit()));
            text.push_str(&line);
            if !(more && numbered) || text.len() > REPLY_MAX {
                let code = line.get(..3).and_then(|c| c.parse().ok()).unwrap_or(0);
                return Ok(ReplyText { code, text });
            }
            text.push('\n');
        }
    }

    /// Reads one line, without its line end; bytes that are not UTF-8 become `U+FFFD`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn line(&mut self) -> Result<String, ClientError> {
        let mut line = Vec::new();
        let read = (&mut self.wire).take(REPLY_MAX as u64);
        let mut read = read;
        timeout(self.patience, read.read_until(b'\n', &mut line))
            .await
            .map_err(|_| ClientError::Timeout)??;
        if !line.ends_with(b"\n") {
            return Err(ClientError::Closed);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let line = line.strip_suffix('\r').unwrap_or(line).to_owned();
        self.transcript.push_str(&format!("S: {line}\n"));
        Ok(line)
    }

    /// Reads lines up to the one with a single dot (POP3 multi-line answers), dots unstuffed,
    /// each ended by CRLF.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn dotted(&mut self) -> Result<String, ClientError> {
        let mut text = String::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                return Ok(text);
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
    }

    /// Everything until the other side closes, or patience ends.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] when the connection stays open.
    pub async fn rest(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut rest = Vec::new();
        match timeout(self.patience, self.wire.read_to_end(&mut rest)).await {
            Ok(_) => Ok(rest),
            Err(_) => Err(ClientError::Timeout),
        }
    }

    /// `STARTTLS` and the handshake; any certificate will do.
    ///
    /// # Panics
    /// With the conversation so far, when the server says no or the handshake fails.
    #[allow(clippy::panic, reason = "this is the assertion of a test")]
    pub async fn starttls(&mut self) {
        self.send("STARTTLS").await;
        self.expect("220 *").await;
        let shaken = match crate::tls::trusting_client() {
            Ok(config) => self.tls(config, "localhost").await,
            Err(error) => Err(error),
        };
        if let Err(error) = shaken {
            panic!("TLS handshake: {error}\n{}", self.transcript);
        }
    }

    /// The TLS handshake on the open connection. What came in before it stays with the old,
    /// open stream and is lost, as RFC 3207 §4.2 asks.
    ///
    /// # Errors
    /// As TLS says.
    pub async fn tls(&mut self, config: Arc<ClientConfig>, name: &str) -> io::Result<()> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let (gone, _) = tokio::io::duplex(1);
        let open = std::mem::replace(&mut self.wire, BufReader::new(Box::new(gone))).into_inner();
        let shaken = timeout(self.patience, TlsConnector::from(config).connect(name, open)).await;
        let stream = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        self.transcript.push_str("-- TLS --\n");
        self.wire = BufReader::new(Box::new(stream));
        Ok(())
    }

    /// Closes the sending side only.
    ///
    /// # Errors
    /// As the system says.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.wire.get_mut().shutdown().await
    }

    /// The conversation so far, `C:` and `S:` lines.
    #[must_use]
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    /// A whole transaction after the greeting: EHLO, MAIL, RCPT for each recipient, DATA, QUIT.
    /// `message` has CRLF lines; dots are stuffed here. Gives the last reply: the one to the
    /// message, or the refusal that ended it (the last one, where every recipient was refused).
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn deliver(
        &mut self,
        helo: &str,
        from: &str,
        to: &[&str],
        message: &str,
    ) -> Result<ReplyText, ClientError> {
        for line in [format!("EHLO {helo}"), format!("MAIL FROM:<{from}>")] {
            let reply = self.ask(&line).await?;
            if reply.code != 250 {
                return self.quit_with(reply).await;
            }
        }
        let mut accepted = 0;
        let mut refusal = None;
        for recipient in to {
            let reply = self.ask(&format!("RCPT TO:<{recipient}>")).await?;
            if reply.code / 10 == 25 { accepted += 1 } else { refusal = Some(reply) }
        }
        if let (0, Some(refusal)) = (accepted, refusal) {
            return self.quit_with(refusal).await;
        }
        let reply = self.ask("DATA").await?;
        if reply.code != 354 {
            return self.quit_with(reply).await;
        }
        self.write(stuffed(message).as_bytes()).await?;
        let reply = self.reply().await?;
        self.quit_with(reply).await
    }

    async fn quit_with(&mut self, reply: ReplyText) -> Result<ReplyText, ClientError> {
        // The verdict is known: how the connection ends does not change it.
        let _ = self.ask("QUIT").await;
        Ok(reply)
    }
}

/// rfc5321 §4.5.2: a dot before every line that begins with one, and the last line.
fn stuffed(message: &str) -> String {
    let mut out = String::with_capacity(message.len() + 5);
    for line in message.split_inclusive('\n') {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
    }
    if !out.is_empty() && !out.ends_with("\r\n") {
        out.push_str("\r\n");
    }
    out + ".\r\n"
}

impl fmt::Display for ReplyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection is closed"),
            Self::Timeout => f.write_str("no reply in time"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn replies_of_several_lines_are_one() {
        let (ours, mut theirs) = tokio::io::duplex(1000);
        theirs.write_all(b"250-mx\r\n250-SIZE 10\r\n250 HELP\r\n+OK POP\r\n.\r\n").await.unwrap();
        let mut c = Client::over(ours);
        let reply = c.expect("250-mx\n*HELP").await;
        assert_eq!((reply.code, reply.text.lines().count()), (250, 3));
        c.expect("+OK *").await;
        assert_eq!(c.dotted().await.unwrap(), "");
        drop(theirs);
        assert!(matches!(c.reply().await, Err(ClientError::Closed)));
    }

    #[test]
    fn dots_are_stuffed() {
        assert_eq!(stuffed(".a\r\n..b\r\nc"), "..a\r\n...b\r\nc\r\n.\r\n");
        assert_eq!(stuffed(""), ".\r\n");
    }
}
