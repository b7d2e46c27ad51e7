//! A line between two programs that can be cut at any step of what they say to each other.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What is spoken on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Smtp,
    Milter,
    /// Postfix's policy delegation.
    Policy,
}

/// A step, named by what is said there.
pub(crate) type Step = &'static str;

/// The connection is made.
pub(crate) const CONNECT: Step = "connection";
/// SMTP: the MTA's 250 to the whole message; milter and policy: the answer that decides.
pub(crate) const ANSWER: Step = "answer";

impl Language {
    /// Every step, in order. Before [`ANSWER`] nothing has been promised.
    pub(crate) fn steps(self) -> &'static [Step] {
        match self {
            Self::Smtp => {
                &[CONNECT, "greeting", "EHLO", "MAIL", "RCPT", "DATA", "message", "final dot", ANSWER]
            }
            // The letters of the milter protocol's commands.
            Self::Milter => &[CONNECT, "O", "C", "H", "M", "R", "L", "N", "B", "E", ANSWER],
            Self::Policy => &[CONNECT, "question", ANSWER],
        }
    }
}

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The line is cut before it is said.
    Cut,
    /// SMTP: this is heard instead of the MTA's answer, and the MTA does not hear what was asked.
    Says(&'static str),
}

/// What is to fail, until it is told otherwise.
pub(crate) type Fault = Option<(Step, How)>;

/// A line.
pub(crate) struct Link {
    pub(crate) language: Language,
    pub(crate) address: SocketAddr,
    told: Arc<Told>,
}

/// What a line is told, and whether it has done so.
#[derive(Default)]
struct Told {
    fault: Mutex<Fault>,
    done: AtomicBool,
    /// Ends the connections that are there.
    anew: Notify,
}

impl Told {
    /// What is to happen at a step now.
    fn at(&self, step: Step) -> Option<How> {
        let how = self.fault.lock().unwrap().filter(|(at, _)| *at == step).map(|(_, how)| how);
        self.done.fetch_or(how.is_some(), Ordering::SeqCst);
        how
    }

    /// The line is cut here, if it is to be.
    fn may_pass(&self, step: Step) -> io::Result<()> {
        if self.at(step) == Some(How::Cut) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl Link {
    /// A line to a program, from a port of this address.
    pub(crate) async fn lay(language: Language, from: SocketAddr, to: SocketAddr) -> Self {
        let listener = TcpListener::bind(from).await.unwrap();
        let address = listener.local_addr().unwrap();
        let told: Arc<Told> = Arc::default();
        let ours = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let told = Arc::clone(&ours);
                // However it ends: that it ends is what the two see.
                tokio::spawn(async move {
                    tokio::select! {
                        carried = carry(language, near, to, &told) => carried,
                        () = told.anew.notified() => Ok(()),
                    }
                });
            }
        });
        Self { language, address, told }
    }

    /// Fails like this from now on.
    pub(crate) fn fail(&self, fault: Fault) {
        *self.told.fault.lock().unwrap() = fault;
        self.told.done.store(false, Ordering::SeqCst);
        // An MTA may keep a connection to its filter for the next message.
        self.told.anew.notify_waiters();
    }

    /// Whether it has failed as it was told.
    pub(crate) fn has_failed(&self) -> bool {
        self.told.done.load(Ordering::SeqCst)
    }
}

async fn carry(language: Language, near: TcpStream, to: SocketAddr, told: &Told) -> io::Result<()> {
    told.may_pass(CONNECT)?;
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    match language {
        Language::Smtp => smtp(BufReader::new(near), BufReader::new(far), told).await,
        Language::Milter | Language::Policy => {
            let ((mut ask, mut hear), (mut answer, mut say)) = (near.into_split(), far.into_split());
            let decides = AtomicBool::new(false);
            tokio::select! {
                asked = questions(language, &mut ask, &mut say, told, &decides) => asked,
                answered = answers(&mut answer, &mut hear, told, &decides) => answered,
            }
        }
    }
}

/// Question and answer, in turn.
async fn smtp(mut near: BufReader<TcpStream>, mut far: BufReader<TcpStream>, told: &Told) -> io::Result<()> {
    let greeting = reply(&mut far).await?;
    say(&mut near, "greeting", &greeting, told).await?;
    loop {
        let command = line(&mut near).await?;
        let step = match &command.to_ascii_uppercase()[..4.min(command.len())] {
            "EHLO" | "HELO" => "EHLO",
            "MAIL" => "MAIL",
            "RCPT" => "RCPT",
            "DATA" => "DATA",
            _ => "another command",
        };
        if let Some(How::Says(instead)) = told.at(step) {
            near.write_all(format!("{instead}\r\n").as_bytes()).await?;
            continue;
        }
        told.may_pass(step)?;
        far.write_all(command.as_bytes()).await?;
        let heard = reply(&mut far).await?;
        near.write_all(heard.as_bytes()).await?;
        if step == "DATA" && heard.starts_with("354") {
            message(&mut near, &mut far, told).await?;
        }
    }
}

async fn message(
    near: &mut BufReader<TcpStream>,
    far: &mut BufReader<TcpStream>,
    told: &Told,
) -> io::Result<()> {
    loop {
        let text = line(near).await?;
        let step = if text == ".\r\n" { "final dot" } else { "message" };
        if let Some(How::Says(instead)) = told.at(step) {
            near.write_all(format!("{instead}\r\n").as_bytes()).await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        // The first lines get through.
        if step == "final dot" || text.contains("Subject:") {
            told.may_pass(step)?;
        }
        far.write_all(text.as_bytes()).await?;
        if step == "final dot" {
            let heard = reply(far).await?;
            return say(near, ANSWER, &heard, told).await;
        }
    }
}

async fn say(near: &mut BufReader<TcpStream>, step: Step, heard: &str, told: &Told) -> io::Result<()> {
    if let Some(How::Says(instead)) = told.at(step) {
        near.write_all(format!("{instead}\r\n").as_bytes()).await?;
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    told.may_pass(step)?;
    near.write_all(heard.as_bytes()).await
}

async fn line(from: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line).await? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}

/// A whole reply (rfc5321 §4.2.1).
async fn reply(from: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut whole = String::new();
    loop {
        let line = line(from).await?;
        whole.push_str(&line);
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(whole);
        }
    }
}

/// From the MTA to the filter, question by question.
async fn questions(
    language: Language,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    told: &Told,
    decides: &AtomicBool,
) -> io::Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let mut bytes = Vec::new();
        let step = match language {
            Language::Milter => {
                let length = from.read_u32().await?;
                bytes.extend_from_slice(&length.to_be_bytes());
                (&mut from).take(length.into()).read_to_end(&mut bytes).await?;
                let steps = Language::Milter.steps().iter();
                steps.copied().find(|step| step.as_bytes() == &bytes[4..5]).unwrap_or("another command")
            }
            _ => {
                while !bytes.ends_with(b"\n\n") && bytes != b"\n" {
                    if from.read_until(b'\n', &mut bytes).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                "question"
            }
        };
        told.may_pass(step)?;
        decides.store(step == "E" || step == "question", Ordering::SeqCst);
        to.write_all(&bytes).await?;
    }
}

/// From the filter to the MTA. Only the answer that decides is cut off.
async fn answers(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    told: &Told,
    decides: &AtomicBool,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if decides.load(Ordering::SeqCst) {
            told.may_pass(ANSWER)?;
        }
        to.write_all(&bytes[..read]).await?;
    }
}
