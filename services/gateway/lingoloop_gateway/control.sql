-- name: is_owners
SELECT EXISTS (SELECT FROM transcript_run WHERE id = $1 AND owner = $2)

-- name: cancel_units
-- Of the runs $1. A raised attempt fences whoever works on a unit; the next heartbeat tells them. What the claims charged for
-- work that is cut off is given back, as when a unit is handed back.
WITH open AS (
    SELECT id, lane, owner, CASE WHEN state = 'running' THEN cost ELSE 0 END AS charged
    FROM unit WHERE run_id = ANY($1::uuid[]) AND state IN ('waiting', 'ready', 'running')
    ORDER BY id FOR NO KEY UPDATE
), canceled AS (
    UPDATE unit SET
        state = 'canceled', attempt = attempt + 1, error_code = $2, error_message = $3,
        message_id = NULL, holder = NULL, due_at = NULL
    FROM open WHERE unit.id = open.id
    RETURNING unit.run_id, open.lane, open.owner, open.charged
), given_back AS (
    UPDATE owner_service s SET served = s.served - back.charged
    FROM (SELECT lane, owner, sum(charged) AS charged FROM canceled GROUP BY lane, owner) back
    WHERE s.lane = back.lane AND s.owner = back.owner AND back.charged > 0
)
SELECT run_id, count(*) AS ended FROM canceled GROUP BY run_id

-- name: open_job
SELECT id FROM job WHERE run_id = $1 AND status IN ('queued', 'processing')

-- name: hold_audio
-- Before its run, as whoever deletes it: a row that is written twice in a transaction has its keys looked up again.
SELECT FROM audio WHERE id = (SELECT audio_id FROM transcript_run WHERE id = $1) FOR KEY SHARE

-- name: another_job
-- A retry is a new job of the same run, and of the same kind as the one before; what it does goes back to this request.
WITH asked AS (
    UPDATE transcript_run SET traceparent = $3, request_id = $4 WHERE id = $1
)
INSERT INTO job (id, run_id, audio_id, job_type)
SELECT $2, run_id, audio_id, job_type FROM job WHERE run_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1

-- name: revive_units
-- $2 the units, null for all that did not succeed. One token each; their dead letters are answered. Telling speakers apart
-- waits again until nothing else is left.
WITH asked AS (
    SELECT id FROM unit
    WHERE run_id = $1 AND state IN ('failed', 'canceled')
      AND ($2::uuid[] IS NULL OR id = ANY($2))
    ORDER BY id FOR NO KEY UPDATE
), given_up AS (
    SELECT id FROM unit WHERE run_id = $1 AND kind = 'speakers' AND state = 'canceled' AND EXISTS (SELECT FROM asked)
    FOR NO KEY UPDATE
), ended AS (
    SELECT id FROM asked UNION SELECT id FROM given_up
), revived AS (
    UPDATE unit SET
        state = CASE
            WHEN kind = 'speakers'
                 AND EXISTS (SELECT FROM unit WHERE run_id = $1 AND kind <> 'speakers' AND state <> 'done')
            THEN 'waiting' ELSE 'ready' END,
        ready_at = now(), job_id = $3, failures = 0, lost = 0, refused_at = NULL,
        error_code = NULL, error_message = NULL
    FROM ended WHERE unit.id = ended.id
    RETURNING unit.id, unit.lane, unit.state
), letters AS (
    UPDATE dead_letter d SET replayed_at = now() FROM revived
    WHERE d.run_id = $1 AND d.unit_id = revived.id AND d.replayed_at IS NULL
), token AS (
    INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), lane FROM revived WHERE state = 'ready'
)
SELECT count(*) FROM revived

-- name: first_cause
-- What still stands in the run's way.
SELECT error_code, error_message FROM unit
WHERE run_id = $1 AND state IN ('failed', 'canceled') ORDER BY id LIMIT 1

-- name: was_not_the_end
-- Whoever replays the events must not take the old end for the run's.
UPDATE run_event SET type = $2, data = jsonb_set(data::jsonb, '{event}', '"update"')::text
WHERE run_id = $1 AND type = $3
