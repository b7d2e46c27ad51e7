//! The recipient's own lists.

use postern_signin::Clock as _;
use postern_store::{ListKind, ListOwner};
use postern_testnet::{HttpAnswer, HttpClient};

use super::world::{ANN, BOB, address, form_token, world};

async fn add(client: &mut HttpClient, list: &str, sender: &str) -> HttpAnswer {
    let token = form_token(&client.get("/senders").await.unwrap());
    client.post("/senders", &[("form", &token), ("list", list), ("sender", sender)]).await.unwrap()
}

#[tokio::test]
async fn senders_are_added_moved_and_removed() {
    let world = world().await;
    let mut ann = world.inside(ANN).await;
    for (list, sender) in [("allow", "friend@good.test"), ("block", "pest.test"), ("allow", "@pest.test")] {
        assert_eq!(add(&mut ann, list, sender).await.field("location"), "/senders?done=added");
    }
    let owner = ListOwner::Recipient(address(ANN));
    let listed = async |kind| {
        let entries = world.store.listed(kind, Some(owner.clone()), world.clock.now()).await.unwrap();
        entries.iter().map(|entry| entry.subject.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed(ListKind::Allow).await, ["friend@good.test", "pest.test"]);
    assert!(listed(ListKind::Block).await.is_empty(), "on one list only");
    let page = ann.get("/senders?done=added").await.unwrap();
    assert!(page.body.contains("friend@good.test") && page.body.contains("Added."));
    let form = [("form", form_token(&page)), ("list", "allow".into()), ("sender", "pest.test".into())];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    for _ in 0..2 {
        assert_eq!(ann.post("/senders/remove", &form).await.unwrap().status, 303);
    }
    assert_eq!(listed(ListKind::Allow).await, ["friend@good.test"]);
    let mut bob = world.inside(BOB).await;
    assert!(!bob.get("/senders").await.unwrap().body.contains("friend@good.test"));
}

#[tokio::test]
async fn what_is_no_sender_is_explained_and_kept_to_be_corrected() {
    let world = world().await;
    let mut ann = world.inside(ANN).await;
    let answer = add(&mut ann, "allow", "\"><script>alert(1)</script>").await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Write an address such as"));
    assert!(answer.body.contains("&#60;script&#62;") && !answer.body.contains("<script"));
    let token = form_token(&answer);
    let unread =
        ann.post("/senders", &[("form", &token), ("list", "nonsense"), ("sender", "a@b.test")]).await;
    assert_eq!(unread.unwrap().status, 400);
}
