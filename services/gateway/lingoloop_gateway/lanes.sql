-- name: abilities
-- A lane is known once a worker has announced it; its fleet may be scaled to zero. What it can do, its last worker says.
SELECT DISTINCT ON (lane) lane, abilities FROM worker ORDER BY lane, started_at DESC, id DESC

-- name: known_lanes
SELECT lane, min(started_at) AS since FROM worker GROUP BY lane ORDER BY lane

-- name: lanes_offered
-- Likewise, and whether a worker of the lane is alive.
SELECT DISTINCT ON (lane) lane, abilities,
       COALESCE(bool_or(lease_until >= now()) OVER (PARTITION BY lane), false) AS alive
FROM worker ORDER BY lane, started_at DESC, id DESC
