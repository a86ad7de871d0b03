-- Who may do what, beside the events, so that what holds for one process holds for all that use the file.
--
-- access_version  one row. Its number moves with each change that processes must hear of; they see it when they look at the heads.
-- api_keys        credentials that the service issued, never deleted: one that is revoked still says that there was one.
-- revocations     credentials that are not taken any more although they are valid by themselves.
-- tenants         a log's own settings, by its name, because the log itself may not be there yet.
-- tickets         one-time texts that stand for a principal: each can be bound to one subscription, and each use is newer than the last.
-- audit           who changed what. Lines are added, and neither changed nor removed.
-- service_secret  random bytes for a service that was not given a secret.
--
-- Of secrets there are digests only, but for the last table. Times are microseconds.

-- the version goes by the clock where that is ahead of counting: in a file that was put back from a backup no number comes again that a
-- process may remember with another meaning
CREATE TABLE access_version (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO access_version (one) VALUES (1);

CREATE TABLE api_keys (
    id              TEXT    NOT NULL PRIMARY KEY,        -- serves: rotating and ending a key
    tenant          TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('bearer', 'signing')),
    digest          BLOB    NOT NULL CHECK (octet_length(digest) = 32),
    generation      INTEGER NOT NULL CHECK (generation > 0),
    previous_digest BLOB    CHECK (octet_length(previous_digest) = 32),
    previous_until  INTEGER,
    rights          TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    revoked_at      INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE revocations (
    id            TEXT    NOT NULL PRIMARY KEY,          -- serves: lifting a revocation
    tenant        TEXT,
    subject       TEXT,
    token_id      TEXT,
    issued_before INTEGER,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX revocations_by_end ON revocations (expires_at) WHERE expires_at IS NOT NULL; -- serves: forgetting what has expired

CREATE TABLE tenants (
    tenant             TEXT NOT NULL PRIMARY KEY,        -- serves: setting a log's settings
    retention_days     INTEGER,
    retention_events   INTEGER,
    max_connections    INTEGER,
    publish_per_second INTEGER,
    deliver_per_second INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
    digest       BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 32),   -- serves: redeeming a ticket
    principal    TEXT    NOT NULL,
    first_use_by INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    subscription BLOB    CHECK (octet_length(subscription) = 32),   -- what the first use bound it to
    uses         INTEGER NOT NULL DEFAULT 0,
    reused       INTEGER         -- the version that its last use moved to, unless that was the first
) STRICT, WITHOUT ROWID;

CREATE INDEX tickets_by_end ON tickets (expires_at);                         -- serves: forgetting what has expired
CREATE INDEX tickets_unused ON tickets (first_use_by) WHERE uses = 0;        -- serves: forgetting what was not used in time
CREATE INDEX tickets_reused ON tickets (reused) WHERE reused IS NOT NULL;    -- serves: which were used again behind a version?

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,                          -- serves: the trail of all logs, in order; one more than the last
    at     INTEGER NOT NULL,
    tenant TEXT,
    actor  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    target TEXT    NOT NULL,
    reason TEXT
) STRICT;

CREATE INDEX audit_by_tenant ON audit (tenant, number);                      -- serves: the trail of one log, in order

CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- what REPLACE deletes passes by the trigger above
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TABLE service_secret (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    secret BLOB NOT NULL CHECK (octet_length(secret) = 32)
) STRICT;
