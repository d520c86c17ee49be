-- name: claim_key
-- Whoever comes second waits here for the first one's transaction. One that is too old counts as forgotten.
INSERT INTO idempotency_key AS k (owner, key, request) VALUES ($1, $2, $3)
ON CONFLICT (owner, key) DO UPDATE SET request = $3, made = NULL, answer = NULL, created_at = now()
WHERE k.created_at < now() - make_interval(secs => $4)
RETURNING true

-- name: known_key
SELECT request, made, answer FROM idempotency_key
WHERE owner = $1 AND key = $2 AND created_at >= now() - make_interval(secs => $3)

-- name: write_made
UPDATE idempotency_key SET made = $3 WHERE owner = $1 AND key = $2

-- name: keep_answer
-- Only the first one counts.
UPDATE idempotency_key SET answer = COALESCE(answer, $4) WHERE owner = $1 AND key = $2 AND request = $3 RETURNING answer
