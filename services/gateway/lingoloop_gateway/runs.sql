-- name: run_by_id
SELECT r.*, a.duration_ms, a.filename, a.size_bytes, now() AS now
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.id = $1 AND r.owner = $2

-- name: run_ended
SELECT status IN ('succeeded', 'failed') FROM transcript_run WHERE id = $1

-- name: jobs_of_run
SELECT j.* FROM job j JOIN transcript_run r ON r.id = j.run_id
WHERE j.run_id = $1 AND r.owner = $2
ORDER BY j.created_at, j.id

-- name: segments_page
SELECT s.index, s.start_s, s.end_s, s.text, s.confidence, s.words
FROM segment s JOIN transcript_run r ON r.id = s.run_id
WHERE s.run_id = $1 AND r.owner = $2 AND s.index > $3
ORDER BY s.index LIMIT $4
