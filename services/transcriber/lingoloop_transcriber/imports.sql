-- name: import_of_run
SELECT i.*, r.owner FROM import i JOIN transcript_run r ON r.audio_id = i.audio_id WHERE r.id = $1

-- name: note_answer
-- $3 the part that is begun, and of what: as long as it has this name, its bytes are these.
WITH mine AS (
    SELECT id FROM unit WHERE id = $1 AND attempt = $2 AND state = 'running' FOR NO KEY UPDATE
)
UPDATE import SET validator = $4, total = $5, content_type = $6, filename = CASE WHEN named THEN NULL ELSE $7 END
FROM mine WHERE part = $3
RETURNING audio_id

-- name: put_off
-- Not a failure and not a loss; the owner gets back what the claim charged.
WITH put_off AS (
    UPDATE unit SET state = 'waiting', due_at = now() + make_interval(secs => $3), message_id = NULL, holder = NULL
    WHERE id = $1 AND attempt = $2 AND state = 'running'
    RETURNING lane, owner, cost
)
UPDATE owner_service s SET served = s.served - p.cost FROM put_off p WHERE s.lane = p.lane AND s.owner = p.owner

-- name: hold_audio
-- Before its run, as a deletion does.
SELECT id FROM audio WHERE id = $1 FOR NO KEY UPDATE

-- name: fetched
-- The recording is whole, its address forgotten, and its plan can be claimed at once. $4 the import's unit, $5 the plan's, $7 what its
-- token carries.
WITH fetched AS (
    DELETE FROM import WHERE audio_id = $1 RETURNING content_type, filename
), known AS (
    UPDATE audio SET
        size_bytes = $2, sha256 = $3, content_type = fetched.content_type,
        filename = COALESCE(fetched.filename, audio.filename)
    FROM fetched WHERE audio.id = $1
), planned AS (
    INSERT INTO unit (id, run_id, job_id, owner, lane, kind, state, small, priority, position, cost)
    SELECT $5, run_id, job_id, owner, lane, 'plan', 'ready', small, priority, 0, $6 FROM unit WHERE id = $4
    RETURNING lane
)
INSERT INTO outbox (message_id, lane, headers) SELECT gen_random_uuid(), lane, $7 FROM planned
