//! The tour: what Postern is shown, one scene after the other.

use postern_message::{Attachment, Draft};
use postern_types::{Address, Timestamp, TraceIds};

use super::active;
use super::scene::{Host, Remote, Scene};

/// What the scenes need to know of the house.
pub(crate) struct Cast<'a> {
    /// The addresses of the accounts; the first two take part (the first twice where it is alone).
    pub(crate) accounts: &'a [Address],
    /// The largest message taken, in octets.
    pub(crate) message_size: u64,
    /// Makes the messages' ids.
    pub(crate) ids: &'a TraceIds,
    /// The remote hosts.
    pub(crate) hosts: &'a [Host],
}

impl Cast<'_> {
    /// The number of the second account, or of the first where it is alone.
    pub(crate) fn last(&self) -> usize {
        self.accounts.len().min(2) - 1
    }

    /// A scene in which this host connects.
    pub(crate) fn scene(&self, what: &'static str, remote: Remote) -> Scene {
        Scene::new(what, &self.host(remote))
    }

    pub(crate) fn host(&self, remote: Remote) -> Host {
        Host::among(self.hosts, remote)
    }

    fn draft(&self, remote: Remote, to: usize, subject: &str, text: &str) -> Option<Draft> {
        self.draft_from(&format!("ann@{}", remote.domain()), to, subject, text)
    }

    fn draft_from(&self, author: &str, to: usize, subject: &str, text: &str) -> Option<Draft> {
        let from = Address::parse(author).ok()?;
        Some(Draft {
            name: "Ann".into(),
            to: vec![self.accounts[to].clone()],
            subject: subject.into(),
            date: Timestamp::now(),
            id: self.ids.next(Timestamp::now()),
            host: from.domain()?.clone(),
            from,
            text: text.into(),
            html: None,
            attachments: Vec::new(),
        })
    }

    fn message(&self, remote: Remote, to: usize, subject: &str, text: &str) -> Vec<u8> {
        self.draft(remote, to, subject, text).map(|draft| draft.encode()).unwrap_or_default()
    }

    /// A message by this author.
    pub(crate) fn message_from(&self, author: &str, to: usize, subject: &str, text: &str) -> Vec<u8> {
        self.draft_from(author, to, subject, text).map(|draft| draft.encode()).unwrap_or_default()
    }
}

/// All scenes, in their order.
pub(crate) fn scenes(cast: &Cast<'_>) -> Vec<Scene> {
    let mut scenes = vec![
        honest(cast),
        to_two(cast),
        attachment(cast),
        unknown_user(cast),
        one_of_two(cast),
        blocked(cast),
        listed(cast),
        relay(cast),
        oversize(cast),
        smuggling(cast),
    ];
    scenes.extend(active::scenes(cast));
    scenes
}

fn honest(cast: &Cast<'_>) -> Scene {
    let text = "Hello,\n\nthis is an ordinary message.\n.\nThe line above is a single dot.\n";
    let message = cast.message(Remote::Honest, 0, "Good morning", text);
    cast.scene("honest mail", Remote::Honest)
        .greets()
        .mail()
        .rcpt(&cast.accounts[0])
        .delivers(message, &[0])
        .quits()
}

fn to_two(cast: &Cast<'_>) -> Scene {
    let last = cast.last();
    let message = cast.message(Remote::Honest, last, "Good morning both", "Hello, one message for two.\n");
    let mut scene = cast.scene("one message for two people", Remote::Honest).greets().mail();
    for account in &cast.accounts[..=last] {
        scene = scene.rcpt(account);
    }
    let arrives: Vec<usize> = (0..=last).collect();
    scene.delivers(message, &arrives).quits()
}

fn attachment(cast: &Cast<'_>) -> Scene {
    let last = cast.last();
    let message = cast.draft(Remote::Honest, last, "The plans", "Here they are.\n").map(|mut draft| {
        // Octets of every kind, among them those of SMTP's own end of a message.
        let content = b"%PDF-1.7\r\n.\r\n".iter().copied().chain((0..=255).cycle().take(300_000)).collect();
        let (name, content_type) = ("plans.pdf".into(), "application/pdf".into());
        draft.attachments.push(Attachment { name, content_type, content });
        draft.encode()
    });
    cast.scene("mail with an attachment", Remote::Honest)
        .greets()
        .mail()
        .rcpt(&cast.accounts[last])
        .delivers(message.unwrap_or_default(), &[last])
        .quits()
}

