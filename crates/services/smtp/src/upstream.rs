//! One session with the MTA behind: the sending half of the proxy.
//!
//! A session with the client has at most one of these at a time. Its answers are passed on as they
//! come; its `250` to the message is the only thing that makes a [`Relayed`]. Dropped in the middle of
//! a message it closes the connection without the final dot, so the MTA forgets the message
//! (RFC 5321 §4.1.1.4: only the end of the data makes it the MTA's).

use std::net::SocketAddr;
use std::time::Duration;

use postern_net::{Stream, TlsConnector};
use postern_smtp::client::{Session, Settings as ClientSettings, Step};
use postern_smtp::command::{MailParams, RcptParams, Xclient, XclientName, Xforward, XforwardName};
use postern_smtp::{Extension, Extensions, Flavour};
use postern_types::{Domain, ForwardPath, Host, Reply, ReversePath};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::{Program, Running, Wire};

/// How the MTA behind is spoken to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name in EHLO.
    pub hostname: Domain,
    /// For connection and TLS handshake; 5 s.
    pub connect_timeout: Duration,
    /// For each answer; 300 s, as RFC 5321 §4.5.3.2 wants for most commands.
    pub timeout: Duration,
    /// From the end of a message to our answer to it; 270 s. RFC 5321 §4.5.3.2.6 has clients wait ten minutes for it,
    /// but many wait five. Whoever gives up sends the message again, and an MTA that takes it after all has it twice.
    pub end_timeout: Duration,
    /// Whether the connection is encrypted.
    pub encryption: Encryption,
    /// What the MTA is told about the client behind us.
    pub announce: Announce,
    /// A program that is the MTA for every domain that is passed on, instead of what the domain's route says.
    pub program: Option<Program>,
}

impl Settings {
    /// The defaults, under a name.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            hostname,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(300),
            end_timeout: Duration::from_secs(270),
            encryption: Encryption::Opportunistic,
            announce: Announce::Xforward,
            program: None,
        }
    }
}

/// Whether the connection to the MTA behind is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Never: the MTA is on the same host or network.
    Off,
    /// Where the MTA offers STARTTLS.
    Opportunistic,
    /// Always; without it the message waits.
    Required,
}

/// What the MTA is told about the client behind us, where it offers the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// Nothing.
    Nothing,
    /// XFORWARD: for its log.
    Xforward,
    /// XCLIENT: as if the client had connected itself.
    Xclient,
}

/// The client that the MTA is told about.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) name: Option<&'a str>,
    pub(crate) helo: &'a str,
    pub(crate) extended: bool,
    pub(crate) ident: String,
}

/// Proof that the MTA behind has taken the message: it said 2yz to its end.
#[derive(Debug)]
#[must_use = "the MTA has the message: the client must be told, or it sends it again"]
pub struct Relayed {
    reply: Reply,
}

impl Relayed {
    /// What the MTA said.
    #[must_use]
    pub fn reply(&self) -> &Reply {
        &self.reply
    }
}

