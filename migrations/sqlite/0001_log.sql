-- The tables of the log. Every key starts with the log's number: a tenant's numbering, retention and volume are its own.
--
-- logs      one head row a log, written by each append.
-- epochs    the chain of numberings of a log, by which an old cursor is judged.
-- events    what was published, as text that is never re-encoded.
-- ids       who published what under which idempotency key. A table of its own, because ids outlive their events.
-- postings  which events a selector concerns, in seq order.

CREATE TABLE logs (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,                       -- serves: opening a log by its name
    head     INTEGER NOT NULL DEFAULT 0 CHECK (head >= 0),
    earliest INTEGER NOT NULL DEFAULT 1 CHECK (earliest BETWEEN 1 AND head + 1),
    epoch    INTEGER NOT NULL,
    last_at  INTEGER NOT NULL DEFAULT 0                  -- microseconds; the next append may not be earlier
) STRICT;

CREATE TABLE epochs (
    log       INTEGER NOT NULL REFERENCES logs,
    ordinal   INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    cause     TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (log, ordinal),                          -- serves: the chain, oldest first
    UNIQUE (log, epoch)                                  -- an epoch that came twice would make two numberings one
) STRICT, WITHOUT ROWID;

-- with a rowid: envelopes in the key's own tree would leave room for a handful of branches a page
CREATE TABLE events (
    log         INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    received_at INTEGER NOT NULL,                        -- microseconds; never less than its predecessor's, so seq is its index
    envelope    TEXT    NOT NULL,
    PRIMARY KEY (log, seq)                               -- serves: pages, and the bisection by time
) STRICT;

-- with a rowid: the index by age would otherwise repeat source and id
CREATE TABLE ids (
    log         INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    digest      BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (log, source, id)                        -- serves: is this id known?
) STRICT;

CREATE INDEX ids_by_age ON ids (log, received_at);       -- serves: forgetting old ids, oldest first

CREATE TABLE postings (
    log      INTEGER NOT NULL,
    selector INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (log, selector, seq)                     -- serves: the next events of a selector, in seq order
) STRICT, WITHOUT ROWID;
