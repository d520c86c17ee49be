-- name: first_size
-- Of the recording that a request with the same key was given.
SELECT a.size_bytes FROM idempotency_key k JOIN audio a ON a.id = (k.made->>'audio_id')::uuid
WHERE k.owner = $1 AND k.key = $2
