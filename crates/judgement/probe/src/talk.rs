//! One conversation with a server: one command at a time, each with a deadline, all of it written down.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use postern_net::{NetError, Stream};
use postern_smtp::Flavour;
use postern_smtp::client::{ClientError, Session, Settings as ClientSettings, Step};
use postern_smtp::command::{MailParams, RcptParams};
use postern_types::{Address, ForwardPath, Reply, ReversePath};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::Timeouts;

/// The only commands that leave this crate.
const VERBS: [&str; 6] = ["EHLO ", "HELO ", "MAIL FROM:", "RCPT TO:", "RSET", "QUIT"];
/// Lines of a conversation that are kept, and the characters of each.
const LINES: usize = 64;
const LINE: usize = 400;
/// How long the answer to QUIT is waited for.
const GOODBYE: Duration = Duration::from_secs(5);
/// Answers are short.
const READ_SIZE: usize = 2048;

/// Why a conversation ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TalkError {
    /// No connection.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The server closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// It spoke out of turn.
    #[error("it said: {0}")]
    Unasked(Reply),
    /// What came is no SMTP, or does not fit.
    #[error(transparent)]
    Protocol(#[from] ClientError),
    /// The host has failed lately and is not connected to.
    #[error("it has failed lately and is left alone for a while")]
    LeftAlone,
    /// A command that a probe never says.
    #[error("a probe does not say that")]
    NotSaid,
}

impl TalkError {
    /// Whether the fault lies with the host and not with us.
    pub(crate) fn is_theirs(&self) -> bool {
        use std::io::ErrorKind::{
            AddrNotAvailable, InvalidInput, NetworkUnreachable, PermissionDenied, Unsupported,
        };
        match self {
            Self::Net(NetError::Connect { source, .. }) => !matches!(
                source.kind(),
                AddrNotAvailable | InvalidInput | NetworkUnreachable | PermissionDenied | Unsupported
            ),
            Self::NotSaid | Self::LeftAlone => false,
            _ => true,
        }
    }

    /// Whether nobody is there.
    pub(crate) fn is_nobody(&self) -> bool {
        use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, TimedOut};
        match self {
            Self::Net(NetError::ConnectTimeout { .. }) => true,
            Self::Net(NetError::Connect { source, .. }) => {
                matches!(source.kind(), ConnectionRefused | HostUnreachable | TimedOut)
            }
            _ => false,
        }
    }
}

/// What was said, cut to a bounded size.
#[derive(Debug, Default)]
pub(crate) struct Log(Vec<String>);

impl Log {
    fn note(&mut self, who: char, text: &str) {
        if self.0.len() < LINES {
            let text: String =
                text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE).collect();
            self.0.push(format!("{who} {text}"));
        }
    }

    pub(crate) fn text(&self) -> String {
        self.0.join("\n")
    }
}

/// A conversation past the greeting.
pub(crate) struct Talk<'a> {
    stream: Stream,
    session: Session,
    timeouts: &'a Timeouts,
    deadline: Instant,
    log: &'a mut Log,
    input: Vec<u8>,
}

impl<'a> Talk<'a> {
    /// Connects and hears the greeting.
    pub(crate) async fn open(
        address: SocketAddr,
        name: &str,
        timeouts: &'a Timeouts,
        deadline: Instant,
        log: &'a mut Log,
    ) -> Result<(Self, Reply), TalkError> {
        let within = timeouts.connect.min(deadline.saturating_duration_since(Instant::now()));
        let stream = postern_net::connect(address, within, None).await?;
        let client = ClientSettings { flavour: Flavour::Smtp, name: name.to_owned() };
        let session = Session::new(client);
        let mut talk = Self { stream, session, timeouts, deadline, log, input: vec![0; READ_SIZE] };
        let greeting = talk.answer(talk.timeouts.command).await?;
        Ok((talk, greeting))
    }

    /// EHLO; HELO where that is not known.
    pub(crate) async fn hello(&mut self) -> Result<Reply, TalkError> {
        self.session.hello();
        self.answer(self.timeouts.command).await
    }

    /// MAIL; `None` is the null sender. `utf8` says that the recipient will need SMTPUTF8.
    pub(crate) async fn mail(&mut self, sender: Option<&Address>, to: &Address) -> Result<Reply, TalkError> {
        let path = sender.cloned().map_or(ReversePath::Null, ReversePath::Address);
        let params = MailParams { smtp_utf8: to.needs_utf8(), ..MailParams::default() };
        self.session.mail(&path, &params)?;
        self.answer(self.timeouts.command).await
    }

    /// RCPT.
    pub(crate) async fn rcpt(&mut self, recipient: &Address) -> Result<Reply, TalkError> {
        self.session.rcpt(&ForwardPath::Address(recipient.clone()), &RcptParams::default())?;
        self.answer(self.timeouts.command).await
    }

    /// RSET.
    pub(crate) async fn reset(&mut self) -> Result<Reply, TalkError> {
        self.session.reset();
        self.answer(self.timeouts.command).await
    }

    /// QUIT. What becomes of it does not matter.
    pub(crate) async fn quit(mut self) {
        self.session.quit();
        let _ = self.answer(GOODBYE.min(self.timeouts.command)).await;
    }

    /// Our own address as the server sees it, unless something between us changes it.
    pub(crate) fn local(&self) -> Option<IpAddr> {
        self.stream.local().ok().map(|address| address.ip())
    }

    async fn answer(&mut self, within: Duration) -> Result<Reply, TalkError> {
        let until = self.deadline.min(Instant::now() + within);
        tokio::time::timeout_at(until, self.exchange()).await.map_err(|_| TalkError::Timeout)?
    }

    async fn exchange(&mut self) -> Result<Reply, TalkError> {
        loop {
            if let Some(answer) = self.session.next()? {
                self.log.note('<', &answer.reply.to_string());
                return match answer.step {
                    Step::Unasked => Err(TalkError::Unasked(answer.reply)),
                    _ => Ok(answer.reply),
                };
            }
            self.write().await?;
            match self.stream.read(&mut self.input).await? {
                0 => return Err(TalkError::Closed),
                read => self.session.receive(&self.input[..read]),
            }
        }
    }

    async fn write(&mut self) -> Result<(), TalkError> {
        let output = std::mem::take(self.session.output());
        if output.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output);
        for line in text.lines() {
            // The last gate: whatever the code above does, no message leaves here.
            if !VERBS.iter().any(|verb| line.starts_with(verb)) {
                return Err(TalkError::NotSaid);
            }
            self.log.note('>', line);
        }
        self.stream.write_all(&output).await?;
        Ok(self.stream.flush().await?)
    }
}
