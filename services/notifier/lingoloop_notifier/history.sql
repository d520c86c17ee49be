-- name: run_now
SELECT r.*, a.duration_ms, a.filename, now() AS now
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.id = $1 AND r.owner = $2

-- name: segments_so_far
-- With what people have changed in them by now.
SELECT index, start_s, end_s, COALESCE(e.text, s.text) AS text, confidence, channel,
       COALESCE(e.speaker, s.speaker) AS speaker
FROM segment s LEFT JOIN segment_edit e USING (run_id, index)
WHERE run_id = $1 ORDER BY index LIMIT $2

-- name: run_events_after
SELECT seq AS number, type, data FROM run_event WHERE run_id = $1 AND owner = $2 AND seq > $3 ORDER BY seq LIMIT $4

-- name: run_exists
SELECT EXISTS (SELECT FROM transcript_run WHERE id = $1 AND owner = $2)

-- name: owner_last
SELECT COALESCE((SELECT last FROM owner_stream WHERE owner = $1), 0)

-- name: open_runs
SELECT r.*, a.duration_ms, now() AS now
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.owner = $1 AND r.status IN ('queued', 'processing')
ORDER BY r.created_at DESC, r.id DESC LIMIT $2

-- name: owner_events_after
SELECT owner_seq AS number, type, data FROM run_event WHERE owner = $1 AND owner_seq > $2 ORDER BY owner_seq LIMIT $3

-- name: watched_runs
-- Runs under way that somebody listens to, by id or by owner; with the numbers of the event that made them so.
SELECT r.*, a.duration_ms, e.owner_seq, now() AS now
FROM transcript_run r
JOIN audio a ON a.id = r.audio_id
JOIN run_event e ON e.run_id = r.id AND e.seq = r.seq
WHERE r.status IN ('queued', 'processing') AND (r.id = ANY($1::uuid[]) OR r.owner = ANY($2::text[]))
ORDER BY r.id DESC LIMIT $3
