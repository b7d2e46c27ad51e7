//! The store: accounts, mailboxes, bodies, traces, in one synced commit.
