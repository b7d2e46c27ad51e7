//! Profiles and the lists of recipients, as RCPT asks for them; what is learned from outgoing mail.

use std::time::Duration;

use postern_types::{Network, ReversePath, Timestamp};

use super::{House, address, domain, to};
use crate::{
    AccountId, AliasName, FailedMail, Learn, ListEntry, ListKind, ListOwner, Options, ProfileAnswer,
    Resolution, Route, Store, StoreError, StoredProfile, Subject,
};

const DAY: Duration = Duration::from_secs(86_400);

fn recipient(text: &str) -> ListOwner {
    ListOwner::Recipient(address(text))
}

fn entry(list: ListKind, owner: ListOwner, subject: Subject) -> ListEntry {
    ListEntry {
        list,
        owner,
        subject,
        reason: "by hand".into(),
        trace: None,
        strikes: 1,
        created_at: Timestamp::now(),
        expires_at: None,
    }
}

fn failed(failed: FailedMail) -> StoredProfile {
    StoredProfile { failed: Some(failed), learn: None }
}

async fn ask(house: &House, recipient: &str, sender: &str, client: &str) -> ProfileAnswer {
    let accounts = match house.store.resolve(&to(recipient)).await.unwrap() {
        Resolution::Mailboxes(accounts) => accounts,
        _ => Vec::new(),
    };
    let sender = ReversePath::parse(sender).unwrap();
    house.store.profile(&address(recipient), &accounts, &sender, client.parse().unwrap()).await.unwrap()
}

/// The list and subject of the entry that decides.
fn decides(answer: &ProfileAnswer) -> Option<(ListKind, String, String)> {
    answer.decisive().map(|entry| (entry.list, entry.owner.to_string(), entry.subject.to_string()))
}

#[tokio::test]
async fn the_narrowest_profile_that_says_something_holds() {
    let house = House::new().await;
    let bert = house.store.add_account(address("bert@example.test"), "!".into()).await.unwrap();
    assert_ne!(bert, house.anna);
    house
        .store
        .add_alias(AliasName::parse("info@example.test").unwrap(), vec![address("anna@example.test")])
        .await
        .unwrap();
    let team = vec![address("anna@example.test"), address("bert@example.test")];
    house.store.add_alias(AliasName::parse("team@example.test").unwrap(), team).await.unwrap();
    let of = async |who: &str| ask(&house, who, "x@sender.example", "192.0.2.1").await.failed;
    assert_eq!(of("anna@example.test").await, None, "nobody has said anything");

    let set = async |owner, profile| house.store.set_profile(owner, profile).await.unwrap();
    set(ListOwner::Everybody, failed(FailedMail::Quarantine)).await;
    assert_eq!(of("anna@example.test").await, Some(FailedMail::Quarantine));
    set(ListOwner::Domain(domain("example.test")), failed(FailedMail::Tag)).await;
    assert_eq!(of("anna@example.test").await, Some(FailedMail::Tag));
    set(recipient("Anna@example.test"), failed(FailedMail::Pass)).await;
    for hers in ["ANNA@example.test", "anna+shop@example.test", "info@example.test"] {
        assert_eq!(of(hers).await, Some(FailedMail::Pass), "{hers} leads to her account alone");
    }
    assert_eq!(of("bert@example.test").await, Some(FailedMail::Tag));
    assert_eq!(of("team@example.test").await, Some(FailedMail::Tag), "a group is none of its members");
    set(recipient("team@example.test"), failed(FailedMail::Reject)).await;
    set(recipient("anna+shop@example.test"), failed(FailedMail::Quarantine)).await;
    assert_eq!(of("team@example.test").await, Some(FailedMail::Reject));
    assert_eq!(of("anna+shop@example.test").await, Some(FailedMail::Quarantine));

    // A profile that speaks of something else leaves this to the next wider one.
    set(recipient("anna@example.test"), StoredProfile { failed: None, learn: Some(Learn::No) }).await;
    assert_eq!(of("anna@example.test").await, Some(FailedMail::Tag));
    set(ListOwner::Domain(domain("example.test")), StoredProfile::default()).await;
    set(ListOwner::Everybody, StoredProfile::default()).await;
    assert_eq!(of("anna@example.test").await, None);
    let left = house.store.stored_profiles().await.unwrap();
    let left: Vec<_> = left.iter().map(|owned| owned.owner.to_string()).collect();
    assert_eq!(left, ["anna+shop@example.test", "anna@example.test", "team@example.test"]);
}

