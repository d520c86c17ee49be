-- name: insert_ticket
-- Takes some of those away that are of no use any more: there are never many more than can be used.
WITH gone AS (
    DELETE FROM ticket WHERE sha256 IN (
        SELECT sha256 FROM ticket
        WHERE created_at < now() - make_interval(secs => $4)
          AND (opened_at IS NULL OR created_at < now() - make_interval(secs => $5))
        ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED)
)
INSERT INTO ticket (sha256, owner, path) VALUES ($1, $2, $3) RETURNING created_at

-- name: open_ticket
-- Shown in time for the first time, or again by a browser that reconnects.
UPDATE ticket SET opened_at = COALESCE(opened_at, now())
WHERE sha256 = $1 AND path = $2 AND created_at >= now() - make_interval(secs => $4)
  AND (opened_at IS NOT NULL OR created_at >= now() - make_interval(secs => $3))
RETURNING owner, extract(epoch FROM created_at)::float + $4 AS expires_at
