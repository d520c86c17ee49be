-- name: workers
-- Those whose lease runs; `wanted` is what each is told.
SELECT w.id, w.lane, w.slots, w.busy, w.last_seen, COALESCE(w.wanted, f.wanted) AS wanted
FROM worker w, fleet f
WHERE w.lease_until >= now() ORDER BY w.id

-- name: fleet_wanted
SELECT wanted FROM fleet

-- name: jobs_in_work
-- Jobs of which a worker has something in hand.
SELECT DISTINCT job_id FROM unit WHERE state = 'running' ORDER BY job_id LIMIT $1

-- name: want_all
-- What one worker was told before is forgotten.
WITH each AS (UPDATE worker SET wanted = NULL WHERE wanted IS NOT NULL)
UPDATE fleet SET wanted = $1

-- name: want_one
UPDATE worker SET wanted = $2 WHERE id = $1 AND lease_until >= now() RETURNING id
