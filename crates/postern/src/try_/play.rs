//! Plays a scene against a running server and says what came of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use postern_testnet::{Client, ClientError, glob_matches};
use postern_types::TraceId;

use super::scene::{Scene, Turn};

/// What came of a scene.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    /// The reply that decided it, or the last one heard.
    pub(crate) reply: String,
    /// The first thing that was not as it should be, with the conversation so far.
    pub(crate) wrong: Option<String>,
}

/// How long to wait for any reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects from `from` and holds the conversation to its end, or to its first surprise.
pub(crate) async fn play(scene: &Scene, from: Ipv4Addr, to: SocketAddr) -> Played {
    let mut reply = String::new();
    let wrong = match Client::connect_from(from, to).await {
        Err(error) => Some(format!("no connection from {from} to {to}: {error}")),
        Ok(mut client) => {
            client.set_patience(PATIENCE);
            let held = hold(scene, &mut client, &mut reply).await;
            held.err().map(|surprise| format!("{surprise}, in\n{}", client.transcript().trim_end()))
        }
    };
    Played { reply, wrong }
}

async fn hold(scene: &Scene, client: &mut Client, decided: &mut String) -> Result<(), String> {
    let lost = |error: ClientError| error.to_string();
    for turn in &scene.turns {
        match turn {
            Turn::Says(line) => client.write(format!("{line}\r\n").as_bytes()).await.map_err(lost)?,
            Turn::Sends(bytes) => client.write(bytes).await.map_err(lost)?,
            Turn::Hears(pattern) => _ = hear(client, pattern).await?,
            Turn::Decides(pattern) => *decided = hear(client, pattern).await?,
        }
    }
    Ok(())
}

async fn hear(client: &mut Client, pattern: &str) -> Result<String, String> {
    let heard = client.reply().await.map_err(|error| format!("{error} instead of {pattern}"))?;
    if glob_matches(pattern, &heard.text) {
        Ok(heard.text)
    } else {
        Err(format!("{} instead of {pattern}", heard.text))
    }
}

/// The trace id that a reply's text names.
pub(crate) fn trace_in(reply: &str) -> Option<TraceId> {
    let words = reply.split(|c: char| !c.is_ascii_alphanumeric());
    // Other words have 13 letters too: an id begins with a digit until the year 2090.
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use postern_testnet::{SmtpPeer, Stage, fresh_address};

    use super::super::scene::Remote;
    use super::*;

    fn scene() -> Scene {
        Scene::new("test", Remote::Honest)
            .greets()
            .mail()
            .says("RCPT TO:<nobody@example.test>")
            .decides("550 5.1.1 *")
            .quits()
    }

    #[tokio::test]
    async fn a_scene_that_goes_as_it_should() {
        let peer = SmtpPeer::new().unknown_user("nobody").start(fresh_address()).await.unwrap();
        let played = play(&scene(), fresh_address(), peer.address()).await;
        assert_eq!(played.wrong, None);
        assert!(played.reply.starts_with("550 5.1.1 "), "{}", played.reply);
    }

    #[tokio::test]
    async fn a_surprise_ends_the_scene_and_is_told_with_the_conversation() {
        let peer = SmtpPeer::new().reply(Stage::Rcpt, "250 2.1.5 fine").start(fresh_address()).await.unwrap();
        let wrong = play(&scene(), fresh_address(), peer.address()).await.wrong.unwrap();
        assert!(wrong.starts_with("250 2.1.5 fine instead of 550 5.1.1 *, in\n"), "{wrong}");
        assert!(wrong.ends_with("C: RCPT TO:<nobody@example.test>\nS: 250 2.1.5 fine"), "{wrong}");
    }

    #[tokio::test]
    async fn a_closed_connection_is_a_surprise() {
        let peer = SmtpPeer::new().drop_at(Stage::Mail).start(fresh_address()).await.unwrap();
        let wrong = play(&scene(), fresh_address(), peer.address()).await.wrong.unwrap();
        assert!(wrong.contains("closed instead of 250 *"), "{wrong}");
    }

    #[test]
    fn the_trace_id_is_found_in_a_reply() {
        let id: TraceId = "028t5cy4tqkff".parse().unwrap();
        assert_eq!(trace_in("250 2.0.0 safe on disk (028t5cy4tqkff)"), Some(id));
        assert_eq!(trace_in("250 2.0.0 advertisement congratulates"), None);
    }
}
