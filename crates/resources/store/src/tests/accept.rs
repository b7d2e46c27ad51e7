//! Messages in: bodies, copies, UIDs, deletion; and that nobody harms another.

use std::collections::HashSet;
use std::time::Duration;

use super::{
    House, PREFIX, accept, address, body, body_files, content, record, sender, to_mailbox, uid, whole,
};
use crate::{Acceptance, Flags, Options, Outcome, Placed, StoreError};

#[tokio::test]
async fn a_message_is_read_as_it_was_accepted() {
    let house = House::new().await;
    for size in [0, 1, 10_240, 256 << 10, (256 << 10) + 1, 3_000_000] {
        let content = content(size as u64, size);
        let durable = house.deliver(&content).await.unwrap();
        let [placed] = durable.placed[..] else { panic!("{durable:?}") };
        assert!(house.read(house.anna, uid(placed)).await.unwrap() == whole(&content), "{size} bytes");
        let entry = house.list(house.anna).await.pop().unwrap();
        assert_eq!(entry.size, (PREFIX.len() + size) as u64);
        assert_eq!((entry.uid, entry.trace), (uid(placed), durable.trace));
    }
    assert_eq!(body_files(&house.data()), 2, "the two largest are in files");
}

#[tokio::test]
async fn a_body_is_stored_once_and_goes_with_its_last_copy() {
    let house = House::new().await;
    let store = &house.store;
    let bert = store.add_account(address("bert@example.test"), "hash".into()).await.unwrap();
    let large = content(1, 300_000);
    let copies = vec![to_mailbox(house.anna), to_mailbox(bert), to_mailbox(bert)];
    let durable = accept(store, &large, copies).await.unwrap();
    assert_eq!(durable.placed.iter().copied().map(uid).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(body_files(&house.data()), 1);
    let (annas, berts) = (house.inbox(house.anna).await, house.inbox(bert).await);
    assert_eq!(store.delete(annas, &[1, 77]).await.unwrap(), 1);
    assert_eq!(store.delete(berts, &[1]).await.unwrap(), 1);
    assert!(house.read(bert, 2).await.unwrap() == whole(&large));
    assert_eq!(body_files(&house.data()), 1);
    assert_eq!(store.delete(berts, &[2]).await.unwrap(), 1);
    assert_eq!(body_files(&house.data()), 0);
    let rows = "SELECT (SELECT count(*) FROM parts) + (SELECT count(*) FROM dropped_files)";
    let left: i64 = store.engine.read(move |c| Ok(c.query_row(rows, [], |row| row.get(0))?)).await.unwrap();
    assert_eq!(left, 0, "nothing stays behind");
}

#[tokio::test]
async fn uids_are_never_given_twice() {
    let house = House::new().await;
    let inbox = house.inbox(house.anna).await;
    for round in 1..=3 {
        let durable = house.deliver(b"text").await.unwrap();
        assert_eq!(uid(durable.placed[0]), round);
        house.store.delete(inbox, &[round]).await.unwrap();
    }
    let before = house.store.mailbox(house.anna, "INBOX").await.unwrap();
    let house = house.reopen().await;
    let after = house.store.mailbox(house.anna, "INBOX").await.unwrap();
    assert_eq!(before, after);
    assert_eq!(after.uid_next, 4);
}

#[tokio::test]
async fn flags_are_kept_and_move_the_modification_sequence() {
    let house = House::new().await;
    house.deliver(b"text").await.unwrap();
    let inbox = house.inbox(house.anna).await;
    let flags = Flags::SEEN.with(Flags::DELETED);
    house.store.set_flags(inbox, 1, flags).await.unwrap();
    let entry = house.list(house.anna).await.remove(0);
    assert!(entry.flags.contains(Flags::SEEN) && !entry.flags.contains(Flags::DRAFT));
    assert_eq!((entry.flags, entry.modseq), (flags, 2));
    let missing = house.store.set_flags(inbox, 9, flags).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }));
    assert_eq!(house.store.mailbox(house.anna, "INBOX").await.unwrap().modseq, 2, "undone alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_share_commits_and_a_failing_one_harms_nobody() {
    const SESSIONS: u64 = 40;
    let house = House::new().await;
    let stranger = house.store.add_account(address("x@example.test"), "hash".into()).await.unwrap();
    house.store.remove_account(address("x@example.test")).await.unwrap();
    let before = house.store.stats();
    let mut tasks = Vec::new();
    for n in 0..SESSIONS {
        let (store, anna) = (house.store.clone(), house.anna);
        tasks.push(tokio::spawn(async move {
            let copies = if n % 4 == 0 {
                // The second copy fails: the first must not stay.
                vec![to_mailbox(anna), to_mailbox(stranger)]
            } else {
                vec![to_mailbox(anna)]
            };
            accept(&store, &content(n, 5_000), copies).await.map(|durable| uid(durable.placed[0]))
        }));
    }
    let mut uids = HashSet::new();
    let mut refused = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(uid) => assert!(uids.insert(uid), "{uid} given twice"),
            Err(StoreError::NotFound { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(refused, SESSIONS / 4);
    let listed: HashSet<u32> = house.list(house.anna).await.iter().map(|entry| entry.uid).collect();
    assert_eq!(listed, uids);
    let after = house.store.stats();
    assert_eq!(after.jobs - before.jobs, SESSIONS - SESSIONS / 4);
    assert_eq!(after.failures, SESSIONS / 4);
    // The writer answers first and lets go of the body then.
    let at_rest = || {
        let stats = house.store.stats();
        (stats.waiting, stats.bodies_in_memory) == (0, 0)
    };
    for _ in 0..1000 {
        if at_rest() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("work or memory is held for ever: {:?}", house.store.stats());
}

/// A group of one commit: what stands beside a job that fails is there once, and nothing of the other.
#[tokio::test]
async fn a_group_with_a_failing_job_is_done_again_without_it() {
    let house = House::new().await;
    let gone = house.store.add_account(address("x@example.test"), "hash".into()).await.unwrap();
    house.store.remove_account(address("x@example.test")).await.unwrap();
    let before = house.store.stats();
    let held = house.hold_the_writer().await;
    let mut tasks = Vec::new();
    // `x`: fails after it has stored its body. `f`: a job that can be done only once.
    for (at, job) in "aaxaafaxxa".chars().enumerate() {
        let (store, anna) = (house.store.clone(), house.anna);
        tasks.push(tokio::spawn(async move {
            let text = content(at as u64, 500 * at);
            match job {
                'a' => accept(&store, &text, vec![to_mailbox(anna)]).await.is_ok(),
                'x' => accept(&store, &text, vec![to_mailbox(anna), to_mailbox(gone)]).await.is_ok(),
                _ => store.add_domain(super::domain("other.test"), crate::Route::Mailbox).await.is_ok(),
            }
        }));
        while house.store.stats().waiting < at as u64 + 2 {
            tokio::task::yield_now().await;
        }
    }
    held.go_on().await;
    let mut ended = String::new();
    for task in tasks {
        ended.push(if task.await.unwrap() { '+' } else { '-' });
    }
    assert_eq!(ended, "++-++++--+");
    let mut sizes: Vec<u64> = house.list(house.anna).await.iter().map(|entry| entry.size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 1, 3, 4, 6, 9].map(|at| 500 * at + super::PREFIX.len() as u64));
    let count = |c: &crate::sqlite::Connection| {
        Ok(c.query_row("SELECT count(*) FROM parts", [], |row| row.get::<_, i64>(0))?)
    };
    let parts = house.store.engine.read(count);
    assert_eq!(parts.await.unwrap(), 12, "a body and its prefix for each message, and none of the others");
    let after = house.store.stats();
    assert!(after.commits - before.commits <= 2, "all that waited were one group");
}

#[tokio::test]
async fn bodies_share_a_budget_of_memory_and_leave_nothing_when_dropped() {
    let options = Options { bodies_in_memory: 100_000, ..Options::default() };
    let house = House::with(options).await;
    let small = body(&house.store, &content(1, 60_000)).await.unwrap();
    assert_eq!(body_files(&house.data()), 0);
    // The budget is spent: this one goes to a file, however small.
    let other = body(&house.store, &content(2, 60_000)).await.unwrap();
    assert_eq!(body_files(&house.data()), 1);
    assert_eq!(house.store.stats().bodies_in_memory, 60_000);
    let copies = vec![to_mailbox(house.anna)];
    let acceptance = Acceptance { sender: sender(), body: other, copies, record: record(Outcome::Accepted) };
    let durable = house.store.accept(acceptance).await.unwrap();
    let read = house.read(house.anna, uid(durable.placed()[0])).await.unwrap();
    assert!(read == whole(&content(2, 60_000)));
    drop(small);
    assert_eq!(house.store.stats().bodies_in_memory, 0);

    let mut writer = house.store.body();
    writer.write(&content(3, 400_000)).await.unwrap();
    assert_eq!((writer.size(), body_files(&house.data())), (400_000, 2));
    drop(writer);
    drop(body(&house.store, &content(4, 400_000)).await.unwrap());
    assert_eq!(body_files(&house.data()), 1);
}

#[tokio::test]
async fn a_message_can_be_read_to_its_end_while_it_is_deleted() {
    let house = House::new().await;
    let large = content(1, 300_000);
    house.deliver(&large).await.unwrap();
    let inbox = house.inbox(house.anna).await;
    let reader = house.store.read(inbox, 1).await.unwrap();
    house.store.delete(inbox, &[1]).await.unwrap();
    assert_eq!(body_files(&house.data()), 0);
    assert!(reader.read_all().await.unwrap() == whole(&large));
    assert!(matches!(house.read(house.anna, 1).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn without_recipients_nothing_is_accepted() {
    let house = House::new().await;
    let refused = accept(&house.store, b"text", vec![]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { .. }), "{refused}");
}

#[tokio::test]
async fn when_the_line_is_full_others_are_told_to_come_again() {
    let options = Options { waiting: 1, patience: Duration::from_millis(10), ..Options::default() };
    let house = House::with(options).await;
    let held = house.hold_the_writer().await;
    let refused = house.deliver(b"text").await.unwrap_err();
    assert!(matches!(refused, StoreError::Busy) && refused.is_transient());
    assert_eq!(house.store.stats().waiting, 1);
    held.go_on().await;
    house.deliver(b"text").await.unwrap();
    assert_eq!(house.list(house.anna).await.len(), 1);
}

#[tokio::test]
async fn a_session_that_goes_away_before_its_turn_leaves_nothing() {
    let house = House::new().await;
    let held = house.hold_the_writer().await;
    {
        let mut waiting = Box::pin(house.deliver(b"text"));
        // Far enough to wait in the line.
        while house.store.stats().waiting < 2 {
            tokio::select! { _ = &mut waiting => unreachable!(), () = tokio::task::yield_now() => {} }
        }
    }
    held.go_on().await;
    house.deliver(b"other").await.unwrap();
    assert_eq!(house.list(house.anna).await.len(), 1);
}

#[tokio::test]
async fn after_closing_nothing_is_accepted_and_nothing_is_lost() {
    let house = House::new().await;
    house.deliver(b"text").await.unwrap();
    let clone = house.store.clone();
    let anna = house.anna;
    let house = house.reopen().await;
    let refused = accept(&clone, b"late", vec![to_mailbox(anna)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Closed), "{refused}");
    assert!(matches!(clone.domains().await, Err(StoreError::Closed)));
    assert!(matches!(clone.resolve(&super::to("anna@example.test")).await, Err(StoreError::Closed)));
    assert_eq!(house.list(anna).await.len(), 1);
}

#[tokio::test]
async fn a_removed_accounts_mail_goes_with_it() {
    let house = House::new().await;
    let bert = house.store.add_account(address("bert@example.test"), "hash".into()).await.unwrap();
    for n in 0..3 {
        // More than go in one step.
        let mut copies = vec![to_mailbox(bert); 150];
        if n == 0 {
            copies.push(to_mailbox(house.anna));
        }
        let accepted = accept(&house.store, &content(n, 100), copies).await.unwrap();
        assert!(matches!(accepted.placed[0], Placed::Mailbox { .. }));
    }
    house.store.remove_account(address("bert@example.test")).await.unwrap();
    let rows = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM parts), \
                (SELECT count(*) FROM mailboxes)";
    let read = move |c: &crate::sqlite::Connection| {
        Ok(c.query_row(rows, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?)
    };
    let counts: [i64; 3] = house.store.engine.read(read).await.unwrap();
    assert_eq!(counts, [1, 2, 1], "messages, parts, mailboxes");
    assert_eq!(house.read(house.anna, 1).await.unwrap(), whole(&content(0, 100)));
}