/// Why the MTA behind cannot be used now.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name has no address.
    #[error("{route} has no address: {source}")]
    Lookup {
        /// `host:port`
        route: String,
        /// What the resolver says.
        source: std::io::Error,
    },
    /// No connection.
    #[error(transparent)]
    Net(#[from] postern_net::NetError),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// It takes the message too slowly: the client would not wait for the end.
    #[error("it did not take what had come of the message within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// What came is no SMTP, or does not fit.
    #[error(transparent)]
    Protocol(#[from] postern_smtp::client::ClientError),
    /// It closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// It will not talk to us.
    #[error("it said: {0}")]
    Refused(Reply),
    /// The domain's MTA is a program, and this is not `postern wrap`.
    #[error("the domain was added with --wrapped: its mail is taken by `postern wrap -- PROGRAM` only")]
    Wrapped,
    /// The program that is the MTA cannot be started.
    #[error("{} cannot be started: {source}", .program.path.display())]
    Start {
        /// The program.
        program: Program,
        /// What the system says.
        source: std::io::Error,
    },
    /// TLS is required and not offered.
    #[error("it does not offer STARTTLS, and proxy.tls requires it")]
    NoTls,
}

/// A connection to the MTA, past EHLO.
pub(crate) struct Upstream {
    wire: Wire,
    protocol: Session,
    timeout: Duration,
    input: Vec<u8>,
}

/// Answers are short.
const READ_SIZE: usize = 2048;

impl Upstream {
    /// Connects, greets, encrypts if that is wanted and announces the client.
    pub(crate) async fn connect(
        route: &str,
        settings: &Settings,
        tls: &TlsConnector,
        origin: Option<&Origin<'_>>,
    ) -> Result<Self, UpstreamError> {
        let limit = settings.connect_timeout;
        // Boxed: every session's future would carry room for the handshakes with the MTA, which few come to.
        let open = Box::pin(Self::open(route, settings, tls));
        let mut upstream =
            tokio::time::timeout(limit, open).await.map_err(|_| UpstreamError::Timeout(limit))??;
        if let Some(origin) = origin {
            upstream.announce(settings.announce, origin).await?;
        }
        Ok(upstream)
    }

    async fn open(route: &str, settings: &Settings, tls: &TlsConnector) -> Result<Self, UpstreamError> {
        let wire = match &settings.program {
            Some(program) => Wire::Program(start(program)?),
            None => Wire::Net(connect(route, settings).await?),
        };
        let client = ClientSettings { flavour: Flavour::Smtp, name: settings.hostname.to_string() };
        let protocol = Session::new(client);
        let mut upstream = Self { wire, protocol, timeout: settings.timeout, input: vec![0; READ_SIZE] };
        upstream.positive().await?;
        upstream.hello().await?;
        upstream.encrypt(route, settings.encryption, tls).await
    }

    async fn hello(&mut self) -> Result<(), UpstreamError> {
        self.protocol.hello();
        self.positive().await.map(drop)
    }

    async fn encrypt(
        mut self,
        route: &str,
        wish: Encryption,
        tls: &TlsConnector,
    ) -> Result<Self, UpstreamError> {
        let offered = self.protocol.extensions().has(Extension::StartTls);
        // Between us and a program there is nobody.
        let Wire::Net(_) = self.wire else { return Ok(self) };
        match (wish, offered) {
            (Encryption::Off, _) | (Encryption::Opportunistic, false) => return Ok(self),
            (Encryption::Required, false) => return Err(UpstreamError::NoTls),
            (Encryption::Opportunistic | Encryption::Required, true) => {}
        }
        self.protocol.start_tls()?;
        let answer = self.answer().await?;
        if !answer.code.is_positive() {
            return if wish == Encryption::Required { Err(UpstreamError::Refused(answer)) } else { Ok(self) };
        }
        let Wire::Net(stream) = self.wire else { return Ok(self) };
        let name = route.rsplit_once(':').map_or(route, |(host, _)| host);
        let host = Domain::parse(name).map_or(Host::Literal(stream.peer().ip()), Host::Domain);
        self.wire = Wire::Net(stream.into_tls_client(tls, &host).await?);
        self.protocol.tls_started();
        self.hello().await?;
        Ok(self)
    }

    /// Tells the MTA who is behind us. A refusal of that is not fatal for XFORWARD, which only logs.
    async fn announce(&mut self, announce: Announce, origin: &Origin<'_>) -> Result<(), UpstreamError> {
        match announce {
            Announce::Nothing => Ok(()),
            // An MTA that takes none of the attributes is not told.
            Announce::Xforward if self.protocol.xforward(&xforward(origin)) => self.answer().await.map(drop),
            Announce::Xclient if self.protocol.xclient(&xclient(origin)) => {
                self.positive().await?;
                self.hello().await
            }
            Announce::Xforward | Announce::Xclient => Ok(()),
        }
    }

    /// What the MTA offers.
    pub(crate) fn extensions(&self) -> &Extensions {
        self.protocol.extensions()
    }

    /// MAIL; the answer whatever it is.
    pub(crate) async fn mail(
        &mut self,
        path: &ReversePath,
        params: &MailParams,
    ) -> Result<Reply, UpstreamError> {
        self.protocol.mail(path, params)?;
        self.answer().await
    }

    /// RCPT; the answer whatever it is.
    pub(crate) async fn rcpt(
        &mut self,
        path: &ForwardPath,
        params: &RcptParams,
    ) -> Result<Reply, UpstreamError> {
        self.protocol.rcpt(path, params)?;
        self.answer().await
    }

    /// RSET.
    pub(crate) async fn reset(&mut self) -> Result<Reply, UpstreamError> {
        self.protocol.reset();
        self.answer().await
    }

    /// DATA; 354 is needed to go on.
    pub(crate) async fn data(&mut self) -> Result<Reply, UpstreamError> {
        self.protocol.data()?;
        self.answer().await
    }

    /// A piece of the message, after 354.
    pub(crate) async fn body(&mut self, piece: &[u8]) -> Result<(), UpstreamError> {
        self.protocol.body(piece)?;
        self.flush().await
    }

    /// The final dot, and the MTA's answer to the message: the proof, or its refusal. The caller limits the time: who
    /// leaves too early what the MTA then accepts makes the client send it again.
    pub(crate) async fn finish(&mut self) -> Result<Result<Relayed, Reply>, UpstreamError> {
        self.protocol.end_body()?;
        let reply = self.read_answer().await?;
        Ok(if reply.code.is_positive() { Ok(Relayed { reply }) } else { Err(reply) })
    }

    /// QUIT, without waiting for the answer: nothing depends on it.
    pub(crate) async fn quit(mut self) {
        self.protocol.quit();
        // The MTA may be gone already, which is what was wanted.
        let _ = self.flush().await;
    }

    async fn positive(&mut self) -> Result<Reply, UpstreamError> {
        let reply = self.answer().await?;
        if reply.code.is_positive() { Ok(reply) } else { Err(UpstreamError::Refused(reply)) }
    }

    /// Writes what waits, and reads the next answer.
    async fn answer(&mut self) -> Result<Reply, UpstreamError> {
        let limit = self.timeout;
        tokio::time::timeout(limit, self.read_answer()).await.map_err(|_| UpstreamError::Timeout(limit))?
    }

    async fn read_answer(&mut self) -> Result<Reply, UpstreamError> {
        self.write_output().await?;
        loop {
            match self.protocol.next()? {
                // 421 out of turn: it is going away, and what is asked stays unanswered.
                Some(answer) if answer.step == Step::Unasked => {
                    return Err(UpstreamError::Refused(answer.reply));
                }
                Some(answer) => return Ok(answer.reply),
                None => {}
            }
            // EHLO refused: HELO follows by itself.
            self.write_output().await?;
            let read = self.wire.read(&mut self.input).await?;
            if read == 0 {
                return Err(UpstreamError::Closed);
            }
            self.protocol.receive(&self.input[..read]);
        }
    }

    async fn flush(&mut self) -> Result<(), UpstreamError> {
        let limit = self.timeout;
        tokio::time::timeout(limit, self.write_output()).await.map_err(|_| UpstreamError::Timeout(limit))?
    }

    async fn write_output(&mut self) -> Result<(), UpstreamError> {
        let output = self.protocol.output();
        if !output.is_empty() {
            self.wire.write_all(output).await?;
            self.wire.flush().await?;
            output.clear();
        }
        Ok(())
    }
}

fn start(program: &Program) -> Result<Running, UpstreamError> {
    program.start().map_err(|source| UpstreamError::Start { program: program.clone(), source })
}

async fn connect(route: &str, settings: &Settings) -> Result<Stream, UpstreamError> {
    let address = lookup(route).await?;
    Ok(postern_net::connect(address, settings.connect_timeout, None).await?)
}

/// The route of a domain whose MTA is the program that `postern wrap` is started with.
pub const WRAPPED: &str = "wrapped";

async fn lookup(route: &str) -> Result<SocketAddr, UpstreamError> {
    if route == WRAPPED {
        return Err(UpstreamError::Wrapped);
    }
    if let Ok(address) = route.parse() {
        return Ok(address);
    }
    let failed = |source| UpstreamError::Lookup { route: route.to_owned(), source };
    let mut addresses = tokio::net::lookup_host(route).await.map_err(failed)?;
    addresses.next().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}

fn ip_text(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("IPV6:{}", v6.ip()),
    }
}

fn xforward(origin: &Origin<'_>) -> Xforward {
    Xforward::new()
        .with(XforwardName::Name, origin.name)
        .with(XforwardName::Addr, Some(&ip_text(origin.address)))
        .with(XforwardName::Port, Some(&origin.address.port().to_string()))
        .with(XforwardName::Proto, Some(if origin.extended { "ESMTP" } else { "SMTP" }))
        .with(XforwardName::Helo, Some(origin.helo))
        .with(XforwardName::Ident, Some(&origin.ident))
        .with(XforwardName::Source, Some("REMOTE"))
}

fn xclient(origin: &Origin<'_>) -> Xclient {
    Xclient::new()
        .with(XclientName::Name, origin.name)
        .with(XclientName::Addr, Some(&ip_text(origin.address)))
        .with(XclientName::Port, Some(&origin.address.port().to_string()))
        .with(XclientName::Proto, Some(if origin.extended { "ESMTP" } else { "SMTP" }))
        .with(XclientName::Helo, Some(origin.helo))
}
