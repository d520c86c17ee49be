-- name: finish_chunk
-- The run first (lock order), then its unit, if it is still this attempt's, with its chunk and its segments.
WITH run AS (
    SELECT r.*, a.duration_ms, now() AS now
    FROM transcript_run r JOIN audio a ON a.id = r.audio_id
    WHERE r.id = $1 FOR NO KEY UPDATE OF r
), ended AS (
    UPDATE unit SET state = 'done', message_id = NULL, holder = NULL, error_code = NULL, error_message = NULL
    FROM run WHERE unit.id = $2 AND unit.attempt = $3 AND unit.state = 'running'
    RETURNING unit.id
), finished AS (
    UPDATE chunk SET done_at = now(), done_attempt = $3, engine_ms = $4 FROM ended WHERE chunk.unit_id = ended.id
), stored AS (
    INSERT INTO segment (run_id, index, start_s, end_s, text, confidence, words)
    SELECT $1, s.index, s.start, s."end", s.text, s.confidence, s.words
    FROM ended, jsonb_to_recordset($5::text::jsonb) AS s (
        index int, start double precision, "end" double precision, text text, confidence double precision,
        words jsonb)
)
SELECT run.*, EXISTS (SELECT FROM ended) AS ended FROM run

-- name: end_unit
UPDATE unit SET state = 'done', message_id = NULL, holder = NULL, error_code = NULL, error_message = NULL
WHERE id = $1 AND attempt = $2 AND state = 'running'
RETURNING id

-- name: ended_by_me
-- A commit whose answer was lost: the same attempt finds its own work done.
SELECT EXISTS (SELECT FROM unit WHERE id = $1 AND attempt = $2 AND state = 'done')

-- name: add_chunk
-- A cut: the ledger reaches further, and the chunk's unit can be claimed at once.
WITH ledger AS (
    UPDATE transcript_run SET
        planned_samples = $4, chunks_total = chunks_total + 1, units_left = units_left + 1, updated_at = now(),
        language = COALESCE(language, $8)
    WHERE id = $1
), unit_row AS (
    INSERT INTO unit (id, run_id, job_id, owner, lane, kind, state, small, priority, position, cost)
    SELECT $5, run_id, job_id, owner, lane, 'chunk', 'ready', small, priority, $3::bigint / 16000.0,
           ($4::bigint - $3::bigint) / 16000.0
    FROM unit WHERE id = $6
    RETURNING id, lane
), chunk_row AS (
    INSERT INTO chunk (run_id, index, start_sample, end_sample, unit_id, blob)
    SELECT $1, $2, $3, $4, id, $7 FROM unit_row
)
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), lane FROM unit_row

-- name: add_silence
WITH ledger AS (
    UPDATE transcript_run SET planned_samples = $4, chunks_total = chunks_total + 1 WHERE id = $1
)
INSERT INTO chunk (run_id, index, start_sample, end_sample, done_at) VALUES ($1, $2, $3, $4, now())

-- name: withhold_plan
UPDATE unit SET state = 'waiting', message_id = NULL, holder = NULL WHERE id = $1 AND attempt = $2 AND state = 'running'
