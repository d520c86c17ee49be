-- name: all_days
SELECT owner, days FROM owner_retention ORDER BY owner

-- name: set_days
INSERT INTO owner_retention (owner, days) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET days = excluded.days

-- name: unset_days
DELETE FROM owner_retention WHERE owner = $1 RETURNING owner
