//! What a connection is opened for, and what was heard.

use std::net::SocketAddr;

use postern_types::{Address, Reply};
use tokio::time::Instant;

use crate::relay::{self, Tried};
use crate::talk::{Log, Talk, TalkError};
use crate::{Form, Timeouts};

/// What to say to a server once it has greeted.
pub(crate) enum Errand {
    /// Nothing.
    Greeting,
    /// Whether it relays between these two addresses of ours.
    Relay { from: Address, to: Address },
    /// Whether this user exists there, and this one, whom nobody has heard of.
    User { user: Address, nobody: Option<Address> },
}

/// What was heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The greeting, and nothing after it.
    Greeting(Reply),
    /// It refused the session or the sender: at which command, and how.
    Refused { at: &'static str, reply: Reply },
    /// Its answer to each form of the recipient's address.
    Relay(Vec<Tried>),
    /// It broke off after MAIL was said.
    BrokenOff(String),
    /// Its answers to RCPT.
    User { user: Reply, nobody: Option<Reply> },
}

/// Runs an errand on a connection of its own.
pub(crate) async fn run(
    errand: &Errand,
    address: SocketAddr,
    name: &str,
    timeouts: &Timeouts,
    deadline: Instant,
    log: &mut Log,
) -> Result<Heard, TalkError> {
    let (mut talk, greeting) = Talk::open(address, name, timeouts, deadline, log).await?;
    let heard = converse(errand, &mut talk, greeting, address).await;
    // A server that is silent or gone would not hear it.
    if !matches!(heard, Err(TalkError::Timeout | TalkError::Closed | TalkError::Io(_))) {
        talk.quit().await;
    }
    heard
}

async fn converse(
    errand: &Errand,
    talk: &mut Talk<'_>,
    greeting: Reply,
    host: SocketAddr,
) -> Result<Heard, TalkError> {
    if matches!(errand, Errand::Greeting) {
        return Ok(Heard::Greeting(greeting));
    }
    if !greeting.code.is_positive() {
        return Ok(Heard::Refused { at: "the greeting", reply: greeting });
    }
    let hello = talk.hello().await?;
    if !hello.code.is_positive() {
        return Ok(Heard::Refused { at: "EHLO", reply: hello });
    }
    match errand {
        Errand::Greeting => Ok(Heard::Greeting(greeting)),
        Errand::Relay { from, to } => match relays(talk, from, to, host).await {
            // It was tested, whatever came of it.
            Err(error) => Ok(Heard::BrokenOff(error.to_string())),
            heard => heard,
        },
        Errand::User { user, nobody } => knows(talk, user, nobody.as_ref()).await,
    }
}

/// active-filter §5: `MAIL FROM:<>`, `RCPT TO:<sender>`, and if that is taken a name that nobody has; `RSET`.
async fn knows(talk: &mut Talk<'_>, user: &Address, nobody: Option<&Address>) -> Result<Heard, TalkError> {
    let mail = talk.mail(None, user).await?;
    if !mail.code.is_positive() {
        return Ok(Heard::Refused { at: "MAIL", reply: mail });
    }
    let reply = talk.rcpt(user).await?;
    let nobody = match nobody {
        Some(nobody) if reply.code.is_positive() => Some(talk.rcpt(nobody).await?),
        _ => None,
    };
    talk.reset().await?;
    Ok(Heard::User { user: reply, nobody })
}

/// active-filter §4: each form in a transaction of its own, until one answer is enough.
async fn relays(
    talk: &mut Talk<'_>,
    from: &Address,
    to: &Address,
    host: SocketAddr,
) -> Result<Heard, TalkError> {
    let mut tried = Vec::new();
    for (form, recipient) in relay::forms(to, host.ip(), talk.local()) {
        let mail = talk.mail(Some(from), &recipient).await?;
        if !mail.code.is_positive() {
            if tried.is_empty() {
                return Ok(Heard::Refused { at: "MAIL", reply: mail });
            }
            break;
        }
        let reply = talk.rcpt(&recipient).await?;
        let enough = form == Form::Plain && !relay::denies(&reply);
        tried.push(Tried { form, reply });
        talk.reset().await?;
        if enough {
            break;
        }
    }
    Ok(Heard::Relay(tried))
}
