//! A rehearsal decides as the house does, and leaves nothing in it.

use postern_types::{Domain, ForwardPath, Timestamp};

use super::{House, address};
use crate::{
    ListKind, ListOwner, Options, QuarantineQuery, Resolution, Route, Store, StoreError, Subject, TraceQuery,
};

#[tokio::test]
async fn what_decides_comes_along_and_mail_stays() {
    let house = House::new().await;
    house.deliver(b"a secret").await.unwrap();
    let behind = Domain::parse("behind.test").unwrap();
    house.store.add_domain(behind, Route::Proxy("mx.behind.test:25".into())).await.unwrap();
    house.store.use_policy("v", "{}", Timestamp::now()).await.unwrap();
    let entry = crate::ListEntry {
        list: ListKind::Block,
        owner: ListOwner::Everybody,
        subject: Subject::Domain(Domain::parse("bad.test").unwrap()),
        reason: String::new(),
        trace: None,
        strikes: 0,
        created_at: Timestamp::now(),
        expires_at: None,
    };
    house.store.put_listed(entry).await.unwrap();

    let dest = house.dir.path().join("rehearsal");
    house.store.rehearsal(&dest).await.unwrap();
    let copy = Store::open(&dest, Options::default()).unwrap();
    let anna = ForwardPath::Address(address("anna@example.test"));
    assert!(matches!(copy.resolve(&anna).await.unwrap(), Resolution::Mailboxes(ids) if ids == [house.anna]));
    let other = ForwardPath::Address(address("x@behind.test"));
    assert!(matches!(copy.resolve(&other).await.unwrap(), Resolution::Proxy(_)));
    assert!(copy.policy("v").await.unwrap().is_some());
    let listed = copy.listed(ListKind::Block, Some(ListOwner::Everybody), Timestamp::now()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(copy.traces(TraceQuery::default()).await.unwrap().is_empty());
    assert!(copy.quarantine(QuarantineQuery::default()).await.unwrap().is_empty());
    let account = copy.account(address("anna@example.test")).await.unwrap().unwrap();
    assert_eq!(account.password_hash, "");
    copy.close().await.unwrap();

    assert!(matches!(house.store.rehearsal(&dest).await, Err(StoreError::Exists { .. })));
    assert_eq!(house.store.traces(TraceQuery::default()).await.unwrap().len(), 1);
}