fn unknown_user(cast: &Cast<'_>) -> Scene {
    cast.scene("mail to an unknown user", Remote::Honest)
        .greets()
        .mail()
        .says(format!("RCPT TO:<nobody@{}>", cast.accounts[0].host()))
        .decides("550 5.1.1 *")
        .quits()
}

fn one_of_two(cast: &Cast<'_>) -> Scene {
    let message = cast.message(Remote::Honest, 0, "To whom it may concern", "One of you exists.\n");
    cast.scene("one recipient of two is unknown", Remote::Honest)
        .greets()
        .mail()
        .says(format!("RCPT TO:<nobody@{}>", cast.accounts[0].host()))
        .hears("550 5.1.1 *")
        .rcpt(&cast.accounts[0])
        .delivers(message, &[0])
        .quits()
}

fn blocked(cast: &Cast<'_>) -> Scene {
    cast.scene("mail from a blocked address", Remote::Blocked).connects().decides("554 *")
}

fn listed(cast: &Cast<'_>) -> Scene {
    cast.scene("mail from a host on a block-list", Remote::Listed)
        .greets()
        .mail()
        .asks(&cast.accounts[0])
        .decides("554 5.7.1 *")
        .quits()
}

fn relay(cast: &Cast<'_>) -> Scene {
    cast.scene("relay attempt", Remote::Stranger)
        .greets()
        .mail()
        .says("RCPT TO:<victim@elsewhere.test>")
        .decides("550 5.7.1 *")
        .quits()
}

fn oversize(cast: &Cast<'_>) -> Scene {
    let size = cast.message_size + 1;
    cast.scene("message that is too big", Remote::Stranger)
        .greets()
        .says(format!("MAIL FROM:<ann@{}> SIZE={size}", Remote::Stranger.domain()))
        .decides("552 5.3.4 *")
        .quits()
}

/// A dot between bare line feeds ends a message for a careless server; what follows would be
/// taken as commands (SMTP smuggling, CVE-2023-51764 and its kin).
fn smuggling(cast: &Cast<'_>) -> Scene {
    let to = &cast.accounts[0];
    let mut message = cast.message(Remote::Stranger, 0, "Nothing to see here", "Hello.\n");
    let smuggled = format!(
        "\n.\r\nMAIL FROM:<admin@{}>\r\nRCPT TO:<{to}>\r\nDATA\r\nSubject: smuggled\r\n\r\nUrgent.\r\n",
        to.host()
    );
    message.extend_from_slice(smuggled.as_bytes());
    message.extend_from_slice(b".\r\n");
    cast.scene("smuggling attempt", Remote::Stranger)
        .greets()
        .mail()
        .rcpt(to)
        .says("DATA")
        .hears("354 *")
        .sends(&message)
        .decides("550 5.6.11 *")
        .quits()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::scene::Turn;
    use super::*;

    fn accounts(count: usize) -> Vec<Address> {
        (0..count).map(|i| format!("user{i}@example.test").parse().unwrap()).collect()
    }

    #[test]
    fn every_scene_decides_once_and_its_message_is_whole() {
        let hosts = Remote::ALL.map(|remote| Host::new(remote, Ipv4Addr::LOCALHOST));
        for count in [1, 2, 50] {
            let accounts = accounts(count);
            let ids = TraceIds::new(0);
            let cast = Cast { accounts: &accounts, message_size: 50_000_000, ids: &ids, hosts: &hosts };
            for scene in scenes(&cast) {
                let decides = |turn: &&Turn| matches!(turn, Turn::Decides(_) | Turn::Releases(..));
                assert_eq!(scene.turns.iter().filter(decides).count(), 1, "{}", scene.what);
                assert!(scene.arrives.iter().all(|&account| account < count), "{}", scene.what);
                assert_eq!(scene.message.is_empty(), scene.arrives.is_empty(), "{}", scene.what);
                assert!(scene.message.is_empty() || scene.message.ends_with(b"\r\n"), "{}", scene.what);
            }
        }
    }
}
