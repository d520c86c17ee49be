-- name: audio_by_id
-- With the newest of its runs, and its length as a plan found it where the container does not say.
SELECT a.*,
       COALESCE(a.duration_ms, (SELECT max(planned_samples) / 16 FROM transcript_run WHERE audio_id = a.id AND planned))
           AS length_ms,
       ARRAY(
           SELECT jsonb_build_object('id', id, 'status', status) FROM transcript_run
           WHERE audio_id = a.id ORDER BY created_at DESC, id DESC LIMIT $3) AS runs
FROM audio a
WHERE a.id = $1 AND a.owner = $2

-- name: audios_page
-- The newest first. ($2, $3) where the page before ended.
SELECT a.*,
       COALESCE(a.duration_ms, (SELECT max(planned_samples) / 16 FROM transcript_run WHERE audio_id = a.id AND planned))
           AS length_ms,
       ARRAY(
           SELECT jsonb_build_object('id', id, 'status', status) FROM transcript_run
           WHERE audio_id = a.id ORDER BY created_at DESC, id DESC LIMIT $5) AS runs
FROM audio a
WHERE a.owner = $1 AND ($2::timestamptz IS NULL OR (a.created_at, a.id) < ($2, $3))
ORDER BY a.created_at DESC, a.id DESC LIMIT $4
