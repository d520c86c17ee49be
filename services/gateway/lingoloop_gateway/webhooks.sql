-- name: endpoint_by_id
SELECT * FROM webhook_endpoint WHERE id = $1 AND owner = $2

-- name: endpoints_page
-- The newest first. ($2, $3) where the page before ended.
SELECT * FROM webhook_endpoint
WHERE owner = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
ORDER BY created_at DESC, id DESC LIMIT $4

-- name: lock_endpoint
SELECT id FROM webhook_endpoint WHERE id = $1 AND owner = $2 FOR NO KEY UPDATE

-- name: lock_endpoint_at
SELECT id, every_run FROM webhook_endpoint WHERE owner = $1 AND url = $2 FOR NO KEY UPDATE

-- name: count_endpoints
SELECT count(*) FROM webhook_endpoint WHERE owner = $1 AND every_run

-- name: insert_endpoint
INSERT INTO webhook_endpoint (id, owner, url, every_run, secret) VALUES ($1, $2, $3, true, $4) RETURNING *

-- name: tell_of_every_run
UPDATE webhook_endpoint SET every_run = true WHERE id = $1 RETURNING *

-- name: change_secret
UPDATE webhook_endpoint
SET secret = $2, old_secret = secret, old_secret_until = now() + make_interval(hours => $3)
WHERE id = $1
RETURNING *

-- name: delete_endpoint
-- Its deliveries go with it, by their keys.
DELETE FROM webhook_endpoint WHERE id = $1 AND owner = $2 RETURNING id
