-- name: latest
SELECT id AS run, status, lane, error_code AS cause, created_at AS uploaded, completed_at AS ended
FROM transcript_run ORDER BY id DESC LIMIT 50

-- name: facts
SELECT r.status, r.error_code AS cause, r.lane, r.language, a.duration_ms / 1000.0 AS audio,
       r.chunks_done AS done, r.chunks_total AS chunks, r.done_samples / 16000.0 AS "audio done",
       extract(epoch FROM COALESCE(r.completed_at, now()) - r.created_at)::float AS "since upload",
       extract(epoch FROM now() - r.updated_at)::float AS "last change"
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.id = NULLIF(${run:sqlstring}, '')::uuid

-- name: stages
SELECT stage, at, extract(epoch FROM at - created_at)::float AS "after upload"
FROM transcript_run,
     LATERAL (VALUES ('uploaded', created_at), ('begun', started_at), ('first words', first_words_at), ('ended', completed_at))
         stages (stage, at)
WHERE id = NULLIF(${run:sqlstring}, '')::uuid AND at IS NOT NULL
ORDER BY at

-- name: units
SELECT kind, state, count(*) AS units, sum(attempt) AS claims, sum(failures) AS failures, sum(lost) AS "workers lost",
       max(error_code) AS cause,
       max(extract(epoch FROM now() - ready_at)) FILTER (WHERE state = 'ready')::float AS "oldest waits"
FROM unit WHERE run_id = NULLIF(${run:sqlstring}, '')::uuid
GROUP BY kind, state ORDER BY kind, state

-- name: progress
SELECT done_at AS time, (sum(end_sample - start_sample) OVER (ORDER BY done_at, index))::float / 16000 AS "audio done"
FROM chunk WHERE run_id = NULLIF(${run:sqlstring}, '')::uuid AND done_at IS NOT NULL
ORDER BY done_at

-- name: chunks
SELECT c.index AS chunk, c.start_sample / 16000.0 AS "from", (c.end_sample - c.start_sample) / 16000.0 AS audio,
       COALESCE(u.state, 'silence') AS state, u.attempt AS claims, u.failures, u.lost AS "workers lost", u.error_code AS cause,
       extract(epoch FROM u.claimed_at - u.ready_at)::float AS waited, c.engine_ms / 1000.0 AS engine,
       (c.end_sample - c.start_sample) / 16.0 / NULLIF(c.engine_ms, 0) AS speed,
       extract(epoch FROM c.done_at - r.created_at)::float AS "done after"
FROM chunk c JOIN transcript_run r ON r.id = c.run_id LEFT JOIN unit u ON u.id = c.unit_id
WHERE c.run_id = NULLIF(${run:sqlstring}, '')::uuid
ORDER BY c.index LIMIT 5000

-- name: events
SELECT seq, type, created_at AS at, extract(epoch FROM created_at - lag(created_at) OVER (ORDER BY seq))::float AS "since the last"
FROM run_event WHERE run_id = NULLIF(${run:sqlstring}, '')::uuid
ORDER BY seq DESC LIMIT 500

-- name: letters
SELECT d.created_at AS at, u.kind, d.error_code AS cause, u.failures, u.lost AS "workers lost", d.replayed_at AS "put back"
FROM dead_letter d JOIN unit u ON u.id = d.unit_id
WHERE d.run_id = NULLIF(${run:sqlstring}, '')::uuid
ORDER BY d.created_at LIMIT 100

-- name: webhooks
SELECT created_at AS at, event_type AS event, state, tries, status_code AS "last answer", due_at AS due, delivered_at AS delivered
FROM webhook_delivery WHERE run_id = NULLIF(${run:sqlstring}, '')::uuid
ORDER BY created_at LIMIT 100
