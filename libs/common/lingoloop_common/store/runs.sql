-- name: lock_run
-- First in the lock order: run, then its units by id, then owner_stream.
SELECT r.*, a.duration_ms, now() AS now
FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.id = $1
FOR NO KEY UPDATE OF r

-- name: write_change
-- All that is behind an event, at once: the run's row (this transaction has locked and read it), its open job, which has
-- the run's status, the event, and the message about it. The owner's number is given here too.
WITH run AS (
    UPDATE transcript_run SET
        seq = $2, status = $3, units_left = $4, units_failed = $5, chunks_done = $6, done_samples = $7, planned = $8,
        error_code = $9, error_message = $10, started_at = $11, completed_at = $12, updated_at = now()
    WHERE id = $1
), jobs AS (
    UPDATE job SET
        status = $3, error_message = CASE WHEN $3 = 'failed' THEN $10 END, updated_at = now()
    WHERE $13 AND run_id = $1 AND status IN ('queued', 'processing')
), stream AS (
    INSERT INTO owner_stream AS s (owner, last) VALUES ($14, 1)
    ON CONFLICT (owner) DO UPDATE SET last = s.last + 1
    RETURNING last
), event AS (
    INSERT INTO run_event (run_id, seq, owner, owner_seq, type, data)
    SELECT $1, $2, $14, last, $15, $16 FROM stream
)
INSERT INTO outbox (message_id, routing_key, headers, body)
SELECT $17, $18, $19::jsonb || jsonb_build_object('cloudEvents_ownerseq', last), convert_to($16, 'UTF8') FROM stream

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
