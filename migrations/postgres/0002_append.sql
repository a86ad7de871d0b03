-- What has to happen under the lock of a head row is done by functions, each one call in its own transaction: a transaction that a client
-- held open could freeze every publisher. All are VOLATILE and run in READ COMMITTED, where each statement has a snapshot of its own: the
-- first statement only locks, so that those after it see all that the last holder of the lock committed.

-- Which store this is. A restored cluster, a copied database and a promoted replica each differ in one part from what wrote the head.
CREATE FUNCTION store_identity() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT format('%s/%s/%s',
        (SELECT system_identifier FROM pg_control_system()),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        left(pg_walfile_name(pg_current_wal_lsn()), 8))
$$;

CREATE FUNCTION micros_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

-- Starts a numbering behind the head. The caller holds the head's lock, or made the row.
CREATE FUNCTION start_epoch(p_log integer, p_epoch bigint, p_cause text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO epochs (log, ordinal, epoch, first_seq, cause, at)
    SELECT l.id, coalesce((SELECT max(e.ordinal) + 1 FROM epochs e WHERE e.log = l.id), 0), p_epoch, l.head + 1, p_cause, micros_now()
    FROM logs l WHERE l.id = p_log;
    UPDATE logs SET epoch = p_epoch, store = store_identity() WHERE id = p_log;
END
$$;

-- The log of this name, made when there is none.
CREATE FUNCTION open_log(p_name text, p_epoch bigint) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_log integer;
BEGIN
    SELECT id INTO v_log FROM logs WHERE name = p_name;
    IF NOT found THEN
        INSERT INTO logs (name, epoch, store) VALUES (p_name, p_epoch, store_identity()) ON CONFLICT (name) DO NOTHING RETURNING id INTO v_log;
        IF found THEN
            PERFORM start_epoch(v_log, p_epoch, 'created');
        ELSE
            SELECT id INTO STRICT v_log FROM logs WHERE name = p_name;
        END IF;
    END IF;
    RETURN v_log;
END
$$;

-- Starts a numbering because someone asked for it.
CREATE FUNCTION new_epoch(p_log integer, p_epoch bigint, p_cause text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM logs WHERE id = p_log FOR UPDATE;
    IF NOT found THEN
        RAISE EXCEPTION 'no log %', p_log;
    END IF;
    PERFORM start_epoch(p_log, p_epoch, p_cause);
END
$$;

-- Numbers and stores what is new. The arrays from p_request to p_envelope have one element an event, in the order of numbering; those of
-- postings one a posting, p_posting_event being the index of its event, from 1. p_epoch is used if a numbering has to be started.
-- statuses: 0 stored, 1 duplicate, 2 conflict, 3 not stored because its request was refused; seqs: 0 where there is none.
CREATE FUNCTION append_events(
    p_log integer, p_epoch bigint,
    p_request integer[], p_keep boolean[], p_source text[], p_id text[], p_digest bytea[], p_envelope text[],
    p_posting_event integer[], p_posting_selector bigint[],
    OUT epoch bigint, OUT before bigint, OUT head bigint, OUT received_at bigint, OUT statuses smallint[], OUT seqs bigint[]
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_head      logs%ROWTYPE;
    v_stored    bigint;
    v_ambiguous bigint;
    v_events    bigint;
    v_ids       bigint;
BEGIN
    -- only locks: a deduplication in this statement would not see what the last holder of the lock committed
    SELECT l.* INTO v_head FROM logs l WHERE l.id = p_log FOR UPDATE;
    IF NOT found THEN
        RAISE EXCEPTION 'no log %', p_log;
    END IF;

    -- before any number is given out: the numbers behind this head may have been given out already, by a store that is gone
    IF v_head.store <> store_identity() THEN
        PERFORM start_epoch(p_log, p_epoch, 'store changed');
        v_head.epoch := p_epoch;
    END IF;

    WITH given AS (
        SELECT u.*, k.seq AS known_seq, k.digest AS known_digest,
            first_value(u.ord) OVER same AS first_ord,
            first_value(u.digest) OVER same AS first_digest,
            min(u.request) OVER same <> u.request AS ambiguous
        FROM unnest(p_request, p_keep, p_source, p_id, p_digest) WITH ORDINALITY AS u (request, keep, source, id, digest, ord)
        LEFT JOIN LATERAL (
            SELECT i.seq, i.digest FROM ids i WHERE i.log = p_log AND i.source = u.source AND i.id = u.id
        ) k ON true
        WINDOW same AS (PARTITION BY u.source, u.id ORDER BY u.ord)
    ), judged AS (
        SELECT g.*, CASE
            WHEN known_seq IS NULL AND ord = first_ord THEN 0
            WHEN coalesce(known_digest, first_digest) = digest THEN 1
            ELSE 2 END AS verdict
        FROM given g
    ), settled AS (
        SELECT j.*, NOT keep AND bool_or(verdict = 2) OVER (PARTITION BY request) AS refused FROM judged j
    ), numbered AS (
        SELECT s.*, CASE
            WHEN verdict = 0 AND NOT refused THEN v_head.head + count(*) FILTER (WHERE verdict = 0 AND NOT refused) OVER (ORDER BY ord)
            END AS own_seq
        FROM settled s
    ), answered AS (
        -- the first of its id in this call carries the seq of its repetitions
        SELECT n.*, coalesce(known_seq, first_value(own_seq) OVER (PARTITION BY source, id ORDER BY ord), 0) AS seq FROM numbered n
    )
    SELECT
        coalesce(array_agg((CASE WHEN refused AND verdict < 2 THEN 3 ELSE verdict END)::smallint ORDER BY ord), '{}'),
        coalesce(array_agg(seq ORDER BY ord), '{}'),
        count(own_seq),
        count(*) FILTER (WHERE ambiguous)
    INTO statuses, seqs, v_stored, v_ambiguous
    FROM answered;

    IF v_ambiguous > 0 THEN
        RAISE EXCEPTION 'an id is shared by two requests of one append';
    END IF;

    epoch := v_head.epoch;
    before := v_head.head;
    head := v_head.head + v_stored;
    received_at := greatest(v_head.last_at, micros_now());
    IF v_stored = 0 THEN
        RETURN;
    END IF;

    INSERT INTO events (log, seq, received_at, envelope)
    SELECT p_log, u.seq, append_events.received_at, u.envelope
    FROM unnest(seqs, statuses, p_envelope) AS u (seq, status, envelope)
    WHERE u.status = 0;
    GET DIAGNOSTICS v_events = ROW_COUNT;

    INSERT INTO ids (log, source, id, digest, seq, received_at)
    SELECT p_log, u.source, u.id, u.digest, u.seq, append_events.received_at
    FROM unnest(seqs, statuses, p_source, p_id, p_digest) AS u (seq, status, source, id, digest)
    WHERE u.status = 0;
    GET DIAGNOSTICS v_ids = ROW_COUNT;

    INSERT INTO postings (log, selector, seq)
    SELECT p_log, u.selector, seqs[u.event]
    FROM unnest(p_posting_event, p_posting_selector) AS u (event, selector)
    WHERE statuses[u.event] = 0;

    -- the head must move by exactly what was inserted, or readers would wait for a hole for ever
    IF v_events <> v_stored OR v_ids <> v_stored THEN
        RAISE EXCEPTION 'append of % stored % events and % ids', v_stored, v_events, v_ids;
    END IF;
    UPDATE logs l SET head = append_events.head, last_at = append_events.received_at WHERE l.id = p_log;
END
$$;
