-- name: take_outbox
-- Taken and deleted in one transaction that ends after the confirms: what was not confirmed stays. The order of ids
-- is not the order of commits, so nothing remembers a position.
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING id, message_id, lane, routing_key, headers, body
