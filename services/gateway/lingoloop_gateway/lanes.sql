-- name: lane_known
-- A lane is known once a worker has announced it; its fleet may be scaled to zero.
SELECT EXISTS (SELECT FROM worker WHERE lane = $1)

-- name: known_lanes
SELECT lane, min(started_at) AS since FROM worker GROUP BY lane ORDER BY lane
