-- A store of format 1, as Postern 0.1 wrote it (dump).
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES('directory',4);
INSERT INTO counters VALUES('lists',1);
INSERT INTO counters VALUES('uid_validity',1795331216);
CREATE TABLE domains (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    route TEXT,                          -- host:port of the MTA behind; NULL: mailboxes here
    added_at INTEGER NOT NULL
) STRICT;
INSERT INTO domains VALUES(1,'example.test',NULL,1795331216741);
INSERT INTO domains VALUES(2,'behind.test','10.0.0.1:25',1795331216770);
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    domain INTEGER NOT NULL REFERENCES domains (id),
    local_key TEXT NOT NULL,             -- the local part in lower case
    address TEXT NOT NULL,               -- as it was added
    password_hash TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    UNIQUE (domain, local_key)
) STRICT;
INSERT INTO accounts VALUES(1,1,'anna','anna@example.test','hash',1795331216785);
CREATE TABLE aliases (
    domain INTEGER NOT NULL REFERENCES domains (id),
    local_key TEXT NOT NULL,             -- the local part in lower case; '' is the catch-all
    target TEXT NOT NULL,
    name TEXT NOT NULL,                  -- as it was added
    PRIMARY KEY (domain, local_key, target)
) STRICT, WITHOUT ROWID;
INSERT INTO aliases VALUES(1,'','anna@example.test','@example.test');
CREATE TABLE mailboxes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER REFERENCES accounts (id),  -- NULL: the account is gone, the mail is being removed
    name TEXT NOT NULL,
    uid_validity INTEGER NOT NULL,
    uid_next INTEGER NOT NULL DEFAULT 1,
    modseq INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, name)
) STRICT;
INSERT INTO mailboxes VALUES(1,1,'INBOX',1795000000,2,1);
CREATE TABLE parts (
    id INTEGER PRIMARY KEY,
    copies INTEGER NOT NULL,             -- how often messages, quarantine and queue name it
    size INTEGER NOT NULL,
    checksum INTEGER NOT NULL,           -- CRC-32 (ISO 3309)
    file TEXT,                           -- in a file of the folder of bodies …
    octets BLOB,                         -- … or here; last, so that the rest is read without it
    CHECK ((octets IS NULL) <> (file IS NULL))
) STRICT;
INSERT INTO parts VALUES(1,3,28,2394375242,NULL,X'5375626a6563743a207965737465726461790d0a0d0a746578740d0a');
INSERT INTO parts VALUES(2,1,50,1255816352,NULL,X'52657475726e2d506174683a203c3e0d0a44656c6976657265642d546f3a20616e6e61406578616d706c652e746573740d0a');
INSERT INTO parts VALUES(3,1,50,1255816352,NULL,X'52657475726e2d506174683a203c3e0d0a44656c6976657265642d546f3a20616e6e61406578616d706c652e746573740d0a');
INSERT INTO parts VALUES(4,1,0,0,NULL,X'');
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
    body INTEGER NOT NULL,
    prefix INTEGER NOT NULL,             -- parts.id of the lines before the body
    PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;
INSERT INTO messages VALUES(1,1,1,0,78,1795331216810,250155071953473536,1,2);
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
INSERT INTO queue VALUES(1,250155071953473536,'bert@sender.example','carla@elsewhere.test',NULL,'',28,1795331216810,1795331216810,1900000000000,0,'',1,4);
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
INSERT INTO quarantine VALUES(1,250155071953473536,'bert@sender.example','anna@example.test','anna@example.test',1,'held','{}',78,1795331216810,1900000000000,0,1,3);
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
INSERT INTO lists VALUES(1,0,'',0,'192.0.2.0/24','by hand',NULL,1,1900000000000,NULL);
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
INSERT INTO probe_cache VALUES('user','bert@sender.example',1,'{}',1900000000000,1900000000000,1900000000000);
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
INSERT INTO traces VALUES(250155071953473536,1795331216810,'192.0.2.7','mx.sender.example','bert@sender.example',replace('anna@example.test	delivered\n','\n',char(10)),'accepted','250 2.0.0 accepted',17,1234);
CREATE TABLE evidence (
    trace INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;
INSERT INTO evidence VALUES(250155071953473536,'{"findings":[]}');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('domains',2);
INSERT INTO sqlite_sequence VALUES('accounts',1);
INSERT INTO sqlite_sequence VALUES('mailboxes',1);
INSERT INTO sqlite_sequence VALUES('quarantine',1);
INSERT INTO sqlite_sequence VALUES('queue',1);
CREATE UNIQUE INDEX parts_file ON parts (file) WHERE file IS NOT NULL;
CREATE INDEX queue_next_at ON queue (next_at);
CREATE INDEX quarantine_recipient ON quarantine (recipient_key, id);
CREATE INDEX quarantine_expires_at ON quarantine (expires_at);
CREATE INDEX lists_expires_at ON lists (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX probe_cache_expires_at ON probe_cache (expires_at);
COMMIT;
PRAGMA application_id=1347638350;
PRAGMA user_version=1;
