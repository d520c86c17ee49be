-- name: lane_known
-- A lane is known once a worker has announced it; its fleet may be scaled to zero.
SELECT EXISTS (SELECT FROM worker WHERE lane = $1)

-- name: known_lanes
SELECT lane, min(started_at) AS since FROM worker GROUP BY lane ORDER BY lane

-- name: audio_exists
SELECT EXISTS (SELECT FROM audio WHERE id = $1)

-- name: hold_audio
-- One at a time: of two that ask for the same, the second finds the first one's run. A deletion waits too.
SELECT true FROM audio WHERE id = $1 AND owner = $2 FOR NO KEY UPDATE

-- name: same_run
SELECT r.audio_id, r.id, (SELECT id FROM job WHERE run_id = r.id ORDER BY created_at DESC, id DESC LIMIT 1) AS job_id
FROM transcript_run r
WHERE r.audio_id = $1 AND r.lane = $2 AND r.asked = $3 AND r.status <> 'failed'
ORDER BY r.created_at DESC, r.id DESC LIMIT 1

-- name: same_upload
-- The newest run of the same bytes with the same options. Its recording is held: one that is being deleted is not given.
SELECT r.audio_id, r.id, (SELECT id FROM job WHERE run_id = r.id ORDER BY created_at DESC, id DESC LIMIT 1) AS job_id
FROM audio a JOIN transcript_run r ON r.audio_id = a.id
WHERE a.owner = $1 AND a.sha256 = $2 AND a.size_bytes = $3 AND r.lane = $4 AND r.asked = $5 AND r.status <> 'failed'
ORDER BY r.created_at DESC, r.id DESC LIMIT 1
FOR KEY SHARE OF a

-- name: insert_audio
INSERT INTO audio (id, owner, filename, content_type, size_bytes, sha256, duration_ms, blob)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: insert_import
WITH expected AS (
    INSERT INTO audio (id, owner, filename, blob) VALUES ($1, $2, $3, $4) RETURNING id
)
INSERT INTO import (audio_id, url, named) SELECT id, $5, $6 FROM expected

-- name: insert_run
INSERT INTO transcript_run (id, audio_id, owner, lane, language, priority, options, asked, units_left)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)

-- name: insert_job
INSERT INTO job (id, run_id, audio_id, job_type) VALUES ($1, $2, $3, $4)
