-- Numbers of logs are drawn, not counted: a database that was put back to an earlier moment gives out no number again that an instance may
-- remember as another log's. Logs keep the numbers they have.

-- The log of this name, made when there is none. `default` gets the first number, which nobody else does.
CREATE OR REPLACE FUNCTION open_log(p_name text, p_epoch bigint) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_log integer;
BEGIN
    LOOP
        SELECT id INTO v_log FROM logs WHERE name = p_name;
        IF found THEN
            RETURN v_log;
        END IF;
        -- someone else may take the name, or the number, at the same time
        INSERT INTO logs (id, name, epoch, store) OVERRIDING SYSTEM VALUE
        SELECT
            CASE WHEN p_name = 'default' AND NOT EXISTS (SELECT FROM logs WHERE id = 1) THEN 1 ELSE 2 + floor(random() * 2147483646)::integer END,
            p_name, p_epoch, store_identity()
        ON CONFLICT DO NOTHING RETURNING id INTO v_log;
        IF found THEN
            PERFORM start_epoch(v_log, p_epoch, 'created');
            RETURN v_log;
        END IF;
    END LOOP;
END
$$;