#[tokio::test]
async fn the_narrowest_entry_decides() {
    let house = House::new().await;
    let put = async |list, owner, subject| house.store.put_listed(entry(list, owner, subject)).await.unwrap();
    let anna = || recipient("anna@example.test");
    let own_domain = || ListOwner::Domain(domain("example.test"));
    let of = async |sender: &str| decides(&ask(&house, "anna@example.test", sender, "192.0.2.1").await);
    assert_eq!(of("x@shop.example").await, None);

    put(ListKind::Block, own_domain(), Subject::Domain(domain("example"))).await;
    let found = |list, owner: &str, subject: &str| Some((list, owner.to_owned(), subject.to_owned()));
    assert_eq!(of("x@deep.shop.example").await, found(ListKind::Block, "example.test", "example"));
    put(ListKind::Allow, own_domain(), Subject::Domain(domain("shop.example"))).await;
    assert_eq!(of("x@deep.shop.example").await, found(ListKind::Allow, "example.test", "shop.example"));
    put(ListKind::Block, anna(), Subject::Domain(domain("shop.example"))).await;
    assert_eq!(of("x@deep.shop.example").await, found(ListKind::Block, "anna@example.test", "shop.example"));
    put(ListKind::Allow, anna(), Subject::Address(address("Friend@shop.example"))).await;
    assert_eq!(
        of("fRIEND@shop.example").await,
        found(ListKind::Allow, "anna@example.test", "friend@shop.example")
    );
    put(ListKind::Block, anna(), Subject::Address(address("friend@shop.example"))).await;
    assert_eq!(
        of("friend@shop.example").await,
        found(ListKind::Block, "anna@example.test", "friend@shop.example")
    );
    assert_eq!(
        of("x@workshop.example").await,
        found(ListKind::Block, "example.test", "example"),
        "no part of a label"
    );
    assert_eq!(of("").await, None, "the null sender is nobody's");
    // Those of others are theirs.
    house.store.add_account(address("bert@example.test"), "!".into()).await.unwrap();
    let bert = decides(&ask(&house, "bert@example.test", "friend@shop.example", "192.0.2.1").await);
    assert_eq!(bert, found(ListKind::Allow, "example.test", "shop.example"));
}

#[tokio::test]
async fn hosts_may_be_listed_by_recipients_too() {
    let house = House::new().await;
    let net = |text: &str| Subject::Network(Network::parse(text).unwrap());
    let anna = || recipient("anna@example.test");
    let of =
        async |sender: &str, client: &str| decides(&ask(&house, "anna@example.test", sender, client).await);
    house.store.put_listed(entry(ListKind::Block, anna(), net("192.0.2.0/24"))).await.unwrap();
    let found = |list, subject: &str| Some((list, "anna@example.test".to_owned(), subject.to_owned()));
    assert_eq!(of("x@a.example", "192.0.2.9").await, found(ListKind::Block, "192.0.2.0/24"));
    assert_eq!(of("", "::ffff:192.0.2.9").await, found(ListKind::Block, "192.0.2.0/24"));
    assert_eq!(of("x@a.example", "192.0.3.9").await, None);
    house.store.put_listed(entry(ListKind::Allow, anna(), net("192.0.2.9"))).await.unwrap();
    assert_eq!(of("x@a.example", "192.0.2.9").await, found(ListKind::Allow, "192.0.2.9"));
    // A sender is nearer than a host, both ways round; where both allow, the host is the better witness.
    house
        .store
        .put_listed(entry(ListKind::Allow, anna(), Subject::Domain(domain("a.example"))))
        .await
        .unwrap();
    assert_eq!(of("x@a.example", "192.0.2.7").await, found(ListKind::Allow, "a.example"));
    house.store.remove_listed(ListKind::Block, anna(), net("192.0.2.0/24")).await.unwrap();
    assert_eq!(of("x@a.example", "192.0.2.9").await, found(ListKind::Allow, "192.0.2.9"));
    // Everybody's networks are the gate's, feedback too.
    house.store.put_listed(entry(ListKind::Feedback, ListOwner::Everybody, net("192.0.4.1"))).await.unwrap();
    house.store.put_listed(entry(ListKind::Block, ListOwner::Everybody, net("192.0.4.1"))).await.unwrap();
    assert_eq!(of("x@b.example", "192.0.4.1").await, None);
}

