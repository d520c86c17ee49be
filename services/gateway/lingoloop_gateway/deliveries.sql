-- name: deliveries_page
-- The newest first, without what was sent. $3 statuses or null, $4 the last id of the page before.
SELECT id, event_id, run_id, event_type, state, tries, status_code, error, created_at, delivered_at, due_at
FROM webhook_delivery
WHERE endpoint_id = $1 AND owner = $2 AND ($3::text[] IS NULL OR state = ANY($3)) AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5

-- name: lock_delivery
SELECT state FROM webhook_delivery WHERE id = $1 AND endpoint_id = $2 AND owner = $3 FOR NO KEY UPDATE

-- name: delivery_by_id
SELECT * FROM webhook_delivery WHERE id = $1 AND endpoint_id = $2 AND owner = $3
