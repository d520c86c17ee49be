-- name: insert_key
INSERT INTO api_key (id, owner, scope, name, sha256) VALUES ($1, $2, $3, $4, $5)

-- name: all_keys
SELECT id, owner, scope, name, created_at, revoked_at FROM api_key ORDER BY id

-- name: revoke_key
UPDATE api_key SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id

-- name: key_by_hash
SELECT owner, scope FROM api_key WHERE sha256 = $1 AND revoked_at IS NULL
