-- Format 1: the foundation. Times are milliseconds since 1970 (UTC). Never change this file; add the next.
-- Hot tables (parts, messages, traces, evidence) grow at their right edge only and have no
-- index beside their key: an accepted message touches few pages, and mostly the same as its neighbours.

-- Counters that announce changes to other processes, and the last UIDVALIDITY given.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('directory', 0), ('lists', 0), ('uid_validity', 0);

CREATE TABLE domains (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    route TEXT,                          -- host:port of the MTA behind; NULL: mailboxes here
    added_at INTEGER NOT NULL
) STRICT;

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    domain INTEGER NOT NULL REFERENCES domains (id),
    local_key TEXT NOT NULL,             -- the local part in lower case
    address TEXT NOT NULL,               -- as it was added
    password_hash TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    UNIQUE (domain, local_key)
) STRICT;

CREATE TABLE aliases (
    domain INTEGER NOT NULL REFERENCES domains (id),
    local_key TEXT NOT NULL,             -- the local part in lower case; '' is the catch-all
    target TEXT NOT NULL,
    name TEXT NOT NULL,                  -- as it was added
    PRIMARY KEY (domain, local_key, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE mailboxes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER REFERENCES accounts (id),  -- NULL: the account is gone, the mail is being removed
    name TEXT NOT NULL,
    uid_validity INTEGER NOT NULL,
    uid_next INTEGER NOT NULL DEFAULT 1,
    modseq INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, name)
) STRICT;

-- Bodies, and the lines that stand before them in one copy. Both in one table: what belongs together
-- lies together, and a message touches a page less.
CREATE TABLE parts (
    id INTEGER PRIMARY KEY,
    copies INTEGER NOT NULL,             -- how often messages, quarantine and queue name it
    size INTEGER NOT NULL,
    checksum INTEGER NOT NULL,           -- CRC-32 (ISO 3309)
    file TEXT,                           -- in a file of the folder of bodies …
    octets BLOB,                         -- … or here; last, so that the rest is read without it
    CHECK ((octets IS NULL) <> (file IS NULL))
) STRICT;
CREATE UNIQUE INDEX parts_file ON parts (file) WHERE file IS NOT NULL;

-- Files whose body is deleted, to be unlinked when no backup needs them.
CREATE TABLE dropped_files (
    file TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    size INTEGER NOT NULL,               -- prefix and body
    internal_date INTEGER NOT NULL,
    trace INTEGER NOT NULL,
    body INTEGER NOT NULL,               -- parts.id
    prefix INTEGER NOT NULL,             -- parts.id of the lines before the body
    PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trace INTEGER NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    route TEXT,
    parameters TEXT NOT NULL,
    size INTEGER NOT NULL,
    at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,            -- when it is due, or when its lease ends
    expires_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_reply TEXT NOT NULL DEFAULT '',
    body INTEGER NOT NULL,
    prefix INTEGER NOT NULL
) STRICT;
CREATE INDEX queue_next_at ON queue (next_at);

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trace INTEGER NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    recipient_key TEXT NOT NULL,         -- the recipient in lower case
    account INTEGER,
    reason TEXT NOT NULL,
    verdict TEXT NOT NULL,
    size INTEGER NOT NULL,
    at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state INTEGER NOT NULL,              -- 0 held, 1 released
    body INTEGER NOT NULL,
    prefix INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantine_recipient ON quarantine (recipient_key, id);
CREATE INDEX quarantine_expires_at ON quarantine (expires_at);

CREATE TABLE lists (
    list INTEGER NOT NULL,               -- 0 allow, 1 block, 2 feedback
    owner_kind INTEGER NOT NULL,         -- 0 everybody, 1 domain, 2 recipient
    owner TEXT NOT NULL,
    kind INTEGER NOT NULL,               -- 0 network, 1 address, 2 domain
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    trace INTEGER,
    strikes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (list, owner_kind, owner, kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX lists_expires_at ON lists (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE probe_cache (
    probe TEXT NOT NULL,
    subject TEXT NOT NULL,
    conclusive INTEGER NOT NULL,
    facts TEXT NOT NULL,
    at INTEGER NOT NULL,
    refresh_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (probe, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX probe_cache_expires_at ON probe_cache (expires_at);

CREATE TABLE traces (
    id INTEGER PRIMARY KEY,              -- the trace id as a number: grows with time
    at INTEGER NOT NULL,
    client TEXT NOT NULL,
    helo TEXT NOT NULL,
    sender TEXT,                         -- '' is the null path, NULL is none given
    recipients TEXT NOT NULL,            -- a line each: address, tab, verdict
    outcome TEXT NOT NULL,
    reply TEXT NOT NULL,
    size INTEGER NOT NULL,
    duration_us INTEGER NOT NULL
) STRICT;

CREATE TABLE evidence (
    trace INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;
