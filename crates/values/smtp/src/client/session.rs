//! The session's state and its steps.

use std::collections::VecDeque;

use postern_types::{Address, ForwardPath, ReversePath};

use super::reply::{Enhanced, RawReply, ReplyReader};
use super::step::{Answer, ClientError, Settings, Step};
use crate::body::{Encoder, Framing};
use crate::command::{
    Bdat, BodyType, Command, Hello, HelloVerb, Mail, MailParams, Rcpt, RcptParams, Xclient, Xforward,
};
use crate::{Extension, Extensions, Flavour};

/// One session. A driver that delivers:
///
/// ```text
/// session.hello();                                       // sent once the greeting is there
/// … await Step::Hello; session.mail(…)?; session.rcpt(…)?; session.data()?;
/// loop { write(session.output()); session.receive(read()); while let Some(answer) = session.next()? { … } }
/// … at Step::Data 354: session.body(piece)? as often as needed, writing between; session.end_body()?
/// … at Step::End(_): what the server said is what became of the message. session.quit()
/// ```
///
/// A proxy says one step and awaits its answer; a probe never says [`Session::data`].
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    extensions: Extensions,
    reader: ReplyReader,
    output: Vec<u8>,
    /// What was sent and awaits its answer.
    due: VecDeque<Step>,
    /// What must wait for answers before it is sent.
    waiting: VecDeque<(Step, Vec<u8>)>,
    transfer: Transfer,
    transaction: Transaction,
    /// HELO has followed EHLO.
    said_helo: bool,
    error: Option<ClientError>,
}

/// What may be sent.
#[derive(Debug)]
enum Transfer {
    /// Commands.
    Commands,
    /// The message, after 354.
    Body(Encoder),
    /// Commands, of which BDAT goes on with this.
    Chunks(Encoder),
    /// Nothing: the TLS handshake is due.
    Handshake,
}

/// The transaction as the client has told it.
#[derive(Debug, Default)]
struct Transaction {
    is_binary: bool,
    /// How often RCPT was said.
    asked: usize,
    /// Which of them were accepted.
    accepted: Vec<usize>,
}

