//! Plays a scene against a running server and says what came of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use postern_store::{QuarantineQuery, QuarantineState, Store, StoreError};
use postern_testnet::{Client, ClientError, Gate, glob_matches};
use postern_types::{Address, Timestamp, TraceId};

use super::scene::{Question, Scene, Turn};
use crate::command::quarantine;

/// What came of a scene.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    /// The reply that decided it, or the last one heard.
    pub(crate) reply: String,
    /// What else the table shows, in front of it.
    pub(crate) noted: Vec<String>,
    /// What was done, where it was no host that sent something.
    pub(crate) done: Option<&'static str>,
    /// The first thing that was not as it should be, with the conversation so far.
    pub(crate) wrong: Option<String>,
}

/// Where scenes are played.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'a> {
    /// The server.
    pub(crate) smtp: SocketAddr,
    /// Its store.
    pub(crate) store: &'a Store,
    /// Where those wait whom it asks.
    pub(crate) gate: &'a Gate,
}

/// How long to wait for any reply, and for an answer that the server is to learn.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether the server has learned it.
const LOOK: Duration = Duration::from_millis(10);
/// How often a host comes back that is not yet greeted as it should be.
const RETURN: Duration = Duration::from_millis(100);

/// Plays a scene to its end, or to its first surprise.
pub(crate) async fn play(scene: &Scene, stage: Stage<'_>) -> Played {
    let played = Played { reply: String::new(), noted: Vec::new(), done: None, wrong: None };
    let mut player = Player { stage, ip: scene.ip, client: None, played };
    for turn in &scene.turns {
        if let Err(surprise) = player.turn(turn).await {
            let held =
                player.client.as_ref().map(|client| format!(", in\n{}", client.transcript().trim_end()));
            player.played.wrong = Some(surprise + &held.unwrap_or_default());
            break;
        }
    }
    player.played
}

struct Player<'a> {
    stage: Stage<'a>,
    /// Where its connections come from.
    ip: Ipv4Addr,
    client: Option<Client>,
    played: Played,
}

