-- name: lock_run
-- First in the lock order: run, then its units by id, then owner_stream.
SELECT r.*, a.duration_ms, now() AS now
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.id = $1
FOR NO KEY UPDATE OF r

-- name: write_run
-- The one row update behind an event: counters, status and number change together.
UPDATE transcript_run r SET
    seq = r.seq + 1,
    status = $2,
    units_left = r.units_left - $3,
    units_failed = r.units_failed + $4,
    chunks_done = r.chunks_done + $5,
    done_samples = r.done_samples + $6,
    planned = r.planned OR $7,
    error_code = CASE WHEN $10 THEN $8 ELSE COALESCE(r.error_code, $8) END,
    error_message = CASE WHEN $10 THEN $9 ELSE COALESCE(r.error_message, $9) END,
    started_at = COALESCE(r.started_at, CASE WHEN $2 = 'processing' THEN now() END),
    completed_at = CASE WHEN $2 IN ('succeeded', 'failed') THEN now() END,
    updated_at = now()
FROM audio a
WHERE r.id = $1 AND a.id = r.audio_id
RETURNING r.*, a.duration_ms, now() AS now

-- name: write_jobs
-- A run has one open job at a time; it has the run's status.
UPDATE job SET status = $2, error_message = $3, updated_at = now()
WHERE run_id = $1 AND status IN ('queued', 'processing')

-- name: record_event
-- The owner's number is given here, in the transaction that gave the run's.
WITH stream AS (
    INSERT INTO owner_stream AS s (owner, last) VALUES ($3, 1)
    ON CONFLICT (owner) DO UPDATE SET last = s.last + 1
    RETURNING last
), event AS (
    INSERT INTO run_event (run_id, seq, owner, owner_seq, type, data)
    SELECT $1, $2, $3, last, $4, $5 FROM stream
)
INSERT INTO outbox (message_id, routing_key, headers, body)
SELECT $6, $7, $8::jsonb || jsonb_build_object('cloudEvents_ownerseq', last), convert_to($5, 'UTF8') FROM stream

-- name: activate_owner
-- An owner who was idle starts level with the least served of the active ones: no saved-up claims, no debts forgiven.
INSERT INTO owner_service AS s (lane, owner, served)
VALUES ($1, $2, COALESCE((SELECT min(served) FROM owner_service WHERE lane = $1 AND active), 0))
ON CONFLICT (lane, owner) DO UPDATE SET
    active = true,
    served = CASE WHEN s.active THEN s.served ELSE greatest(s.served, excluded.served) END

-- name: insert_unit
INSERT INTO unit (id, run_id, job_id, owner, lane, kind, state, small, priority, position, cost)
VALUES ($1, $2, $3, $4, $5, $6, 'ready', $7, $8, $9, $10)

-- name: insert_token
INSERT INTO outbox (message_id, lane) VALUES (gen_random_uuid(), $1)

-- name: fail_unit
-- Ends a unit for good, if it is still the caller's: `attempt` fences.
UPDATE unit SET
    state = 'failed', failures = $3, lost = $4, error_code = $5, error_message = $6,
    message_id = NULL, holder = NULL, due_at = NULL
WHERE id = $1 AND attempt = $2 AND state = 'running'
RETURNING id, run_id, owner, lane

-- name: insert_dead_letter
INSERT INTO dead_letter (id, unit_id, run_id, owner, lane, error_code, error_message)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: wake_plan
-- A withheld plan goes on when there is room ahead of the work again (rule 10).
WITH woken AS (
    UPDATE unit SET state = 'ready', position = 0
    WHERE run_id = $1 AND kind = 'plan' AND state = 'waiting' AND due_at IS NULL
    RETURNING lane
)
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), lane FROM woken
