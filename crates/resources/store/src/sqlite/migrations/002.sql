-- Format 2: what the active filter remembers.

CREATE TABLE profiles (
    owner_kind INTEGER NOT NULL,         -- 0 everybody, 1 domain, 2 recipient
    owner TEXT NOT NULL,                 -- in lower case
    failed TEXT NOT NULL,                -- pass, tag, quarantine, reject
    PRIMARY KEY (owner_kind, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE probe_ledger (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    probe TEXT NOT NULL,                 -- which test
    subject TEXT NOT NULL,               -- what was asked about
    target TEXT NOT NULL,                -- the host that was connected to
    reason TEXT NOT NULL,                -- why it was asked: a trace id, `by hand`
    outcome TEXT NOT NULL,
    commands TEXT NOT NULL,              -- the conversation, one line each
    duration_us INTEGER NOT NULL
) STRICT;
CREATE INDEX probe_ledger_at ON probe_ledger (at);

CREATE TABLE policies (
    version TEXT PRIMARY KEY,
    json TEXT NOT NULL,
    first_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE links (
    token_hash BLOB PRIMARY KEY,         -- SHA-256 of the token: who reads the store cannot use it
    recipient TEXT NOT NULL,             -- in lower case
    at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX links_expires_at ON links (expires_at);