#[tokio::test]
async fn what_has_ended_does_not_hold() {
    let house = House::new().await;
    let mut ended =
        entry(ListKind::Allow, recipient("anna@example.test"), Subject::Domain(domain("a.example")));
    ended.expires_at = Some(Timestamp::from_millis(1));
    house.store.put_listed(ended).await.unwrap();
    assert_eq!(ask(&house, "anna@example.test", "x@a.example", "192.0.2.1").await, ProfileAnswer::default());
}

#[tokio::test]
async fn a_change_by_another_process_is_seen_soon() {
    let house = House::new().await;
    assert!(ask(&house, "anna@example.test", "x@a.example", "192.0.2.1").await.entries.is_empty());
    let tool = Store::open(&house.data(), Options::tool()).unwrap();
    let allow = entry(ListKind::Allow, recipient("anna@example.test"), Subject::Domain(domain("a.example")));
    tool.put_listed(allow).await.unwrap();
    tool.close().await.unwrap();
    while ask(&house, "anna@example.test", "x@a.example", "192.0.2.1").await.entries.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_sender_of_many_labels_is_found_by_each_of_them() {
    let house = House::new().await;
    let labels: Vec<String> = (0..30).map(|n| format!("l{n}")).collect();
    let long = format!("{}.example", labels.join("."));
    for listed in [format!("{}.example", labels[15..].join(".")), long.clone(), "example".to_owned()] {
        let anna = recipient("anna@example.test");
        let allow = entry(ListKind::Allow, anna.clone(), Subject::Domain(domain(&listed)));
        house.store.put_listed(allow).await.unwrap();
        let answer = ask(&house, "anna@example.test", &format!("x@{long}"), "192.0.2.1").await;
        assert_eq!(answer.entries.len(), 1, "{listed}");
        house.store.remove_listed(ListKind::Allow, anna, Subject::Domain(domain(&listed))).await.unwrap();
    }
}

#[tokio::test]
async fn who_is_written_to_may_answer() {
    let house = House::new().await;
    house.store.add_domain(domain("ours.test"), Route::Proxy("127.0.0.1:1".into())).await.unwrap();
    let now = Timestamp::now();
    let anna = ReversePath::Address(address("anna@example.test"));
    let learn = async |who: &ReversePath, to: &[&str], until| {
        let to: Vec<_> = to.iter().map(|to| address(to)).collect();
        house.store.learn_correspondents(who, &to, until).await.unwrap()
    };
    let written = ["carla@friend.example", "bert@example.test", "dora@ours.test", "x@[192.0.2.1]"];
    assert_eq!(learn(&anna, &written, now.plus(90 * DAY)).await, 1, "our own names are for forgers");
    let answer = ask(&house, "anna@example.test", "Carla@friend.example", "192.0.2.1").await;
    assert_eq!(answer.entries[0].reason, "you wrote to carla@friend.example");
    assert_eq!(answer.entries[0].expires_at, Some(now.plus(90 * DAY)));
    assert!(ask(&house, "anna@example.test", "other@friend.example", "192.0.2.1").await.entries.is_empty());

    // Again a week later: it stays longer. Earlier mail shortens nothing, and an hour is not worth a commit.
    let ends = async || {
        let subject = Subject::Address(address("carla@friend.example"));
        let owner = recipient("anna@example.test");
        house.store.listed_entry(ListKind::Allow, owner, subject).await.unwrap().expires_at
    };
    let version = house.store.lists_version().await.unwrap();
    assert_eq!(learn(&anna, &["carla@friend.example"], now.plus(90 * DAY + DAY / 24)).await, 0);
    assert_eq!(learn(&anna, &["carla@friend.example"], now.plus(80 * DAY)).await, 0);
    assert_eq!(house.store.lists_version().await.unwrap(), version);
    assert_eq!(learn(&anna, &["carla@friend.example"], now.plus(97 * DAY)).await, 0);
    assert_eq!(ends().await, Some(now.plus(97 * DAY)));

    // What was written by hand stays as it is.
    let by_hand = entry(
        ListKind::Allow,
        recipient("anna@example.test"),
        Subject::Address(address("emil@friend.example")),
    );
    house.store.put_listed(by_hand.clone()).await.unwrap();
    assert_eq!(learn(&anna, &["emil@friend.example"], now.plus(90 * DAY)).await, 0);
    let kept = house.store.listed_entry(ListKind::Allow, by_hand.owner, by_hand.subject).await.unwrap();
    assert_eq!((kept.reason.as_str(), kept.expires_at), ("by hand", None));
}

#[tokio::test]
async fn nothing_is_learned_from_strangers_bounces_and_those_who_do_not_want_it() {
    let house = House::new().await;
    let until = Timestamp::now().plus(DAY);
    let to = [address("carla@friend.example")];
    let learn = async |who: &str| {
        house.store.learn_correspondents(&ReversePath::parse(who).unwrap(), &to, until).await.unwrap()
    };
    assert_eq!(learn("").await, 0);
    assert_eq!(learn("anna@elsewhere.example").await, 0);
    let no = StoredProfile { failed: None, learn: Some(Learn::No) };
    house.store.set_profile(ListOwner::Domain(domain("example.test")), no).await.unwrap();
    assert_eq!(learn("anna@example.test").await, 0);
    let yes = StoredProfile { failed: None, learn: Some(Learn::Yes) };
    house.store.set_profile(recipient("anna@example.test"), yes).await.unwrap();
    assert_eq!(learn("anna@example.test").await, 1);
    let many: Vec<_> = (0..500).map(|n| address(&format!("n{n}@friend.example"))).collect();
    let anna = ReversePath::parse("anna@example.test").unwrap();
    assert_eq!(house.store.learn_correspondents(&anna, &many, until).await.unwrap(), 100);
}

#[tokio::test]
async fn a_recipients_lists_are_bounded() {
    let house = House::new().await;
    let data = house.data();
    {
        let connection = rusqlite::Connection::open(data.join("postern.db")).unwrap();
        connection
            .execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                 INSERT INTO lists SELECT 0, 2, 'anna@example.test', 1, 'n' || i || '@friend.example', '', NULL, 1, 0, NULL
                 FROM n",
                [],
            )
            .unwrap();
    }
    let one_more =
        entry(ListKind::Allow, recipient("anna@example.test"), Subject::Domain(domain("a.example")));
    let full = house.store.put_listed(one_more).await;
    assert!(matches!(full, Err(StoreError::Invalid { .. })), "{full:?}");
    let anna = ReversePath::parse("anna@example.test").unwrap();
    let (new, until) = ([address("new@friend.example")], Timestamp::now().plus(DAY));
    assert_eq!(house.store.learn_correspondents(&anna, &new, until).await.unwrap(), 0);
    // The recipient's answer is still found at once.
    assert_eq!(ask(&house, "anna@example.test", "n9999@friend.example", "192.0.2.1").await.entries.len(), 1);
}

#[tokio::test]
async fn it_is_known_whose_word_counts_for_a_recipient() {
    let house = House::new().await;
    house
        .store
        .add_alias(AliasName::parse("info@example.test").unwrap(), vec![address("anna@example.test")])
        .await
        .unwrap();
    let owners = house.store.owners_for(&address("info@example.test")).await.unwrap();
    let owners: Vec<_> = owners.iter().map(ToString::to_string).collect();
    assert_eq!(owners, ["info@example.test", "anna@example.test", "example.test", "everybody"]);
    let nobody = address("x@[192.0.2.1]");
    let gone =
        house.store.profile(&nobody, &[AccountId(4711)], &ReversePath::Null, [192, 0, 2, 1].into()).await;
    assert_eq!(gone.unwrap(), ProfileAnswer::default());
}
