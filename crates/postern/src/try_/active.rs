//! The second part of the tour: what the active filter finds out by asking, and what follows for each recipient.

use postern_policy::Test;
use postern_types::Address;

use super::folder::HOUSE;
use super::scene::{Remote, Scene};
use super::tour::Cast;
use super::world::{BANK, CATCH_ALL, GREYLIST, SHOP, USERS};

/// A friend of the last account, who writes from home.
pub(crate) const FRIEND: &str = "carl@family.test";

/// The scenes, in their order.
pub(crate) fn scenes(cast: &Cast<'_>) -> Vec<Scene> {
    vec![
        open_relay(cast),
        closed_relay(cast),
        dialup(cast),
        forged(cast),
        unknown_sender(cast),
        missing_sender(cast),
        catch_all(cast),
        greylist(cast),
        friend(cast),
        held(cast),
        released(cast),
        released_again(cast),
        caught(cast),
        turned_away(cast),
        forgiven(cast),
    ]
}

/// The first mail of a host is why it is tested; what the test says holds from then on.
fn relay_test(cast: &Cast<'_>, what: &'static str, remote: Remote) -> Scene {
    let first = cast.scene(what, remote).greets().mail().rcpt(&cast.accounts[0]).quits();
    first.learns("relay", cast.host(remote).ip.to_string()).greets().mail()
}

fn open_relay(cast: &Cast<'_>) -> Scene {
    let scene = relay_test(cast, "mail from an open relay", Remote::Open).asks(&cast.accounts[0]);
    scene.decides("550 5.7.1 *relays mail for strangers*").quits()
}

fn closed_relay(cast: &Cast<'_>) -> Scene {
    let message = cast.message_from("ann@closed.test", 0, "From a decent host", "We relay for nobody.\n");
    relay_test(cast, "mail from a closed relay", Remote::Closed)
        .rcpt(&cast.accounts[0])
        .delivers(message, &[0])
        .sees(Test::Relay, "clear")
        .quits()
}

fn dialup(cast: &Cast<'_>) -> Scene {
    cast.scene("mail from a dial-up host", Remote::Pool)
        .greets()
        .mail()
        .asks(&cast.accounts[0])
        .decides("550 5.7.1 *residential or dynamic*")
        .quits()
}

fn forged(cast: &Cast<'_>) -> Scene {
    let author = format!("service@{BANK}");
    let message = cast.message_from(&author, 0, "Your account", "Please tell us your password.\n");
    cast.scene("forged sender", Remote::Stranger)
        .sender(&author)
        .greets()
        .mail()
        .rcpt(&cast.accounts[0])
        .data(&message)
        .decides("550 5.7.1 *(DMARC, p=reject)*")
        .quits()
}

fn nobody() -> String {
    format!("nobody@{USERS}")
}

fn unknown_sender(cast: &Cast<'_>) -> Scene {
    cast.scene("sender who does not exist", Remote::Provider)
        .sender(&nobody())
        .greets()
        .mail()
        .asks(&cast.accounts[0])
        .decides("451 4.7.1 *")
        .quits()
}

fn missing_sender(cast: &Cast<'_>) -> Scene {
    cast.scene("the same, once that is known", Remote::Provider)
        .sender(&nobody())
        .learns("user", nobody())
        .greets()
        .mail()
        .asks(&cast.accounts[0])
        .decides("550 5.1.7 *")
        .quits()
}

/// A sender of whom nothing can be found out: come back once, then delivered.
fn inconclusive(cast: &Cast<'_>, what: &'static str, domain: &str, to: usize, why: &str) -> Scene {
    let sender = format!("ann@{domain}");
    let message = cast.message_from(&sender, to, "Good afternoon", "Hello from Ann.\n");
    cast.scene(what, Remote::Provider)
        .sender(&sender)
        .greets()
        .mail()
        .asks(&cast.accounts[to])
        .hears("451 4.7.1 *")
        .quits()
        .learns("user", sender)
        .greets()
        .mail()
        .rcpt(&cast.accounts[to])
        .delivers(message, &[to])
        .sees(Test::User, why)
        .quits()
}

fn catch_all(cast: &Cast<'_>) -> Scene {
    let why = "*accepts a name that nobody has*";
    inconclusive(cast, "sender at a catch-all domain", CATCH_ALL, 0, why)
}

fn greylist(cast: &Cast<'_>) -> Scene {
    inconclusive(cast, "sender at a greylisting domain", GREYLIST, cast.last(), "*451 4.7.1 Greylisted*")
}

/// One message for two: the friend lets it in, the other does not. An account that is alone is the friend.
fn friend(cast: &Cast<'_>) -> Scene {
    let last = cast.last();
    let message = cast.message_from(FRIEND, last, "Holiday", "Written at home, sent from home.\n");
    let mut scene =
        cast.scene("friend of one, on a dial-up host", Remote::Pool).sender(FRIEND).greets().mail();
    for other in &cast.accounts[..last] {
        scene = scene.asks(other).notes(other, "550 5.7.1 *residential or dynamic*");
    }
    scene.rcpt(&cast.accounts[last]).delivers(message, &[last]).quits()
}

fn held(cast: &Cast<'_>) -> Scene {
    let (last, author) = (cast.last(), format!("orders@{SHOP}"));
    let message = cast.message_from(&author, last, "Your order", "It is on its way. (Forwarded.)\n");
    cast.scene("forwarded mail that looks forged", Remote::Honest)
        .sender(&author)
        .greets()
        .mail()
        .rcpt(&cast.accounts[last])
        .holds(message, &[last])
        .sees(Test::DmarcQuarantine, "*(DMARC, p=quarantine)*")
        .quits()
}

fn released(cast: &Cast<'_>) -> Scene {
    let to: &Address = &cast.accounts[cast.last()];
    Scene::at_home("that mail, released", to).releases(to, "Released: it is in the mailbox of *")
}

fn released_again(cast: &Cast<'_>) -> Scene {
    let to = &cast.accounts[cast.last()];
    Scene::at_home("that mail, released once more", to).releases(to, "It had been released before*")
}

/// What it is caught at, as often as it takes.
fn caught(cast: &Cast<'_>) -> Scene {
    let to = &cast.accounts[0];
    let tries = |scene: Scene| scene.greets_as(HOUSE).mail().asks(to);
    let scene = cast.scene("host that pretends to be us", Remote::Pretender);
    let twice = (0..2).fold(scene, |scene, _| tries(scene).hears("550 5.7.1 *").quits());
    tries(twice).decides("550 5.7.1 *").quits()
}

/// From then on nothing is tested, and nothing is said but this.
fn turned_away(cast: &Cast<'_>) -> Scene {
    let scene = cast.scene("the same host, the next time", Remote::Pretender).returns("554 *");
    scene.connects().decides("554 5.7.1 *")
}

fn forgiven(cast: &Cast<'_>) -> Scene {
    let message = cast.message_from("ann@pretender.test", 0, "Mended", "It was a wrong setting.\n");
    cast.scene("the same host, let in again", Remote::Pretender)
        .lifts()
        .returns("220 *")
        .quits()
        .greets()
        .mail()
        .rcpt(&cast.accounts[0])
        .delivers(message, &[0])
        .quits()
}
