-- name: finish_chunks
-- Results of chunks: $1 runs, $2 units, $3 attempts, $4 ms in the engine, $5 segments in JSON, $6 voices or null. The runs first (lock order),
-- then the units that are still their attempts', with chunks and segments. A row for each run that there is; `ended` are
-- the places, from 1, of its results that were stored.
WITH result AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::text[], $6::bytea[]) WITH ORDINALITY
        AS result (run_id, unit_id, attempt, engine_ms, segments, voices, place)
), run AS (
    SELECT r.*, a.duration_ms, now() AS now
    FROM transcript_run r JOIN audio a ON a.id = r.audio_id
    WHERE r.id = ANY ($1) ORDER BY r.id FOR NO KEY UPDATE OF r
), ended AS (
    UPDATE unit SET state = 'done', message_id = NULL, holder = NULL, error_code = NULL, error_message = NULL
    FROM result JOIN run ON run.id = result.run_id
    WHERE unit.id = result.unit_id AND unit.attempt = result.attempt AND unit.state = 'running'
    RETURNING result.*
), finished AS (
    UPDATE chunk SET done_at = now(), done_attempt = ended.attempt, engine_ms = ended.engine_ms
    FROM ended WHERE chunk.unit_id = ended.unit_id
), heard AS (
    INSERT INTO voice (run_id, chunk_index, windows)
    SELECT ended.run_id, chunk.index, ended.voices
    FROM ended JOIN chunk ON chunk.unit_id = ended.unit_id WHERE ended.voices IS NOT NULL
), stored AS (
    INSERT INTO segment (run_id, index, start_s, end_s, text, confidence, words, channel, speaker)
    SELECT ended.run_id, s.index, s.start, s."end", s.text, s.confidence, s.words, s.channel, s.speaker
    FROM ended, jsonb_to_recordset(ended.segments::jsonb) AS s (
        index int, start double precision, "end" double precision, text text, confidence double precision,
        words jsonb, channel int, speaker text)
)
SELECT run.*, ARRAY(SELECT place FROM ended WHERE ended.run_id = run.id ORDER BY place) AS ended FROM run

-- name: note_language
UPDATE transcript_run SET language = $2 WHERE id = $1

-- name: end_unit
UPDATE unit SET state = 'done', message_id = NULL, holder = NULL, error_code = NULL, error_message = NULL
WHERE id = $1 AND attempt = $2 AND state = 'running'
RETURNING id

-- name: ended_by_me
-- A commit whose answer was lost: the same attempt finds its own work done.
SELECT EXISTS (SELECT FROM unit WHERE id = $1 AND attempt = $2 AND state = 'done')

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
