-- name: add_chunk
-- A cut: the ledger reaches further, and the chunk's unit can be claimed at once. Its cost counts each of the channels $10;
-- $12 is what its token carries.
WITH ledger AS (
    UPDATE transcript_run SET
        planned_samples = $4, chunks_total = chunks_total + 1, units_left = units_left + 1, updated_at = now(),
        language = COALESCE(language, $8), channels = greatest(channels, cardinality($10::int[]))
    WHERE id = $1
), unit_row AS (
    INSERT INTO unit (id, run_id, job_id, owner, lane, kind, state, small, priority, position, cost)
    SELECT $5, run_id, job_id, owner, lane, $11, 'ready', small, priority, $3::bigint / 16000.0,
           ($4::bigint - $3::bigint) / 16000.0 * COALESCE(cardinality($10::int[]), 1)
    FROM unit WHERE id = $6
    RETURNING id, lane
), chunk_row AS (
    INSERT INTO chunk (run_id, index, start_sample, end_sample, unit_id, blob, channels)
    SELECT $1, $2, $3, $4, id, $7, $10 FROM unit_row
), heard AS (
    INSERT INTO waveform (run_id, start_sample, pairs) SELECT $1, $3, $9 WHERE $9::bytea IS NOT NULL
)
INSERT INTO outbox (message_id, lane, headers) SELECT gen_random_uuid(), lane, $12 FROM unit_row

-- name: add_silence
WITH ledger AS (
    UPDATE transcript_run SET planned_samples = $4, chunks_total = chunks_total + 1 WHERE id = $1
), heard AS (
    INSERT INTO waveform (run_id, start_sample, pairs) SELECT $1, $3, $5 WHERE $5::bytea IS NOT NULL
)
INSERT INTO chunk (run_id, index, start_sample, end_sample, done_at) VALUES ($1, $2, $3, $4, now())

-- name: note_length
UPDATE audio SET duration_ms = $3
FROM unit u JOIN transcript_run r ON r.id = u.run_id
WHERE u.id = $1 AND u.attempt = $2 AND u.state = 'running' AND audio.id = r.audio_id

-- name: withhold_plan
UPDATE unit SET state = 'waiting', message_id = NULL, holder = NULL WHERE id = $1 AND attempt = $2 AND state = 'running'

-- name: add_speakers
-- The last unit of a run, $2, that is added at its plan's end, $1: it waits until nothing else is left. $4 its cost.
INSERT INTO unit (id, run_id, job_id, owner, lane, kind, state, small, priority, position, cost)
SELECT $2, run_id, job_id, owner, lane, 'speakers', 'waiting', small, priority, $3, $4 FROM unit WHERE id = $1

-- name: wake_speakers
WITH woken AS (
    UPDATE unit SET state = 'ready', ready_at = now()
    WHERE run_id = $1 AND kind = 'speakers' AND state = 'waiting' AND due_at IS NULL
    RETURNING lane
)
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), lane FROM woken

-- name: give_up_speakers
-- Other work of the run failed: its speakers are told apart by the retry that brings the rest.
UPDATE unit SET state = 'canceled', error_code = $2, error_message = $3
WHERE run_id = $1 AND kind = 'speakers' AND state = 'waiting' AND due_at IS NULL
RETURNING id