impl Player<'_> {
    async fn turn(&mut self, turn: &Turn) -> Result<(), String> {
        let lost = |error: ClientError| error.to_string();
        match turn {
            Turn::Connects => self.connect().await?,
            Turn::Says(line) => self.client()?.write(format!("{line}\r\n").as_bytes()).await.map_err(lost)?,
            Turn::Sends(bytes) => self.client()?.write(bytes).await.map_err(lost)?,
            Turn::Hears(pattern) => _ = self.hear(pattern).await?,
            Turn::Notes(about, pattern) => {
                let heard = self.hear(pattern).await?;
                self.played.noted.push(format!("to {about}: {heard}"));
            }
            Turn::Decides(pattern) => self.played.reply = self.hear(pattern).await?,
            Turn::Learns(question) => self.learn(question).await?,
            Turn::Returns(pattern) => self.come_back(pattern).await?,
            Turn::Lifts => self.lift().await?,
            Turn::Releases(recipient, pattern) => self.release(recipient, pattern).await?,
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), String> {
        let (from, to) = (self.ip, self.stage.smtp);
        let client = Client::connect_from(from, to).await;
        let mut client = client.map_err(|error| format!("no connection from {from} to {to}: {error}"))?;
        client.set_patience(PATIENCE);
        self.client = Some(client);
        Ok(())
    }

    fn client(&mut self) -> Result<&mut Client, String> {
        self.client.as_mut().ok_or_else(|| "nobody is connected".to_owned())
    }

    async fn hear(&mut self, pattern: &str) -> Result<String, String> {
        let heard = self.client()?.reply().await.map_err(|error| format!("{error} instead of {pattern}"))?;
        as_expected(heard.text, pattern)
    }

    async fn learn(&mut self, question: &Question) -> Result<(), String> {
        let Stage { store, gate, .. } = self.stage;
        self.client = None;
        gate.open();
        let known = async {
            while !is_known(store, question).await? {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        let known = tokio::time::timeout(PATIENCE, known).await;
        gate.close();
        let Question { probe, subject } = question;
        known.unwrap_or_else(|_| Err(format!("the {probe} test has found out nothing about {subject}")))
    }

    async fn come_back(&mut self, pattern: &str) -> Result<(), String> {
        let greeted = async {
            loop {
                self.connect().await?;
                if self.hear(pattern).await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(RETURN).await;
            }
        };
        let greeted = tokio::time::timeout(PATIENCE, greeted).await;
        greeted.unwrap_or_else(|_| Err(format!("it is never greeted with {pattern}")))
    }

    /// As `postern ban lift` does it.
    async fn lift(&mut self) -> Result<(), String> {
        match self.stage.store.lift(self.ip.into(), Timestamp::now()).await {
            Ok(entries) if !entries.is_empty() => Ok(()),
            Ok(_) | Err(StoreError::NotFound { .. }) => Err(format!("{} was not blocked", self.ip)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// As `postern quarantine release` does it.
    async fn release(&mut self, recipient: &Address, pattern: &str) -> Result<(), String> {
        let store = self.stage.store;
        let query =
            QuarantineQuery { recipient: Some(recipient.clone()), limit: 1, ..QuarantineQuery::default() };
        let held = store.quarantine(query).await.map_err(|error| error.to_string())?;
        let held = held.first().ok_or_else(|| format!("nothing is held for {recipient}"))?;
        let before = held.state;
        let said = quarantine::release(store, held).await.map_err(|error| error.to_string())?;
        self.played.reply = format!("{} ({})", said.trim_end_matches('.'), held.trace);
        self.played.done = Some(match before {
            QuarantineState::Held => "released",
            QuarantineState::Released => "as it was",
        });
        as_expected(said, pattern).map(|_| ())
    }
}

/// Whether the answer to a question is in the store.
async fn is_known(store: &Store, question: &Question) -> Result<bool, String> {
    match store.probe(question.probe, &question.subject, Timestamp::now()).await {
        Ok(record) => Ok(record.is_some()),
        Err(StoreError::Busy) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

fn as_expected(text: String, pattern: &str) -> Result<String, String> {
    if glob_matches(pattern, &text) { Ok(text) } else { Err(format!("{text} instead of {pattern}")) }
}

/// The trace id that a reply's text names.
pub(crate) fn trace_in(reply: &str) -> Option<TraceId> {
    let words = reply.split(|c: char| !c.is_ascii_alphanumeric());
    // Other words have 13 letters too: an id begins with a digit until the year 2090.
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use postern_store::{Certainty, Options, ProbeRecord};
    use postern_testnet::{Act, RunningPeer, SmtpPeer, Stage as At, fresh_address};

    use super::super::scene::{Host, Remote};
    use super::*;

    fn ann() -> Address {
        "ann@example.test".parse().unwrap()
    }

    fn scene() -> Scene {
        Scene::new("test", &Host::new(Remote::Honest, fresh_address()))
    }

    fn to_nobody() -> Scene {
        scene().greets().mail().says("RCPT TO:<nobody@example.test>").decides("550 5.1.1 *").quits()
    }

    async fn start(peer: SmtpPeer) -> RunningPeer {
        peer.start_at((fresh_address(), 0).into()).await.unwrap()
    }

    /// What comes of a scene at this host, with a store in which this was found out about `x`.
    async fn played(scene: &Scene, peer: &RunningPeer, known: Option<&str>) -> Played {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::tool()).unwrap();
        if let Some(probe) = known {
            let now = Timestamp::now();
            let record = ProbeRecord {
                probe: probe.into(),
                subject: "x".into(),
                certainty: Certainty::Conclusive,
                facts: "{}".into(),
                at: now,
                refresh_at: now.plus(PATIENCE),
                expires_at: now.plus(PATIENCE * 10),
            };
            store.put_probe(record).await.unwrap();
        }
        let stage = Stage { smtp: peer.address(), store: &store, gate: &Gate::closed() };
        let played = play(scene, stage).await;
        store.close().await.unwrap();
        played
    }

    #[tokio::test]
    async fn a_scene_that_goes_as_it_should() {
        let peer = start(SmtpPeer::new().unknown_user("nobody")).await;
        let played = played(&to_nobody(), &peer, None).await;
        assert_eq!(played.wrong, None);
        assert!(played.reply.starts_with("550 5.1.1 "), "{}", played.reply);
    }

    #[tokio::test]
    async fn a_surprise_ends_the_scene_and_is_told_with_the_conversation() {
        let peer = start(SmtpPeer::new().reply(At::Rcpt, "250 2.1.5 fine")).await;
        let wrong = played(&to_nobody(), &peer, None).await.wrong.unwrap();
        assert!(wrong.starts_with("250 2.1.5 fine instead of 550 5.1.1 *, in\n"), "{wrong}");
        assert!(wrong.ends_with("C: RCPT TO:<nobody@example.test>\nS: 250 2.1.5 fine"), "{wrong}");
    }

    #[tokio::test]
    async fn a_closed_connection_is_a_surprise() {
        let peer = start(SmtpPeer::new().drop_at(At::Mail)).await;
        let wrong = played(&to_nobody(), &peer, None).await.wrong.unwrap();
        assert!(wrong.contains("closed instead of 250 *"), "{wrong}");
    }

    #[tokio::test]
    async fn a_host_comes_again_when_something_is_known() {
        let peer = start(SmtpPeer::new()).await;
        let scene = scene().greets().quits().learns("user", "x").connects().notes(&ann(), "220 *").quits();
        let played = played(&scene, &peer, Some("user")).await;
        assert_eq!(
            (played.wrong, played.noted),
            (None, vec!["to ann@example.test: 220 peer.test ESMTP".into()])
        );
        assert_eq!(peer.clients().len(), 2);
    }

    #[tokio::test]
    async fn a_host_comes_back_until_it_is_greeted_as_it_should_be() {
        let busy = Act::Reply("421 4.3.2 Not yet".into());
        let peer = start(SmtpPeer::new().first(2, At::Connect, "*", busy)).await;
        let played = played(&scene().returns("220 *").quits(), &peer, None).await;
        assert_eq!((played.wrong, peer.clients().len()), (None, 3));
    }

    #[tokio::test]
    async fn who_is_not_blocked_cannot_be_let_in_again() {
        let peer = start(SmtpPeer::new()).await;
        let wrong = played(&scene().lifts(), &peer, None).await.wrong.unwrap();
        assert!(wrong.ends_with("was not blocked"), "{wrong}");
    }

    #[tokio::test]
    async fn nothing_that_is_held_cannot_be_released() {
        let peer = start(SmtpPeer::new()).await;
        let wrong = played(&Scene::at_home("test", &ann()).releases(&ann(), "*"), &peer, None).await.wrong;
        assert_eq!(wrong.unwrap(), "nothing is held for ann@example.test");
    }

    #[test]
    fn the_trace_id_is_found_in_a_reply() {
        let id: TraceId = "028t5cy4tqkff".parse().unwrap();
        assert_eq!(trace_in("250 2.0.0 safe on disk (028t5cy4tqkff)"), Some(id));
        assert_eq!(trace_in("250 2.0.0 advertisement congratulates"), None);
    }
}
