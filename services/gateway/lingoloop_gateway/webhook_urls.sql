-- name: endpoint_at
-- Held: one that is being deleted is not found, but made anew.
SELECT id FROM webhook_endpoint WHERE owner = $1 AND url = $2 FOR KEY SHARE

-- name: count_named
SELECT count(*) FROM webhook_endpoint WHERE owner = $1 AND NOT every_run

-- name: insert_named
INSERT INTO webhook_endpoint (id, owner, url, every_run, secret) VALUES ($1, $2, $3, false, $4)
