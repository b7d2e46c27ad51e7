//! Reads what was delivered back by POP3 and compares it with what was sent.

use std::net::SocketAddr;

use postern_testnet::{Client, ClientError};

use super::scene::Scene;

/// Messages read from one mailbox at most.
const MESSAGES_MAX: usize = 10_000;

/// What a mailbox held, beside what it should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Messages that are there as they were sent.
    pub(crate) right: usize,
    /// What is missing, altered or there without reason.
    pub(crate) wrong: Vec<String>,
}

/// All messages of the mailbox; nothing is deleted.
///
/// # Errors
/// What the server said instead of `+OK`, or how the connection failed.
pub(crate) async fn read(pop3: SocketAddr, account: &str, password: &str) -> Result<Vec<String>, String> {
    let lost = |error: ClientError| format!("POP3: {error}");
    let mut client = Client::connect(pop3).await.map_err(|error| format!("POP3: {error}"))?;
    ok(&client.reply().await.map_err(lost)?.text)?;
    for line in [format!("USER {account}"), format!("PASS {password}")] {
        ok(&client.ask(&line).await.map_err(lost)?.text)?;
    }
    let stat = client.ask("STAT").await.map_err(lost)?.text;
    let count: usize = ok(&stat)?.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut messages = Vec::new();
    for number in 1..=count.min(MESSAGES_MAX) {
        ok(&client.ask(&format!("RETR {number}")).await.map_err(lost)?.text)?;
        messages.push(client.dotted().await.map_err(lost)?);
    }
    ok(&client.ask("QUIT").await.map_err(lost)?.text)?;
    Ok(messages)
}

/// What follows `+OK `.
fn ok(line: &str) -> Result<&str, String> {
    line.strip_prefix("+OK").map(str::trim_start).ok_or_else(|| format!("POP3: {line}"))
}

/// Compares the mailbox of account number `account` with the scenes that should have filled it.
/// Messages from before the tour (`old` of them) come first and do not count.
pub(crate) fn compare(account: usize, messages: &[String], old: usize, scenes: &[Scene]) -> Compared {
    let mut compared = Compared::default();
    let mut left: Vec<&String> = messages.iter().skip(old).collect();
    for scene in scenes.iter().filter(|scene| scene.arrives.contains(&account)) {
        // The server adds its trace fields in front; the rest is as it was sent.
        match left.iter().position(|message| message.as_bytes().ends_with(&scene.message)) {
            Some(found) => {
                left.remove(found);
                compared.right += 1;
            }
            None => compared.wrong.push(format!("{}: not there as it was sent", scene.what)),
        }
    }
    let subject = |message: &&String| {
        let line = message.lines().find(|line| line.starts_with("Subject:")).unwrap_or("no subject");
        format!("should not be there: {line}")
    };
    compared.wrong.extend(left.iter().map(subject));
    compared
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use std::net::Ipv4Addr;

    use super::super::scene::{Host, Remote};
    use super::*;

    fn scene(text: &str, arrives: &[usize]) -> Scene {
        let host = Host::new(Remote::Honest, Ipv4Addr::LOCALHOST);
        Scene::new("test", &host).delivers(text.into(), arrives)
    }

    #[test]
    fn a_mailbox_holds_what_was_sent_and_nothing_else() {
        let scenes = [scene("a\r\n", &[0]), scene("b\r\n", &[0, 1])];
        let messages = ["old\r\n".into(), "Received: x\r\na\r\n".into(), "Received: x\r\nb\r\n".into()];
        assert_eq!(compare(0, &messages, 1, &scenes), Compared { right: 2, wrong: vec![] });
        let extra = ["Received: x\r\nb\r\n".into(), "Subject: spam\r\n\r\nx\r\n".into()];
        let wrong = vec!["should not be there: Subject: spam".into()];
        assert_eq!(compare(1, &extra, 0, &scenes), Compared { right: 1, wrong });
        let wrong = vec!["test: not there as it was sent".into()];
        assert_eq!(compare(1, &[], 0, &scenes), Compared { right: 0, wrong });
    }

    #[tokio::test]
    async fn messages_are_read_and_a_refusal_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for script in [
                "+OK\r\n+OK\r\n+OK\r\n+OK 1 9\r\n+OK\r\nA: b\r\n\r\n..\r\n.\r\n+OK\r\n",
                "+OK\r\n+OK\r\n-ERR [AUTH] no\r\n",
            ] {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(script.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                _ = stream.read_to_end(&mut Vec::new()).await;
            }
        });
        assert_eq!(read(address, "a", "b").await, Ok(vec!["A: b\r\n\r\n.\r\n".into()]));
        assert_eq!(read(address, "a", "b").await, Err("POP3: -ERR [AUTH] no".into()));
    }
}
