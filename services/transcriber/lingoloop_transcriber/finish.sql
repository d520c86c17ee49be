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
