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
-- As many as there is room for at endpoint $1, among its $2 and its owner's $3, the oldest first, one token each. Its row is
-- locked by this transaction, or two of these would both see the room.
WITH chosen AS (
    SELECT id FROM webhook_delivery
    WHERE endpoint_id = $1 AND state = 'waiting' AND due_at IS NULL
    ORDER BY created_at, id
    LIMIT (
        SELECT greatest(0, least($2 - count(*) FILTER (WHERE d.endpoint_id = $1), $3 - count(*)))
        FROM webhook_endpoint e JOIN webhook_endpoint o ON o.owner = e.owner
        JOIN webhook_delivery d ON d.endpoint_id = o.id AND d.state IN ('ready', 'sending')
        WHERE e.id = $1)
    FOR NO KEY UPDATE SKIP LOCKED
), released AS (
    UPDATE webhook_delivery d SET state = 'ready', ready_at = now() FROM chosen WHERE d.id = chosen.id RETURNING d.id
)
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), 'webhook' FROM released

-- name: idle_endpoints
-- At most $3 endpoints, of owner $1 or of all owners who have room among their $2, from which deliveries are withheld though
-- none is under way there: there was no room for their owner, or what would have let them go was deleted with its run. Not
-- waited for: whoever holds one lets them go.
SELECT e.id FROM webhook_endpoint e
WHERE paused_at IS NULL
  AND ($1::text IS NULL OR owner = $1)
  AND EXISTS (SELECT FROM webhook_delivery d WHERE d.endpoint_id = e.id AND state = 'waiting' AND due_at IS NULL)
  AND NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.endpoint_id = e.id AND state IN ('ready', 'sending'))
  AND ($1 IS NOT NULL OR owner NOT IN (
      SELECT owner FROM webhook_delivery WHERE state IN ('ready', 'sending') GROUP BY owner HAVING count(*) >= $2))
ORDER BY random() LIMIT $3
FOR NO KEY UPDATE SKIP LOCKED

-- name: send_again
WITH again AS (
    UPDATE webhook_delivery SET state = 'ready', ready_at = now(), tries = 0, failing_since = NULL, due_at = NULL
    WHERE id = $1 AND state IN ('waiting', 'delivered', 'failed')
    RETURNING id
), token AS (
    INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), 'webhook' FROM again
)
SELECT id FROM again
