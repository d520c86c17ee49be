-- name: abilities
-- A lane is known once a worker has announced it; its fleet may be scaled to zero. What it can do, its last worker says.
SELECT DISTINCT ON (lane) lane, abilities FROM worker ORDER BY lane, started_at DESC, id DESC

-- name: known_lanes
SELECT lane, min(started_at) AS since FROM worker GROUP BY lane ORDER BY lane
