//! An MTA that speaks milter, for conversations with the service.

use std::net::{Ipv4Addr, SocketAddr};

use postern_milter::{Actions, Command, Connect, Packets, Peer, Reply, Stage, Steps};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

trait Wire: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

pub(crate) struct Mta {
    wire: Box<dyn Wire>,
    packets: Packets,
    pub(crate) steps: Steps,
}

impl Mta {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).await.unwrap()).await
    }

    pub(crate) async fn over(wire: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Self {
        let mut mta = Self { wire: Box::new(wire), packets: Packets::default(), steps: Steps::NONE };
        let all = Command::Negotiate {
            version: 6,
            actions: Actions::from_bits(0x1ff),
            steps: Steps::from_bits(0x1f_ffff),
        };
        mta.say(&all).await;
        let Reply::Negotiate { version: 6, steps, .. } = mta.reply().await else { panic!("no agreement") };
        mta.steps = steps;
        mta
    }

    pub(crate) async fn say(&mut self, command: &Command) {
        let mut bytes = Vec::new();
        command.encode(&mut bytes);
        self.wire.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        self.try_reply().await.unwrap()
    }

    /// The next reply; `None` when the filter closes.
    pub(crate) async fn try_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(reply) = Reply::next(&mut self.packets).unwrap() {
                return Some(reply);
            }
            let mut buffer = [0; 4096];
            match self.wire.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.packets.push(&buffer[..length]),
            }
        }
    }

    pub(crate) async fn ask(&mut self, command: Command) -> Reply {
        self.say(&command).await;
        self.reply().await
    }

    pub(crate) async fn macros(&mut self, stage: Stage, values: &[(&str, &str)]) {
        let values = values.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        self.say(&Command::Macros { stage, values: values.collect() }).await;
    }

    /// A client connects and says EHLO.
    pub(crate) async fn client(&mut self, ip: Ipv4Addr) -> Reply {
        let peer = Peer::Internet(SocketAddr::from((ip, 4711)));
        let reply = self.ask(Command::Connect(Connect { name: b"client.example.org".to_vec(), peer })).await;
        if reply == Reply::Continue {
            assert!(self.steps.contains(Steps::NO_REPLY_HELO));
            self.say(&Command::Hello(b"client.example.org".to_vec())).await;
        }
        reply
    }

    pub(crate) async fn mail(&mut self, from: &str) -> Reply {
        let path = format!("<{from}>").into_bytes();
        self.ask(Command::Mail(vec![path, b"SIZE=100".to_vec()])).await
    }

    pub(crate) async fn rcpt(&mut self, to: &str) -> Reply {
        self.ask(Command::Rcpt(vec![format!("<{to}>").into_bytes()])).await
    }

    /// MAIL and every RCPT, each of which must pass.
    pub(crate) async fn envelope(&mut self, from: &str, to: &[&str]) {
        assert_eq!(self.mail(from).await, Reply::Continue);
        for to in to {
            assert_eq!(self.rcpt(to).await, Reply::Continue, "{to}");
        }
    }

    /// The message, up to the filter's last word about it: changes, and that word.
    pub(crate) async fn message(&mut self, text: &str) -> Vec<Reply> {
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        // MTAs keep folds as LF alone.
        let header = header.replace("\r\n ", "\n ");
        for line in header.split("\r\n") {
            let (name, value) = line.split_once(':').unwrap();
            let (name, value) = (name.as_bytes().to_vec(), value.as_bytes().to_vec());
            self.say(&Command::Header { name, value }).await;
        }
        let reply = self.ask(Command::EndOfHeader).await;
        if reply != Reply::Continue {
            return vec![reply];
        }
        let reply = self.ask(Command::Body(body.as_bytes().to_vec())).await;
        if !matches!(reply, Reply::Continue | Reply::Skip) {
            return vec![reply];
        }
        self.macros(Stage::EndOfMessage, &[("i", "4711ABCD")]).await;
        self.say(&Command::EndOfMessage(Vec::new())).await;
        let mut replies = Vec::new();
        loop {
            let reply = self.reply().await;
            let is_change = matches!(
                reply,
                Reply::AddHeader { .. }
                    | Reply::InsertHeader { .. }
                    | Reply::ChangeHeader { .. }
                    | Reply::DeleteRecipient(_)
                    | Reply::Progress
            );
            replies.push(reply);
            if !is_change {
                return replies;
            }
        }
    }
}

/// Whether a refusal's words fit a pattern.
pub(crate) fn says(reply: &Reply, pattern: &str) -> bool {
    matches!(reply, Reply::Code(text) if postern_testnet::glob_matches(pattern, &String::from_utf8_lossy(text)))
}

/// The recipients that were taken out.
pub(crate) fn withdrawn(replies: &[Reply]) -> Vec<String> {
    let path = |reply: &Reply| match reply {
        Reply::DeleteRecipient(path) => Some(String::from_utf8_lossy(path).into_owned()),
        _ => None,
    };
    replies.iter().filter_map(path).collect()
}

/// The value of a field that was added.
pub(crate) fn added(replies: &[Reply], field: &str) -> Option<String> {
    replies.iter().find_map(|reply| match reply {
        Reply::AddHeader { name, value } if name == field.as_bytes() => {
            Some(String::from_utf8_lossy(value).trim_start().to_owned())
        }
        _ => None,
    })
}
