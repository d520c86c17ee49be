-- name: lock_outbox
-- Locked, sent and deleted in one transaction that ends after the confirms: what was not confirmed stays. The order of
-- ids is not the order of commits, so nothing remembers a position.
SELECT id, message_id, lane, routing_key, headers, body
FROM outbox WHERE lane IS NULL OR lane <> ALL($2::text[]) ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED

-- name: lock_one_of_lane
SELECT id, message_id, lane, routing_key, headers, body
FROM outbox WHERE lane = $1 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: delete_sent
DELETE FROM outbox WHERE id = ANY($1::bigint[])
