-- name: lane_known
-- A lane is known once a worker has announced it; its fleet may be scaled to zero.
SELECT EXISTS (SELECT FROM worker WHERE lane = $1)

-- name: known_lanes
SELECT lane, min(started_at) AS since FROM worker GROUP BY lane ORDER BY lane

-- name: audio_exists
SELECT EXISTS (SELECT FROM audio WHERE id = $1)

-- name: insert_audio
INSERT INTO audio (id, owner, filename, content_type, size_bytes, sha256, duration_ms, blob)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: insert_run
INSERT INTO transcript_run (id, audio_id, owner, lane, language, priority, options, units_left)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1)

-- name: insert_job
INSERT INTO job (id, run_id, audio_id, job_type) VALUES ($1, $2, $3, $4)
