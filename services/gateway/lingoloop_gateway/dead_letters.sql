-- name: page
-- The newest first. $1 the last id of the page before, $2 a cause's code, $3 the size of a page.
SELECT d.*, u.kind FROM dead_letter d JOIN unit u ON u.id = d.unit_id
WHERE d.replayed_at IS NULL AND ($1::uuid IS NULL OR d.id < $1) AND ($2::text IS NULL OR d.error_code = $2)
ORDER BY d.id DESC LIMIT $3

-- name: one
SELECT id, run_id, unit_id, replayed_at FROM dead_letter WHERE id = $1

-- name: chosen
-- $1 ids or null, $2 a code or null: all that are open when both are null. The oldest first.
SELECT run_id, unit_id FROM dead_letter
WHERE replayed_at IS NULL AND ($1::uuid[] IS NULL OR id = ANY($1)) AND ($2::text IS NULL OR error_code = $2)
ORDER BY id LIMIT $3

-- name: count_chosen
SELECT count(*) FROM dead_letter
WHERE replayed_at IS NULL AND ($1::uuid[] IS NULL OR id = ANY($1)) AND ($2::text IS NULL OR error_code = $2)
