//! One session of a scripted host: reads commands, asks the rules, answers.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::peer::{Act, LineEnds, SmtpPeer, Stage, Tls};
use crate::running::{Received, Seen};

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// No line and no message may be longer; a client that sends more is cut off.
const LINE_MAX: u64 = 1 << 20;
const MESSAGE_MAX: usize = 256 << 20;

struct Session<'a> {
    seen: &'a Seen,
    wire: BufReader<Box<dyn Wire>>,
    envelope: Received,
    lmtp: bool,
    in_chunks: bool,
}

/// Holds the whole session. Errors are the connection's end.
pub(crate) async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    number: usize,
    seen: &Seen,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let peer = seen.peer();
    let mut session = Session {
        seen,
        wire: BufReader::new(Box::new(stream)),
        envelope: Received {
            client,
            helo: String::new(),
            over_tls: false,
            from: String::new(),
            from_parameters: String::new(),
            to: Vec::new(),
            body: Vec::new(),
        },
        lmtp: false,
        in_chunks: false,
    };
    if peer.tls == Tls::FromTheStart {
        session.start_tls(&peer).await?;
    }
    session.answer(Stage::Connect, &client.ip().to_string(), &format!("220 {} ESMTP", peer.name)).await?;
    while let Some(line) = session.command().await? {
        session.seen.note_command(number, &line);
        if session.obey(&line).await? == Next::Close {
            break;
        }
    }
    session.wire.get_mut().shutdown().await
}

#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Close,
}

/// What became of a usual answer.
#[derive(PartialEq, Eq)]
enum Said {
    Usual,
    /// A rule said something else.
    Else,
}

