-- What the sending of webhooks needs beside 0014.

-- UUID version 7, as `store/ids.py` makes it: for rows of which only the database knows how many there are.
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(
                uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
            ), 52, 1), 53, 1),
        'hex')::uuid
$$;

-- Of the tries since it was written, or sent again by hand: an endpoint is paused when nothing arrived since then.
ALTER TABLE webhook_delivery ADD COLUMN failing_since timestamptz;

-- Under way at an endpoint; `ready` and `sending` have room there, the others are withheld: `waiting` without `due_at`.
DROP INDEX idx_webhook_delivery_sending;
CREATE INDEX idx_webhook_delivery_open ON webhook_delivery (endpoint_id) WHERE state IN ('ready', 'sending');
CREATE INDEX idx_webhook_delivery_withheld ON webhook_delivery (endpoint_id, created_at, id)
    WHERE state = 'waiting' AND due_at IS NULL;

-- Neither under way nor due: these are forgotten after a while.
CREATE INDEX idx_webhook_delivery_old ON webhook_delivery (created_at) WHERE due_at IS NULL AND state <> 'ready';
