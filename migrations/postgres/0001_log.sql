-- The tables of the log. Every key starts with the log's number: a tenant's numbering, retention and volume are its own.
--
-- logs      one head row a log. Every append locks it first, so that seqs are given out in commit order and dense.
-- epochs    the chain of numberings of a log, by which an old cursor is judged.
-- events    what was published, as text that is never re-encoded.
-- ids       who published what under which idempotency key. A table of its own, because ids outlive their events.
-- postings  which events a selector concerns, in seq order. (An array with GIN over it cannot return rows in seq order.)

CREATE TABLE logs (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text COLLATE "C" NOT NULL UNIQUE,           -- serves: opening a log by its name
    head     bigint NOT NULL DEFAULT 0 CHECK (head >= 0),
    earliest bigint NOT NULL DEFAULT 1 CHECK (earliest BETWEEN 1 AND head + 1),
    epoch    bigint NOT NULL,
    last_at  bigint NOT NULL DEFAULT 0,                  -- microseconds; the next append may not be earlier
    store    text   NOT NULL                             -- which store wrote the head: see store_identity()
) WITH (fillfactor = 50);                                -- a head row is rewritten by each append: room to do so within its page

CREATE TABLE epochs (
    log       integer NOT NULL REFERENCES logs,
    ordinal   integer NOT NULL,
    epoch     bigint  NOT NULL,
    first_seq bigint  NOT NULL,
    cause     text    NOT NULL,
    at        bigint  NOT NULL,
    PRIMARY KEY (log, ordinal),                          -- serves: the chain, oldest first
    UNIQUE (log, epoch)                                  -- an epoch that came twice would make two numberings one
);

CREATE TABLE events (
    log         integer NOT NULL,
    seq         bigint  NOT NULL,
    received_at bigint  NOT NULL,                        -- microseconds; never less than its predecessor's, so seq is its index
    envelope    text    NOT NULL,
    PRIMARY KEY (log, seq)                               -- serves: pages, and the bisection by time
);

CREATE TABLE ids (
    log         integer NOT NULL,
    source      text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    digest      bytea   NOT NULL,
    seq         bigint  NOT NULL,
    received_at bigint  NOT NULL,
    PRIMARY KEY (log, source, id)                        -- serves: is this id known?
);

-- serves: forgetting old ids, oldest first. A commit's rows share one time, so they are one deduplicated entry at the right edge; a BRIN
-- index would be smaller, but its ranges never narrow again once freed pages are reused, and each forgetting would read the whole table
CREATE INDEX ids_by_age ON ids (log, received_at);

CREATE TABLE postings (
    log      integer NOT NULL,
    selector bigint  NOT NULL,
    seq      bigint  NOT NULL,
    PRIMARY KEY (log, selector, seq)                     -- serves: the next events of a selector, in seq order
);
