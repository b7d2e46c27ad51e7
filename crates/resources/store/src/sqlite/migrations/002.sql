-- Format 2: what the active filter remembers.

-- The owner of a profile or of a list entry: '' is everybody, what has an @ a recipient, else a domain.
CREATE TABLE profiles (
    owner TEXT PRIMARY KEY,              -- in lower case
    failed TEXT,                         -- pass, tag, quarantine, reject; NULL: as the next wider profile says
    learn INTEGER                        -- whether those written to are allowed; NULL: as the next wider one
) STRICT, WITHOUT ROWID;

-- For the question that every RCPT asks; feedback and everybody's networks are not in them.
CREATE INDEX lists_senders ON lists (owner, subject) WHERE kind > 0 AND list < 2;
CREATE INDEX lists_owned_networks ON lists (owner) WHERE kind = 0 AND list < 2 AND owner_kind > 0;

-- What later stages have seen of hosts, for the feedback list. The sums are those of `at` and decay.
CREATE TABLE hosts (
    host TEXT PRIMARY KEY,               -- an IPv4 address or an IPv6 /64
    at INTEGER NOT NULL,
    strikes REAL NOT NULL,
    clean REAL NOT NULL,
    level REAL NOT NULL,                 -- how far its blocks have grown
    domains INTEGER NOT NULL,            -- which domains it was shown to send for, a bit for each
    banned_until INTEGER NOT NULL,
    parole_until INTEGER NOT NULL,
    lifted_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX hosts_at ON hosts (at);

CREATE TABLE strikes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    host TEXT NOT NULL,
    at INTEGER NOT NULL,
    offence TEXT NOT NULL,
    weight INTEGER NOT NULL,             -- in hundredths
    trace INTEGER NOT NULL,
    words TEXT NOT NULL
) STRICT;
CREATE INDEX strikes_host ON strikes (host, id);
CREATE INDEX strikes_at ON strikes (at);

CREATE TABLE probe_ledger (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    probe TEXT NOT NULL,                 -- which test
    subject TEXT NOT NULL,               -- what was asked about
    target TEXT NOT NULL,                -- the host that was connected to
    provider TEXT,                       -- the registered domain of its name
    network TEXT NOT NULL,               -- its network
    place TEXT NOT NULL,                 -- whose budget it took from: a domain or a network
    reason TEXT NOT NULL,                -- why it was asked: a trace id, `by hand`
    outcome TEXT NOT NULL,               -- '' while it is under way
    commands TEXT NOT NULL,              -- the conversation, one line each
    duration_us INTEGER NOT NULL
) STRICT;
CREATE INDEX probe_ledger_at ON probe_ledger (at);
CREATE INDEX probe_ledger_provider ON probe_ledger (provider, at) WHERE provider IS NOT NULL;
CREATE INDEX probe_ledger_network ON probe_ledger (network, at);

CREATE TABLE policies (
    version TEXT PRIMARY KEY,
    json TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER                      -- when another took its place last; NULL: in use
) STRICT, WITHOUT ROWID;

CREATE TABLE links (
    token_hash BLOB PRIMARY KEY,         -- SHA-256 of the token: who reads the store cannot use it
    recipient TEXT NOT NULL,             -- in lower case
    at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    used_by BLOB                         -- SHA-256 of the cookie of the browser that used it
) STRICT, WITHOUT ROWID;
CREATE INDEX links_expires_at ON links (expires_at);
CREATE INDEX links_recipient ON links (recipient, at);

CREATE TABLE web_sessions (
    token_hash BLOB PRIMARY KEY,         -- SHA-256 of the cookie
    recipient TEXT NOT NULL,             -- in lower case
    at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_sessions_expires_at ON web_sessions (expires_at);

CREATE TABLE digests (
    recipient TEXT PRIMARY KEY,          -- in lower case
    up_to INTEGER NOT NULL,              -- the last entry of the quarantine that a digest told of
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
