-- name: lock_audio
-- Before its runs: whoever adds one needs the audio's key, so none comes unseen.
SELECT size_bytes IS NOT NULL AS whole FROM audio WHERE id = $1 AND owner = $2 FOR UPDATE

-- name: lock_runs
SELECT r.*, a.duration_ms, now() AS now
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.audio_id = $1 ORDER BY r.id
FOR UPDATE OF r

-- name: is_expired
-- Whether an audio, whose runs are locked, is kept no longer: what is under way is, and what ended not long enough ago.
SELECT kept.days > 0 AND NOT EXISTS (
    SELECT FROM transcript_run r
    WHERE r.audio_id = $1
      AND (r.status NOT IN ('succeeded', 'failed') OR r.completed_at >= now() - make_interval(days => kept.days))
)
FROM (SELECT COALESCE((SELECT days FROM owner_retention WHERE owner = $2), $3::int) AS days) kept

-- name: delete_audio
-- What was heard and made of its runs (`waveform`, `run_text`, `segment_edit`), and who is told of them (`run_webhook`,
-- `webhook_delivery`), goes with them, by its keys.
-- $1 the audio, $2 its runs, all locked; $3 the receipt's id, $4 the blobs, and $5 for how many seconds each may still be
-- written to; $6 whether it goes because it is kept no longer.
WITH segments AS (
    DELETE FROM segment WHERE run_id = ANY($2::uuid[]) RETURNING 1
), events AS (
    DELETE FROM run_event WHERE run_id = ANY($2) RETURNING 1
), letters AS (
    DELETE FROM dead_letter WHERE run_id = ANY($2)
), chunks AS (
    DELETE FROM chunk WHERE run_id = ANY($2)
), units AS (
    DELETE FROM unit WHERE run_id = ANY($2)
), jobs AS (
    DELETE FROM job WHERE run_id = ANY($2)
), runs AS (
    DELETE FROM transcript_run WHERE id = ANY($2)
), deleted AS (
    DELETE FROM audio WHERE id = $1 RETURNING *
), blobs AS (
    INSERT INTO removal (name, last_at)
    SELECT name, now() + make_interval(secs => seconds) FROM unnest($4::text[], $5::float8[]) AS blob (name, seconds)
)
INSERT INTO receipt (id, audio_id, owner, runs, segments, events, size_bytes, sha256, expired)
SELECT $3, id, owner, cardinality($2), (SELECT count(*) FROM segments), (SELECT count(*) FROM events), size_bytes, sha256, $6
FROM deleted
RETURNING *
