//! Domains, accounts, aliases, and what recipients resolve to.

use std::time::Duration;

use postern_types::ForwardPath;

use super::{House, address, domain, to};
use crate::{AliasName, Options, Resolution, Route, Store, StoreError};

fn alias(text: &str) -> AliasName {
    AliasName::parse(text).unwrap()
}

#[tokio::test]
async fn recipients_resolve_to_mailboxes_the_mta_behind_or_nobody() {
    let house = House::new().await;
    let store = &house.store;
    store.add_domain(domain("behind.test"), Route::Proxy("mail.behind.test:25".into())).await.unwrap();
    let anna = Resolution::Mailboxes(vec![house.anna]);
    for (recipient, expected) in [
        ("anna@example.test", anna.clone()),
        ("ANNA@Example.Test", anna.clone()),
        ("anna+lists@example.test", anna),
        ("bert@example.test", Resolution::UnknownUser),
        ("+anna@example.test", Resolution::UnknownUser),
        ("anyone@behind.test", Resolution::Proxy("mail.behind.test:25".into())),
        ("anna@sub.example.test", Resolution::NotOurs),
        ("anna@elsewhere.test", Resolution::NotOurs),
        ("anna@[127.0.0.1]", Resolution::NotOurs),
    ] {
        // The second time it comes from memory.
        for _ in 0..2 {
            assert_eq!(store.resolve(&to(recipient)).await.unwrap(), expected, "{recipient}");
        }
    }
}

#[tokio::test]
async fn own_changes_are_seen_at_once() {
    let house = House::new().await;
    let store = &house.store;
    let bert = to("bert@example.test");
    assert_eq!(store.resolve(&bert).await.unwrap(), Resolution::UnknownUser);
    let id = store.add_account(address("Bert@example.test"), "hash".into()).await.unwrap();
    assert_eq!(store.resolve(&bert).await.unwrap(), Resolution::Mailboxes(vec![id]));
    store.set_route(domain("example.test"), Route::Proxy("10.0.0.1:25".into())).await.unwrap();
    assert_eq!(store.resolve(&bert).await.unwrap(), Resolution::Proxy("10.0.0.1:25".into()));
    store.set_route(domain("example.test"), Route::Mailbox).await.unwrap();
    store.remove_account(address("bert@EXAMPLE.test")).await.unwrap();
    assert_eq!(store.resolve(&bert).await.unwrap(), Resolution::UnknownUser);
}