impl Session<'_> {
    /// The next command line, or `None` at the end of the stream.
    async fn command(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        loop {
            let read = (&mut self.wire).take(LINE_MAX).read_until(b'\n', &mut line).await?;
            if read == 0 || line.len() as u64 >= LINE_MAX {
                return Ok(None);
            }
            let strict = self.seen.peer().line_ends == LineEnds::Strict;
            if line.ends_with(b"\r\n") || (!strict && line.ends_with(b"\n")) {
                let text = String::from_utf8_lossy(&line);
                return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
            }
        }
    }

    async fn obey(&mut self, line: &str) -> io::Result<Next> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "LHLO" | "HELO" => self.hello(&verb, line).await?,
            "STARTTLS" => return self.starttls(line).await,
            "MAIL" => self.mail(line).await?,
            "RCPT" => self.rcpt(line).await?,
            "DATA" => self.data(line).await?,
            "BDAT" => self.chunk(line).await?,
            "RSET" => {
                self.forget();
                self.answer(Stage::Rset, line, "250 2.0.0 OK").await?;
            }
            "QUIT" => {
                self.answer(Stage::Quit, line, "221 2.0.0 Bye").await?;
                return Ok(Next::Close);
            }
            "NOOP" => _ = self.answer(Stage::Other, line, "250 2.0.0 OK").await?,
            "XCLIENT" => {
                let greeting = format!("220 {} ESMTP", self.seen.peer().name);
                self.answer(Stage::Other, line, &greeting).await?;
            }
            "XFORWARD" => _ = self.answer(Stage::Other, line, "250 2.0.0 OK").await?,
            _ => _ = self.answer(Stage::Other, line, "502 5.5.2 Command not known").await?,
        }
        Ok(Next::GoOn)
    }

    async fn hello(&mut self, verb: &str, line: &str) -> io::Result<()> {
        self.forget();
        self.lmtp = verb == "LHLO";
        self.envelope.helo = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let peer = self.seen.peer();
        let mut lines = vec![peer.name.clone()];
        if verb != "HELO" {
            lines.extend(peer.extensions.0.iter().cloned());
            if peer.certificate.is_some() && !self.envelope.over_tls {
                lines.push("STARTTLS".into());
            }
        }
        let last = lines.len() - 1;
        let separator = |i| if i == last { ' ' } else { '-' };
        let reply: Vec<String> =
            lines.iter().enumerate().map(|(i, text)| format!("250{}{text}", separator(i))).collect();
        self.answer(Stage::Hello, line, &reply.join("\n")).await?;
        Ok(())
    }

    async fn starttls(&mut self, line: &str) -> io::Result<Next> {
        let peer = self.seen.peer();
        if peer.certificate.is_none() {
            self.answer(Stage::StartTls, line, "502 5.5.1 No TLS here").await?;
            return Ok(Next::GoOn);
        }
        if self.answer(Stage::StartTls, line, "220 2.0.0 Go ahead").await? == Said::Usual {
            self.start_tls(&peer).await?;
            self.forget();
        }
        Ok(Next::GoOn)
    }

    async fn start_tls(&mut self, peer: &SmtpPeer) -> io::Result<()> {
        let Some(certificate) = &peer.certificate else { return Ok(()) };
        let acceptor = TlsAcceptor::from(certificate.server()?);
        let (gone, _) = tokio::io::duplex(1);
        let open = std::mem::replace(&mut self.wire, BufReader::new(Box::new(gone))).into_inner();
        self.wire = BufReader::new(Box::new(acceptor.accept(open).await?));
        self.envelope.over_tls = true;
        Ok(())
    }

    async fn mail(&mut self, line: &str) -> io::Result<()> {
        self.forget();
        let (path, parameters) = path_of(line);
        self.envelope.from = path;
        self.envelope.from_parameters = parameters;
        self.answer(Stage::Mail, line, "250 2.1.0 Sender OK").await?;
        Ok(())
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<()> {
        let (path, _) = path_of(line);
        let reply = self.decide(Stage::Rcpt, line, &path).await?;
        if self.say(reply.as_deref(), "250 2.1.5 Recipient OK").await? {
            self.envelope.to.push(path);
        }
        Ok(())
    }

    async fn data(&mut self, line: &str) -> io::Result<()> {
        if self.envelope.to.is_empty() {
            self.answer(Stage::Data, line, "503 5.5.1 No recipients").await?;
            return Ok(());
        }
        let reply = self.decide(Stage::Data, line, "").await?;
        let go = reply.is_none() || reply.as_deref().is_some_and(|r| r.starts_with("354"));
        self.say(reply.as_deref(), "354 End data with <CR><LF>.<CR><LF>").await?;
        if go {
            self.lines_of_body().await?;
            self.verdict().await?;
        }
        Ok(())
    }

    /// rfc5321 §4.5.2: up to the line with a single dot; one leading dot of other lines goes.
    async fn lines_of_body(&mut self) -> io::Result<()> {
        let peer = self.seen.peer();
        let lenient = peer.line_ends == LineEnds::Lenient;
        let mut at_line_start = true;
        loop {
            let start = self.envelope.body.len();
            let read = (&mut self.wire).take(LINE_MAX).read_until(b'\n', &mut self.envelope.body).await?;
            let line = &self.envelope.body[start..];
            if read == 0 || self.envelope.body.len() > MESSAGE_MAX {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if at_line_start && (line == b".\r\n" || (lenient && line == b".\n")) {
                self.envelope.body.truncate(start);
                return Ok(());
            }
            let ended = line.ends_with(b"\r\n") || (lenient && line.ends_with(b"\n"));
            if at_line_start && line.starts_with(b".") {
                self.envelope.body.remove(start);
            }
            at_line_start = ended;
            self.drop_in_body(&peer)?;
        }
    }

    /// rfc3030 §2: `BDAT size [LAST]`, then exactly that many octets.
    async fn chunk(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.split_whitespace().skip(1);
        let size = words.next().and_then(|size| size.parse::<usize>().ok());
        let size = size.filter(|size| *size <= MESSAGE_MAX).ok_or(io::ErrorKind::InvalidData)?;
        let last = words.next().is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        let mut octets = vec![0; size];
        self.wire.read_exact(&mut octets).await?;
        self.envelope.body.extend_from_slice(&octets);
        self.drop_in_body(&self.seen.peer())?;
        if !self.in_chunks {
            self.in_chunks = true;
            if let Some(reply) = self.decide(Stage::Data, line, "").await? {
                self.say(Some(&reply), "").await?;
                return Ok(());
            }
        }
        if last {
            return self.verdict().await;
        }
        self.write(&format!("250 2.0.0 {size} octets received")).await
    }

    fn drop_in_body(&self, peer: &SmtpPeer) -> io::Result<()> {
        match peer.drop_in_body {
            Some(after) if self.envelope.body.len() >= after => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }

    /// The reply to a whole message; LMTP gives one for each recipient (RFC 2033 §4.2).
    async fn verdict(&mut self) -> io::Result<()> {
        let recipients = self.envelope.to.clone();
        let replies = if self.lmtp { recipients.len() } else { 1 };
        let mut message = self.envelope.clone();
        self.forget();
        message.to.clear();
        let mut decided = Vec::new();
        for recipient in recipients.iter().take(replies) {
            let reply = self.decide(Stage::Body, recipient, recipient).await?;
            if reply.is_none() || reply.as_deref().is_some_and(|r| r.starts_with('2')) {
                message.to.push(recipient.clone());
            }
            decided.push(reply);
        }
        if !self.lmtp && !message.to.is_empty() {
            message.to = recipients;
        }
        // Noted first: whoever reads the 250 may look at once.
        if !message.to.is_empty() {
            self.seen.note_message(|| message);
        }
        for reply in decided {
            self.say(reply.as_deref(), "250 2.0.0 Accepted").await?;
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.envelope.from.clear();
        self.envelope.from_parameters.clear();
        self.envelope.to.clear();
        self.envelope.body = Vec::new();
        self.in_chunks = false;
    }

    /// The usual reply, unless a rule says something else.
    async fn answer(&mut self, stage: Stage, line: &str, usual: &str) -> io::Result<Said> {
        match self.decide(stage, line, "").await? {
            Some(reply) => self.say(Some(&reply), usual).await.map(|_| Said::Else),
            None => self.say(None, usual).await.map(|_| Said::Usual),
        }
    }

    /// Asks the rules. `None`: the usual reply. What is no reply happens here: waiting, hanging,
    /// closing (an error, which ends the session), bytes (an empty reply follows them).
    async fn decide(&mut self, stage: Stage, line: &str, recipient: &str) -> io::Result<Option<String>> {
        let pair = format!("{} {recipient}", self.envelope.from);
        match self.seen.act(stage, line, &pair) {
            None | Some(Act::Greylist) => Ok(None),
            Some(Act::Reply(text)) => Ok(Some(text)),
            Some(Act::Wait(time)) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            Some(Act::Until(gate)) => {
                gate.pass().await;
                Ok(None)
            }
            Some(Act::Bytes(bytes)) => {
                self.wire.get_mut().write_all(&bytes).await?;
                self.wire.get_mut().flush().await?;
                Ok(Some(String::new()))
            }
            Some(Act::ReplyAndClose(text)) => {
                self.write(&text).await?;
                self.wire.get_mut().shutdown().await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Some(Act::Drop) => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Act::Hang) => {
                // Reads on, so that the client's own end of the connection is noticed.
                let mut ignored = [0; 4096];
                while self.wire.read(&mut ignored).await? > 0 {}
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    /// Writes the decided reply or the usual one; whether it was positive.
    async fn say(&mut self, decided: Option<&str>, usual: &str) -> io::Result<bool> {
        let reply = decided.unwrap_or(usual);
        if !reply.is_empty() {
            self.write(reply).await?;
        }
        Ok(reply.starts_with('2'))
    }

    async fn write(&mut self, reply: &str) -> io::Result<()> {
        let wire = reply.replace('\n', "\r\n") + "\r\n";
        self.wire.get_mut().write_all(wire.as_bytes()).await?;
        self.wire.get_mut().flush().await
    }
}

/// `MAIL FROM:<a@b> SIZE=1` → `a@b`, `SIZE=1`.
fn path_of(line: &str) -> (String, String) {
    let rest = line.split_once('<').map_or("", |(_, rest)| rest);
    let (path, parameters) = rest.rsplit_once('>').unwrap_or((rest, ""));
    (path.to_owned(), parameters.trim().to_owned())
}
