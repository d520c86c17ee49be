-- name: lock_run
-- First in the lock order: run, then its units by id, then owner_stream.
SELECT r.*, a.duration_ms, now() AS now
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.id = $1
FOR NO KEY UPDATE OF r

-- name: write_changes
-- All that is behind events, at once and for each run: its row (this transaction has locked and read it), its open job,
-- which has the run's status, the event, and the message about it. The owners' numbers are given here too, and their
-- streams locked in order.
WITH change AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::bigint[], $3::text[], $4::int[], $5::int[], $6::int[], $7::bigint[], $8::boolean[], $9::text[],
        $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::boolean[], $15::text[], $16::text[],
        $17::text[], $18::uuid[], $19::text[], $20::jsonb[]
    ) WITH ORDINALITY AS change (
        id, seq, status, units_left, units_failed, chunks_done, done_samples, planned, error_code,
        error_message, started_at, first_words_at, completed_at, moves, owner, event_type, data,
        event_id, routing_key, headers, place
    )
), run AS (
    UPDATE transcript_run r SET
        seq = c.seq, status = c.status, units_left = c.units_left, units_failed = c.units_failed,
        chunks_done = c.chunks_done, done_samples = c.done_samples, planned = c.planned, error_code = c.error_code,
        error_message = c.error_message, started_at = c.started_at, first_words_at = c.first_words_at,
        completed_at = c.completed_at, updated_at = now()
    FROM change c WHERE r.id = c.id
), jobs AS (
    UPDATE job SET
        status = c.status, error_message = CASE WHEN c.status = 'failed' THEN c.error_message END, updated_at = now()
    FROM change c WHERE c.moves AND job.run_id = c.id AND job.status IN ('queued', 'processing')
), stream AS (
    INSERT INTO owner_stream AS s (owner, last) SELECT owner, count(*) FROM change GROUP BY owner ORDER BY owner
    ON CONFLICT (owner) DO UPDATE SET last = s.last + excluded.last
    RETURNING owner, last
), numbered AS (
    SELECT change.*, last + 1 - row_number() OVER (PARTITION BY owner ORDER BY place DESC) AS owner_seq
    FROM change JOIN stream USING (owner)
), event AS (
    INSERT INTO run_event (run_id, seq, owner, owner_seq, type, data)
    SELECT id, seq, owner, owner_seq, event_type, data FROM numbered
)
INSERT INTO outbox (message_id, routing_key, headers, body)
SELECT event_id, routing_key, headers || jsonb_build_object('cloudEvents_ownerseq', owner_seq), convert_to(data, 'UTF8')
FROM numbered ORDER BY place

-- name: anyone_to_tell
SELECT EXISTS (SELECT FROM webhook_endpoint WHERE owner = ANY ($1::text[]))

-- name: write_deliveries
-- That runs $1 ended, by the events $2, in the messages $4: a delivery and its token for each endpoint that wants to hear of
-- it, or to endpoint $5 alone, if it does not have it. A statement of its own: within `write_changes` it doubled the time of
-- all the changes that end no run. The endpoints are locked, for they may be deleted in this moment.
WITH written AS (
    INSERT INTO webhook_delivery (id, endpoint_id, owner, run_id, event_id, event_type, body)
    SELECT new_id(), e.id, r.owner, r.id, event_id, $3, jsonb_set(message, '{data,metadata}', a.metadata)::text
    FROM unnest($1::uuid[], $2::uuid[], $4::jsonb[]) AS ended (run_id, event_id, message)
    JOIN transcript_run r ON r.id = ended.run_id
    JOIN audio a ON a.id = r.audio_id
    JOIN webhook_endpoint e ON e.owner = r.owner
    WHERE CASE WHEN $5::uuid IS NULL
        THEN e.every_run OR EXISTS (SELECT FROM run_webhook w WHERE w.run_id = r.id AND w.endpoint_id = e.id)
        ELSE e.id = $5 END
    FOR KEY SHARE OF e
    ON CONFLICT (endpoint_id, event_id) DO NOTHING
    RETURNING id
), token AS (
    INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), 'webhook' FROM written
)
SELECT id FROM written

-- name: activate_owner
-- An owner who was idle starts before the least served of the active ones, by a hair: level with those who, like him, have not
-- been served since they came. No saved-up claims, no debts forgiven, and no way down for a long row of newcomers.
INSERT INTO owner_service AS s (lane, owner, served, served_before)
SELECT $1, $2, level, level
FROM (SELECT COALESCE(
    (
        SELECT served - CASE WHEN served = served_before THEN 0 ELSE 0.001 END
        FROM owner_service WHERE lane = $1 AND active
        ORDER BY served, served = served_before LIMIT 1
    ),
    0
) AS level) least_served
ON CONFLICT (lane, owner) DO UPDATE SET
    active = true,
    served = CASE WHEN s.active THEN s.served ELSE greatest(s.served, excluded.served) END,
    served_before = CASE WHEN s.active THEN s.served_before ELSE greatest(s.served, excluded.served) END

-- name: insert_unit
INSERT INTO unit (id, run_id, job_id, owner, lane, kind, state, small, priority, position, cost)
VALUES ($1, $2, $3, $4, $5, $6, 'ready', $7, $8, $9, $10)

-- name: insert_token
INSERT INTO outbox (message_id, lane, headers) VALUES (gen_random_uuid(), $1, $2)

-- name: fail_unit
-- Ends a unit for good, if it is still the caller's: `attempt` fences.
UPDATE unit SET
    state = 'failed', failures = $3, lost = $4, error_code = $5, error_message = $6,
    message_id = NULL, holder = NULL, due_at = NULL
WHERE id = $1 AND attempt = $2 AND state = 'running'
RETURNING id, run_id, owner, lane, kind

-- name: drop_parts
-- What came so far of the recordings $1 is of no use any more: their runs ended, or the server has another file by now ($2).
-- What comes next gets another name, for whoever does not know yet may still write to the old one.
WITH old AS (
    SELECT audio_id, part FROM import WHERE audio_id = ANY($1::uuid[]) ORDER BY audio_id FOR UPDATE
), renewed AS (
    UPDATE import SET
        part = gen_random_uuid(), validator = NULL, total = NULL, restarts = CASE WHEN $2 THEN restarts + 1 ELSE 0 END
    FROM old WHERE import.audio_id = old.audio_id
)
INSERT INTO removal (name, last_at) SELECT 'imports/' || part, now() + interval '60 seconds' FROM old

-- name: insert_dead_letter
INSERT INTO dead_letter (id, unit_id, run_id, owner, lane, error_code, error_message)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: wake_plan
-- A withheld plan goes on when there is room ahead of the work again (rule 10).
WITH woken AS (
    UPDATE unit SET state = 'ready', ready_at = now(), position = 0
    WHERE run_id = $1 AND kind = 'plan' AND state = 'waiting' AND due_at IS NULL
    RETURNING lane
)
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), lane FROM woken