#[tokio::test]
async fn changes_of_another_process_are_seen_soon() {
    let house = House::new().await;
    let bert = to("bert@example.test");
    assert_eq!(house.store.resolve(&bert).await.unwrap(), Resolution::UnknownUser);
    let tool = Store::open(&house.data(), Options::tool()).unwrap();
    let id = tool.add_account(address("bert@example.test"), "hash".into()).await.unwrap();
    tool.close().await.unwrap();
    let seen = async {
        while house.store.resolve(&bert).await.unwrap() == Resolution::UnknownUser {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seen).await.expect("the change is never seen");
    assert_eq!(house.store.resolve(&bert).await.unwrap(), Resolution::Mailboxes(vec![id]));
}

#[tokio::test]
async fn aliases_lead_to_accounts_through_other_aliases_and_loops() {
    let house = House::new().await;
    let store = &house.store;
    let bert = store.add_account(address("bert@example.test"), "hash".into()).await.unwrap();
    let targets = |list: &[&str]| list.iter().map(|text| address(text)).collect::<Vec<_>>();
    store.add_alias(alias("sales@example.test"), targets(&["anna@example.test"])).await.unwrap();
    let both = targets(&["sales@example.test", "Bert@example.test"]);
    store.add_alias(alias("Team@example.test"), both).await.unwrap();
    // A loop: sales → team → sales.
    store.add_alias(alias("sales@example.test"), targets(&["team@example.test"])).await.unwrap();
    let Resolution::Mailboxes(mut reached) = store.resolve(&to("team@example.test")).await.unwrap() else {
        panic!("the alias leads nowhere");
    };
    reached.sort();
    assert_eq!(reached, [house.anna, bert]);

    store.add_alias(alias("@example.test"), targets(&["bert@example.test"])).await.unwrap();
    for (recipient, account) in [
        ("nobody@example.test", bert),
        ("anna+x@example.test", house.anna),
        ("postmaster@example.test", bert),
    ] {
        let expected = Resolution::Mailboxes(vec![account]);
        assert_eq!(store.resolve(&to(recipient)).await.unwrap(), expected, "{recipient}");
    }
    let names: Vec<String> =
        store.aliases(None).await.unwrap().iter().map(|alias| alias.name.to_string()).collect();
    assert_eq!(names, ["@example.test", "sales@example.test", "Team@example.test"]);
    store.remove_alias(alias("@example.test")).await.unwrap();
    assert_eq!(store.resolve(&to("nobody@example.test")).await.unwrap(), Resolution::UnknownUser);
}

#[tokio::test]
async fn postmaster_is_reached_without_a_domain_and_in_every_domain() {
    let house = House::new().await;
    let store = &house.store;
    store.add_domain(domain("second.test"), Route::Mailbox).await.unwrap();
    assert_eq!(store.resolve(&ForwardPath::Postmaster).await.unwrap(), Resolution::UnknownUser);
    store.add_alias(alias("postmaster@example.test"), vec![address("anna@example.test")]).await.unwrap();
    for recipient in [ForwardPath::Postmaster, to("Postmaster@second.test"), to("postmaster@example.test")] {
        let anna = Resolution::Mailboxes(vec![house.anna]);
        assert_eq!(store.resolve(&recipient).await.unwrap(), anna, "{recipient}");
    }
}

#[tokio::test]
async fn what_contradicts_the_directory_is_refused_in_words() {
    let house = House::new().await;
    let store = &house.store;
    store.add_domain(domain("behind.test"), Route::Proxy("10.0.0.1:25".into())).await.unwrap();
    let anna = || address("anna@example.test");
    let said = |result: Result<(), StoreError>| result.unwrap_err().to_string();
    let add = async |text: &str| store.add_account(address(text), "hash".into()).await.map(|_| ());
    assert_eq!(said(add("Anna@example.test").await), "account Anna@example.test exists already");
    assert_eq!(said(add("x@elsewhere.test").await), "there is no domain elsewhere.test");
    assert!(said(add("x@behind.test").await).contains("10.0.0.1:25"));
    assert!(said(add("x@[127.0.0.1]").await).contains("has no domain"));
    let add = async |name: &str, targets| store.add_alias(alias(name), targets).await;
    assert_eq!(
        said(add("anna@example.test", vec![anna()]).await),
        "account anna@example.test exists already"
    );
    let stranger = vec![address("x@elsewhere.test")];
    assert_eq!(said(add("y@example.test", stranger).await), "x@elsewhere.test is no account or alias here");
    assert!(said(add("y@example.test", vec![]).await).contains("needs a target"));
    let twice = store.add_domain(domain("example.test"), Route::Mailbox).await;
    assert_eq!(said(twice), "domain example.test exists already");
    assert!(said(store.remove_domain(domain("example.test")).await).contains("still has 1 accounts"));
    store.add_alias(alias("sales@example.test"), vec![anna()]).await.unwrap();
    let taken = store.add_account(address("Sales@example.test"), "hash".into()).await;
    assert_eq!(taken.unwrap_err().to_string(), "alias Sales@example.test exists already");
    assert_eq!(store.stats().failures, 10);
}

#[tokio::test]
async fn accounts_and_domains_are_listed_and_changed() {
    let house = House::new().await;
    let store = &house.store;
    store.set_password_hash(address("Anna@example.test"), "new".into()).await.unwrap();
    let found = store.account(address("ANNA@example.test")).await.unwrap().unwrap();
    assert_eq!((found.id, found.password_hash.as_str()), (house.anna, "new"));
    assert_eq!(found.address, address("anna@example.test"));
    assert_eq!(store.account(address("nobody@example.test")).await.unwrap(), None);
    assert_eq!(store.accounts(Some(domain("example.test"))).await.unwrap(), [found]);
    assert_eq!(store.accounts(Some(domain("other.test"))).await.unwrap(), []);
    assert_eq!(store.domain(domain("example.test")).await.unwrap().route, Route::Mailbox);
    store.remove_account(address("anna@example.test")).await.unwrap();
    store.remove_domain(domain("example.test")).await.unwrap();
    assert_eq!(store.domains().await.unwrap(), []);
    let missing = store.remove_account(address("anna@example.test")).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }) && !missing.is_transient(), "{missing}");
}

#[tokio::test]
async fn an_account_made_anew_gets_another_identity_and_uid_validity() {
    let house = House::new().await;
    let store = &house.store;
    let before = store.mailbox(house.anna, "inbox").await.unwrap();
    house.deliver(b"old").await.unwrap();
    store.remove_account(address("anna@example.test")).await.unwrap();
    let anew = store.add_account(address("anna@example.test"), "hash".into()).await.unwrap();
    let after = store.mailbox(anew, "INBOX").await.unwrap();
    assert_ne!((anew, after.id), (house.anna, before.id));
    assert!(after.uid_validity > before.uid_validity);
    assert_eq!(store.list(after.id).await.unwrap(), []);
    let gone = house.deliver(b"late").await.unwrap_err();
    assert_eq!(gone.to_string(), "there is no such account any more");
}
