-- Who may do what, beside the events, so that what holds on one instance holds on all.
--
-- access_version  one row. Its number moves with each change that instances must hear of; they see it when they look at the heads.
-- api_keys        credentials that the service issued, never deleted: one that is revoked still says that there was one.
-- revocations     credentials that are not taken any more although they are valid by themselves.
-- tenants         a log's own settings, by its name, because the log itself may not be there yet.
-- tickets         one-time texts that stand for a principal: each can be bound to one subscription, and each use is newer than the last.
-- audit           who changed what. Lines are added, and neither changed nor removed.
-- service_secret  random bytes for a service that was not given a secret.
--
-- Of secrets there are digests only, but for the last table. Times are microseconds.

CREATE TABLE access_version (
    one     smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    version bigint NOT NULL DEFAULT 0                    -- see move_access_version()
);
INSERT INTO access_version DEFAULT VALUES;

CREATE TABLE api_keys (
    id              text COLLATE "C" PRIMARY KEY,        -- serves: rotating and ending a key
    tenant          text COLLATE "C" NOT NULL,
    name            text   NOT NULL,
    kind            text COLLATE "C" NOT NULL CHECK (kind IN ('bearer', 'signing')),
    digest          bytea  NOT NULL CHECK (octet_length(digest) = 32),
    generation      bigint NOT NULL CHECK (generation > 0),
    previous_digest bytea  CHECK (octet_length(previous_digest) = 32),
    previous_until  bigint,
    rights          text   NOT NULL,
    created_at      bigint NOT NULL,
    expires_at      bigint,
    revoked_at      bigint
);

CREATE TABLE revocations (
    id            text COLLATE "C" PRIMARY KEY,          -- serves: lifting a revocation
    tenant        text COLLATE "C",
    subject       text COLLATE "C",
    token_id      text COLLATE "C",
    issued_before bigint,
    created_at    bigint NOT NULL,
    expires_at    bigint
);

CREATE INDEX revocations_by_end ON revocations (expires_at) WHERE expires_at IS NOT NULL; -- serves: forgetting what has expired

CREATE TABLE tenants (
    tenant             text COLLATE "C" PRIMARY KEY,     -- serves: setting a log's settings
    retention_days     bigint,
    retention_events   bigint,
    max_connections    bigint,
    publish_per_second bigint,
    deliver_per_second bigint
);

CREATE TABLE tickets (
    digest       bytea  PRIMARY KEY CHECK (octet_length(digest) = 32),   -- serves: redeeming a ticket
    principal    text   NOT NULL,
    first_use_by bigint NOT NULL,
    expires_at   bigint NOT NULL,
    subscription bytea  CHECK (octet_length(subscription) = 32),         -- what the first use bound it to
    uses         bigint NOT NULL DEFAULT 0,
    reused       bigint          -- the version that its last use moved to, unless that was the first
);

CREATE INDEX tickets_by_end ON tickets (expires_at);                         -- serves: forgetting what has expired
CREATE INDEX tickets_unused ON tickets (first_use_by) WHERE uses = 0;        -- serves: forgetting what was not used in time
CREATE INDEX tickets_reused ON tickets (reused) WHERE reused IS NOT NULL;    -- serves: which were used again behind a version?

CREATE TABLE audit (
    number bigint PRIMARY KEY,                           -- serves: the trail of all logs, in order
    at     bigint NOT NULL,
    tenant text COLLATE "C",
    actor  text   NOT NULL,
    action text   NOT NULL,
    target text   NOT NULL,
    reason text
);

CREATE INDEX audit_by_tenant ON audit (tenant, number);                      -- serves: the trail of one log, in order

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- whoever imports rows as a replica would otherwise pass by it
ALTER TABLE audit ENABLE ALWAYS TRIGGER append_only;

CREATE TABLE service_secret (
    one    smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    secret bytea NOT NULL CHECK (octet_length(secret) = 32)
);

-- Moves the version and keeps its row locked until the commit: a number is seen only when all the smaller ones are. It goes by the clock,
-- so that after a loss of the last commits (a failover, a restore) no number comes again that an instance may remember with another
-- meaning.
CREATE FUNCTION move_access_version() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    UPDATE access_version SET version = greatest(version + 1, micros_now()) RETURNING version
$$;

-- Adds a line to the trail, in the transaction of the change that it tells of. Under the version's lock, so that the numbers are dense and
-- become visible in their order: a reader that pages by number misses none.
CREATE FUNCTION note_access_change(p_moves boolean, p_tenant text, p_actor text, p_action text, p_target text, p_reason text) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_number bigint;
BEGIN
    IF p_moves THEN
        PERFORM move_access_version();
    ELSE
        PERFORM FROM access_version FOR UPDATE;
    END IF;
    -- a statement of its own: its snapshot sees what the last holder of the lock committed
    INSERT INTO audit (number, at, tenant, actor, action, target, reason)
    SELECT coalesce(max(a.number), 0) + 1, micros_now(), p_tenant, p_actor, p_action, p_target, p_reason FROM audit a
    RETURNING number INTO STRICT v_number;
    RETURN v_number;
END
$$;

-- Takes a ticket: no row unless it may be used for this subscription. The update waits for a use that is under way, and judges what that
-- one left.
CREATE FUNCTION redeem_ticket(p_digest bytea, p_subscription bytea, OUT principal text, OUT uses bigint) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_now bigint := micros_now();
BEGIN
    UPDATE tickets AS t SET uses = t.uses + 1, subscription = p_subscription
    WHERE t.digest = p_digest AND v_now < t.expires_at
        AND CASE WHEN t.uses = 0 THEN v_now < t.first_use_by ELSE t.subscription = p_subscription END
    RETURNING t.principal, t.uses INTO redeem_ticket.principal, redeem_ticket.uses;
    IF NOT found THEN
        RETURN;
    END IF;
    IF redeem_ticket.uses > 1 THEN
        UPDATE tickets AS t SET reused = move_access_version() WHERE t.digest = p_digest;
    END IF;
    RETURN NEXT;
END
$$;

-- The secret, made by whoever asks first. Made here, so that it travels to the service alone and is in no statement that a server may log.
CREATE FUNCTION open_service_secret() RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_secret bytea;
BEGIN
    SELECT s.secret INTO v_secret FROM service_secret s;
    IF NOT found THEN
        -- two random UUIDs: 244 bits of the server's strong randomness
        INSERT INTO service_secret (secret) VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
        ON CONFLICT (one) DO NOTHING;
        SELECT s.secret INTO STRICT v_secret FROM service_secret s;
    END IF;
    RETURN v_secret;
END
$$;
