-- name: run_by_id
SELECT r.*, a.duration_ms, a.filename, a.size_bytes, a.metadata, now() AS now,
       EXISTS (SELECT FROM segment_edit e WHERE e.run_id = r.id) AS edited
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.id = $1 AND r.owner = $2

-- name: run_progress
-- All that the progress of a run shows, at once: it is what clients poll.
SELECT r.id, r.audio_id, r.lane, r.status, r.planned, r.planned_samples, r.done_samples, r.chunks_done, r.chunks_total,
       r.error_code, r.error_message, r.created_at, r.completed_at, a.duration_ms, a.filename, a.size_bytes, now() AS now,
       ARRAY(SELECT (j.id, j.job_type, j.status, j.retry_count, j.created_at, j.updated_at, j.error_message)
             FROM job j WHERE j.run_id = r.id ORDER BY j.created_at, j.id) AS jobs
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.id = $1 AND r.owner = $2

-- name: run_ended
SELECT status IN ('succeeded', 'failed') FROM transcript_run WHERE id = $1

-- name: segments_page
-- With what people made of them, unless $5: all is the machine's then. A name may be that of a channel.
SELECT s.index, s.start_s, s.end_s, s.text, s.confidence, s.words, s.channel, e.index IS NOT NULL AS edited, e.text AS new_text,
       COALESCE(e.speaker, s.speaker) AS speaker,
       CASE WHEN NOT $5 THEN r.speakers ->> COALESCE(e.speaker, s.speaker, 'Channel ' || s.channel) END AS speaker_name
FROM segment s
JOIN transcript_run r ON r.id = s.run_id
LEFT JOIN segment_edit e ON e.run_id = s.run_id AND e.index = s.index AND NOT $5::boolean
WHERE s.run_id = $1 AND r.owner = $2 AND s.index > $3
ORDER BY s.index LIMIT $4

-- name: segments_in_order
-- Those of chunks before the first one that is not done; chunks that the plan has yet to cut come after all of these.
-- $3 the last index that is known, $4 the size of a page, $5 the indexes that a chunk has.
WITH open AS (
    SELECT min(index) AS index FROM chunk WHERE run_id = $1 AND index >= $3::int / $5::int AND done_at IS NULL
)
SELECT s.index, s.start_s, s.end_s, s.text, s.confidence, s.words, s.channel, e.index IS NOT NULL AS edited, e.text AS new_text,
       COALESCE(e.speaker, s.speaker) AS speaker,
       r.speakers ->> COALESCE(e.speaker, s.speaker, 'Channel ' || s.channel) AS speaker_name
FROM segment s
JOIN transcript_run r ON r.id = s.run_id
LEFT JOIN segment_edit e ON e.run_id = s.run_id AND e.index = s.index
CROSS JOIN open
WHERE s.run_id = $1 AND r.owner = $2 AND s.index > $3 AND (open.index IS NULL OR s.index < open.index * $5)
ORDER BY s.index LIMIT $4

-- name: runs_page
-- The newest first. $2 statuses or null, ($3, $4) where the page before ended.
SELECT r.*, a.duration_ms, a.filename, a.size_bytes, a.metadata, now() AS now,
       EXISTS (SELECT FROM segment_edit e WHERE e.run_id = r.id) AS edited
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.owner = $1 AND ($2::text[] IS NULL OR r.status = ANY($2))
  AND ($3::timestamptz IS NULL OR (r.created_at, r.id) < ($3, $4))
ORDER BY r.created_at DESC, r.id DESC LIMIT $5