impl Session {
    /// A session on a fresh connection: the first answer is [`Step::Greeting`].
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            extensions: Extensions::none(),
            reader: ReplyReader::default(),
            output: Vec::new(),
            due: VecDeque::from([Step::Greeting]),
            waiting: VecDeque::new(),
            transfer: Transfer::Commands,
            transaction: Transaction::default(),
            said_helo: false,
            error: None,
        }
    }

    /// Takes what the server sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        // After an error nothing is read any more.
        if self.error.is_none() {
            self.reader.push(bytes);
        }
    }

    /// The next answer; `None` when more input is needed.
    ///
    /// # Errors
    /// A malformed reply; the session is of no further use and says so again.
    #[allow(clippy::should_implement_trait, reason = "fails, and ends only for now")]
    pub fn next(&mut self) -> Result<Option<Answer>, ClientError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let answer = self.read_answer();
        if let Err(error) = &answer {
            self.error = Some(error.clone());
            self.reader.clear();
        }
        answer
    }

    fn read_answer(&mut self) -> Result<Option<Answer>, ClientError> {
        while !matches!(self.transfer, Transfer::Handshake) {
            let Some(raw) = self.reader.read()? else { break };
            let step = self.due.pop_front().unwrap_or(Step::Unasked);
            let is_retried = self.take_in(step, &raw)?;
            self.send_waiting();
            if !is_retried {
                let enhanced = match step {
                    Step::Greeting | Step::Hello | Step::Xclient => Enhanced::Never,
                    _ => Enhanced::May,
                };
                return Ok(Some(Answer { step, reply: raw.into_reply(enhanced) }));
            }
        }
        Ok(None)
    }

    /// What an answer does to the session. True when the step is tried another way, so this is not its answer.
    fn take_in(&mut self, step: Step, raw: &RawReply) -> Result<bool, ClientError> {
        let code = raw.code;
        if code.is_intermediate() && step != Step::Data {
            return Err(ClientError::Malformed("3yz answers a command that nothing follows"));
        }
        match step {
            Step::Hello => return Ok(self.take_in_hello(raw)),
            Step::StartTls if code.is_positive() => {
                // rfc3207 §4.2: what the server says in the clear behind this is not from the server we meet in TLS.
                self.reader.clear();
                self.transfer = Transfer::Handshake;
            }
            Step::Xclient if code.is_positive() => self.extensions = Extensions::none(),
            Step::Mail => self.transaction.accepted.clear(),
            Step::Rcpt(number) if code.is_positive() => self.transaction.accepted.push(number),
            Step::Data if code.is_intermediate() => {
                self.transfer = Transfer::Body(Encoder::new(Framing::Dots))
            }
            Step::Data if code.is_positive() => {
                return Err(ClientError::Malformed("2yz answers DATA before the message"));
            }
            _ => {}
        }
        Ok(false)
    }

    fn take_in_hello(&mut self, raw: &RawReply) -> bool {
        self.extensions = Extensions::none();
        if raw.code.is_positive() {
            for line in raw.lines.iter().skip(1) {
                self.extensions.read_line(line);
            }
            return false;
        }
        // rfc5321 §3.2: a server that does not know EHLO gets HELO. These codes say that, 521 and 554 do not.
        let is_unknown = matches!(raw.code.get(), 500..=504);
        let is_retried = is_unknown && self.settings.flavour == Flavour::Smtp && !self.said_helo;
        if is_retried {
            self.said_helo = true;
            let line = self.hello_line(HelloVerb::Helo);
            self.output.extend_from_slice(&line);
            self.due.push_front(Step::Hello);
        }
        is_retried
    }

    /// What waits to be written; the driver takes it away.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// How many steps have no answer yet.
    #[must_use]
    pub fn answers_due(&self) -> usize {
        self.due.len() + self.waiting.len()
    }

    /// What the server offers, since its answer to EHLO; nothing after HELO.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// EHLO (LHLO). Where the server does not know it, HELO follows by itself.
    pub fn hello(&mut self) {
        let verb = match self.settings.flavour {
            Flavour::Smtp => HelloVerb::Ehlo,
            Flavour::Lmtp => HelloVerb::Lhlo,
        };
        self.said_helo = false;
        let line = self.hello_line(verb);
        self.send(Step::Hello, line);
    }

    fn hello_line(&self, verb: HelloVerb) -> Vec<u8> {
        wire(&Command::Hello(Hello { verb, name: self.settings.name.clone() }))
    }

    /// STARTTLS. After a positive answer: handshake, [`Session::tls_started`], [`Session::hello`].
    ///
    /// # Errors
    /// When the server does not offer it.
    pub fn start_tls(&mut self) -> Result<(), ClientError> {
        self.needs(Extension::StartTls)?;
        self.send(Step::StartTls, wire(&Command::StartTls));
        Ok(())
    }

    /// The handshake is done: what came in the clear and what was offered in the clear is forgotten.
    pub fn tls_started(&mut self) {
        if matches!(self.transfer, Transfer::Handshake) {
            self.reader.clear();
            self.extensions = Extensions::none();
            self.transfer = Transfer::Commands;
            self.send_waiting();
        }
    }

    /// XCLIENT with the attributes that the server takes. False when it takes none of them: then nothing is sent.
    pub fn xclient(&mut self, attributes: &Xclient) -> bool {
        let told = attributes.clone().only(&self.extensions.xclient);
        let has_some = !told.is_empty();
        if has_some {
            self.send(Step::Xclient, wire(&Command::Xclient(told)));
        }
        has_some
    }

    /// XFORWARD with the attributes that the server takes. False when it takes none of them: then nothing is sent.
    pub fn xforward(&mut self, attributes: &Xforward) -> bool {
        let told = attributes.clone().only(&self.extensions.xforward);
        let has_some = !told.is_empty();
        if has_some {
            self.send(Step::Xforward, wire(&Command::Xforward(told)));
        }
        has_some
    }

    /// MAIL. Parameters that the server does not offer are left out where that is harmless (SIZE, DSN, AUTH, BODY=8BITMIME:
    /// every server in use passes eight bits on) and an error where the message could not travel as it must
    /// (SMTPUTF8, BODY=BINARYMIME, REQUIRETLS).
    ///
    /// # Errors
    /// [`ClientError::NotOffered`]; nothing is sent.
    pub fn mail(&mut self, path: &ReversePath, params: &MailParams) -> Result<(), ClientError> {
        let mut params = params.clone();
        let offers = |extension| self.extensions.has(extension);
        if params.smtp_utf8 || path.address().is_some_and(Address::needs_utf8) {
            self.needs(Extension::SmtpUtf8)?;
            params.smtp_utf8 = true;
        }
        if params.require_tls {
            self.needs(Extension::RequireTls)?;
        }
        let is_binary = params.body == Some(BodyType::BinaryMime);
        if is_binary {
            self.needs(Extension::BinaryMime)?;
            self.needs(Extension::Chunking)?;
        } else {
            params.body = params.body.filter(|_| offers(Extension::EightBitMime));
        }
        params.size = params.size.filter(|_| self.extensions.size.is_some());
        params.auth = params.auth.filter(|_| !self.extensions.auth.is_empty());
        params.ret = params.ret.filter(|_| offers(Extension::Dsn));
        params.envid = params.envid.filter(|_| offers(Extension::Dsn));
        self.forget_chunks();
        self.transaction.is_binary = is_binary;
        self.transaction.asked = 0;
        self.send(Step::Mail, wire(&Command::Mail(Mail { path: path.clone(), params })));
        Ok(())
    }

    /// RCPT. DSN parameters are left out where the server does not offer DSN.
    ///
    /// # Errors
    /// When the address needs SMTPUTF8 and the server does not offer it; nothing is sent.
    pub fn rcpt(&mut self, path: &ForwardPath, params: &RcptParams) -> Result<(), ClientError> {
        if path.address().is_some_and(Address::needs_utf8) {
            self.needs(Extension::SmtpUtf8)?;
        }
        let params = if self.extensions.has(Extension::Dsn) { params.clone() } else { RcptParams::default() };
        let step = Step::Rcpt(self.transaction.asked);
        self.transaction.asked += 1;
        self.send(step, wire(&Command::Rcpt(Rcpt { path: path.clone(), params })));
        Ok(())
    }

    /// DATA. After a 354: [`Session::body`] and [`Session::end_body`]. Where PIPELINING sent it along with recipients that were
    /// all refused, a 354 is followed by [`Session::end_body`] alone (RFC 2920 §3.1).
    ///
    /// # Errors
    /// For a BODY=BINARYMIME message, and after a chunk.
    pub fn data(&mut self) -> Result<(), ClientError> {
        if self.transaction.is_binary || matches!(self.transfer, Transfer::Chunks(_)) {
            return Err(ClientError::Sequence("DATA"));
        }
        self.send(Step::Data, wire(&Command::Data));
        Ok(())
    }

    /// A piece of the message, after 354 to DATA. Encoded: dots stuffed once, a lone CR becomes a space, a lone LF CR LF.
    ///
    /// # Errors
    /// Before the 354.
    pub fn body(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        let Transfer::Body(encoder) = &mut self.transfer else {
            return Err(ClientError::Sequence("the message"));
        };
        encoder.encode(piece, &mut self.output);
        Ok(())
    }

    /// The end of the message: a missing last CR LF, and the dot. One answer follows, or with LMTP one for each accepted recipient.
    ///
    /// # Errors
    /// Before the 354.
    pub fn end_body(&mut self) -> Result<(), ClientError> {
        let Transfer::Body(encoder) = &mut self.transfer else {
            return Err(ClientError::Sequence("the end of the message"));
        };
        encoder.finish(&mut self.output);
        self.transfer = Transfer::Commands;
        self.end_due();
        self.send_waiting();
        Ok(())
    }

    /// The answers that the end of the message has.
    fn end_due(&mut self) {
        match self.settings.flavour {
            Flavour::Smtp => self.due.push_back(Step::End(0)),
            // rfc2033 §4.2: one for each accepted recipient, in their order.
            Flavour::Lmtp => {
                self.due.extend(self.transaction.accepted.iter().map(|&number| Step::End(number)))
            }
        }
    }

    /// A BDAT chunk, instead of DATA; answered with [`Step::Chunk`]. The octets are those of the message, its lines made clean as
    /// in [`Session::body`] unless it is BODY=BINARYMIME. Nothing is sent for a piece that comes to no octets.
    ///
    /// # Errors
    /// When the server does not offer CHUNKING, and within DATA.
    pub fn chunk(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        let octets = self.encode_chunk(piece, Part::More)?;
        if !octets.is_empty() {
            self.send(Step::Chunk, chunk_wire(&octets, Part::More));
        }
        Ok(())
    }

    /// The last BDAT chunk, which may be empty; answered like [`Session::end_body`].
    ///
    /// # Errors
    /// As [`Session::chunk`].
    pub fn last_chunk(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        let octets = self.encode_chunk(piece, Part::Last)?;
        self.send(Step::End(0), chunk_wire(&octets, Part::Last));
        Ok(())
    }

    fn encode_chunk(&mut self, piece: &[u8], part: Part) -> Result<Vec<u8>, ClientError> {
        self.needs(Extension::Chunking)?;
        let framing = if self.transaction.is_binary { Framing::Binary } else { Framing::Chunks };
        let mut encoder = match std::mem::replace(&mut self.transfer, Transfer::Commands) {
            Transfer::Commands => Encoder::new(framing),
            Transfer::Chunks(encoder) => encoder,
            other => {
                self.transfer = other;
                return Err(ClientError::Sequence("BDAT"));
            }
        };
        let mut octets = Vec::new();
        encoder.encode(piece, &mut octets);
        match part {
            Part::More => self.transfer = Transfer::Chunks(encoder),
            Part::Last => encoder.finish(&mut octets),
        }
        Ok(octets)
    }

    /// RSET. Begun chunks are forgotten.
    pub fn reset(&mut self) {
        self.forget_chunks();
        self.send(Step::Reset, wire(&Command::Rset));
    }

    fn forget_chunks(&mut self) {
        if matches!(self.transfer, Transfer::Chunks(_)) {
            self.transfer = Transfer::Commands;
        }
    }

    /// NOOP.
    pub fn noop(&mut self) {
        self.send(Step::Noop, wire(&Command::Noop));
    }

    /// QUIT.
    pub fn quit(&mut self) {
        self.send(Step::Quit, wire(&Command::Quit));
    }

    fn needs(&self, extension: Extension) -> Result<(), ClientError> {
        if self.extensions.has(extension) { Ok(()) } else { Err(ClientError::NotOffered(extension)) }
    }

    fn send(&mut self, step: Step, line: Vec<u8>) {
        self.waiting.push_back((step, line));
        self.send_waiting();
    }

    /// Sends what may be sent now.
    fn send_waiting(&mut self) {
        while let Some((step, _)) = self.waiting.front() {
            if !self.may_send(*step) {
                return;
            }
            let Some((step, line)) = self.waiting.pop_front() else { return };
            self.output.extend_from_slice(&line);
            match step {
                Step::End(_) => self.end_due(),
                step => self.due.push_back(step),
            }
        }
    }

    fn may_send(&self, step: Step) -> bool {
        if matches!(self.transfer, Transfer::Body(_) | Transfer::Handshake) {
            return false;
        }
        let Some(last) = self.due.back() else { return true };
        // An LMTP message has as many answers as recipients were accepted: that must be known.
        let is_counting = matches!(step, Step::End(_)) && self.settings.flavour == Flavour::Lmtp;
        let has_open_rcpt = is_counting && self.due.iter().any(|due| matches!(due, Step::Rcpt(_)));
        self.extensions.has(Extension::Pipelining) && !last.must_be_last() && !has_open_rcpt
    }
}

/// Whether a chunk is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    More,
    Last,
}

fn wire(command: &Command) -> Vec<u8> {
    format!("{command}\r\n").into_bytes()
}

fn chunk_wire(octets: &[u8], part: Part) -> Vec<u8> {
    let bdat = Bdat { octets: octets.len() as u64, last: part == Part::Last };
    let mut out = wire(&Command::Bdat(bdat));
    out.extend_from_slice(octets);
    out
}
