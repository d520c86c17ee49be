-- name: audio_exists
SELECT EXISTS (SELECT FROM audio WHERE id = $1)

-- name: remove_bytes
-- Of which no run is made: if this process dies before it drops them, the next removals do.
INSERT INTO removal (name, last_at) VALUES ($1, now()) ON CONFLICT DO NOTHING

-- name: same_upload
-- The newest run of the same bytes with the same options. Its recording is held: one that is being deleted is not given.
SELECT r.audio_id, r.id, (SELECT id FROM job WHERE run_id = r.id ORDER BY created_at DESC, id DESC LIMIT 1) AS job_id
FROM audio a JOIN transcript_run r ON r.audio_id = a.id
WHERE a.owner = $1 AND a.sha256 = $2 AND a.size_bytes = $3 AND r.lane = $4 AND r.asked = $5 AND r.status <> 'failed'
ORDER BY r.created_at DESC, r.id DESC LIMIT 1
FOR KEY SHARE OF a

-- name: insert_audio
INSERT INTO audio (id, owner, filename, content_type, size_bytes, sha256, duration_ms, blob, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
