-- name: hold_audio
-- One at a time: of two that ask for the same, the second finds the first one's run. A deletion waits too.
SELECT true FROM audio WHERE id = $1 AND owner = $2 FOR NO KEY UPDATE

-- name: same_run
SELECT r.audio_id, r.id, (SELECT id FROM job WHERE run_id = r.id ORDER BY created_at DESC, id DESC LIMIT 1) AS job_id
FROM transcript_run r
WHERE r.audio_id = $1 AND r.lane = $2 AND r.asked = $3 AND r.status <> 'failed'
ORDER BY r.created_at DESC, r.id DESC LIMIT 1
