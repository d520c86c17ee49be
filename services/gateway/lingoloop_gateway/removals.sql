-- name: due_removals
SELECT name FROM removal WHERE due_at <= now() ORDER BY due_at LIMIT $1

-- name: end_removals
-- What is there now was deleted; where more may be written, once more when nobody can any longer.
WITH ended AS (
    DELETE FROM removal WHERE name = ANY($1::text[]) AND last_at <= now()
)
UPDATE removal SET due_at = last_at WHERE name = ANY($1::text[]) AND last_at > now()

-- name: put_off_removals
-- So that what cannot be deleted stands in nobody's way.
UPDATE removal SET due_at = now() + make_interval(secs => $2) WHERE name = ANY($1::text[])
