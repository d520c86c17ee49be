-- name: name_endpoint
-- The run is locked: its end comes after this and sees it, or came before.
INSERT INTO run_webhook (run_id, endpoint_id) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: resume
UPDATE webhook_endpoint SET paused_at = NULL, paused_because = NULL, failing_since = NULL WHERE id = $1

-- name: begin_afresh
-- What an endpoint was not told yet gets all its tries again.
UPDATE webhook_delivery SET tries = 0, failing_since = NULL
WHERE endpoint_id = $1 AND state = 'waiting' AND due_at IS NULL AND tries > 0

-- name: release_withheld
-- As many as there is room for at endpoint $1, the oldest first, one token each. Its row is locked by this transaction, or
-- two of these would both see the room.
WITH chosen AS (
    SELECT id FROM webhook_delivery
    WHERE endpoint_id = $1 AND state = 'waiting' AND due_at IS NULL
    ORDER BY created_at, id
    LIMIT greatest(0, $2 - (
        SELECT count(*) FROM webhook_delivery WHERE endpoint_id = $1 AND state IN ('ready', 'sending')))
    FOR NO KEY UPDATE SKIP LOCKED
), released AS (
    UPDATE webhook_delivery d SET state = 'ready' FROM chosen WHERE d.id = chosen.id RETURNING d.id
)
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), 'webhook' FROM released

-- name: send_again
WITH again AS (
    UPDATE webhook_delivery SET state = 'ready', tries = 0, failing_since = NULL, due_at = NULL
    WHERE id = $1 AND state IN ('waiting', 'delivered', 'failed')
    RETURNING id
), token AS (
    INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), 'webhook' FROM again
)
SELECT id FROM again
