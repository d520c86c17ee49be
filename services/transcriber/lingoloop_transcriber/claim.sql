-- name: claim_unit
-- $1 lane, $2 the token's message id, $3 this worker, $4 whether the token was delivered before.
--
-- A token takes its own unit back if that is still running and bound to it, and the message came back or the holder is
-- this very worker (a commit whose answer was lost). Otherwise it claims the fairest unit. Only units are locked, and
-- locked ones are skipped: an empty answer means "none, or all locked".
WITH mine AS (
    UPDATE unit SET attempt = attempt + 1, lost = lost + (holder <> $3)::int, holder = $3, claimed_at = now()
    WHERE message_id = $2 AND state = 'running' AND lane = $1 AND ($4 OR holder = $3)
    RETURNING *
), room AS (
    -- Small runs may use a quarter of the lane's slots ahead of the order.
    SELECT EXISTS (SELECT FROM unit WHERE lane = $1 AND state = 'ready' AND small)
       AND (SELECT count(*) FROM unit WHERE lane = $1 AND state = 'running' AND small)
         < (SELECT greatest(1, sum(slots) / 4) FROM worker WHERE lane = $1 AND lease_until >= now()) AS left_over
), ahead AS (
    SELECT u.id
    FROM (SELECT owner FROM owner_service WHERE lane = $1 AND active ORDER BY served) o
    CROSS JOIN LATERAL (
        SELECT id FROM unit
        WHERE lane = $1 AND owner = o.owner AND state = 'ready' AND small
        ORDER BY priority DESC, position, id
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) u
    WHERE (SELECT left_over FROM room) AND NOT EXISTS (SELECT FROM mine)
    LIMIT 1
), in_order AS (
    -- The owner with the least service; of its units the most urgent; of those the run with the least service.
    SELECT u.id
    FROM (SELECT owner FROM owner_service WHERE lane = $1 AND active ORDER BY served) o
    CROSS JOIN LATERAL (
        SELECT id FROM unit
        WHERE lane = $1 AND owner = o.owner AND state = 'ready'
        ORDER BY priority DESC, position, id
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) u
    WHERE NOT EXISTS (SELECT FROM mine) AND NOT EXISTS (SELECT FROM ahead)
    LIMIT 1
), claimed AS (
    UPDATE unit SET state = 'running', attempt = attempt + 1, message_id = $2, holder = $3, claimed_at = now()
    FROM (SELECT id FROM ahead UNION ALL SELECT id FROM in_order) picked
    WHERE unit.id = picked.id
    RETURNING unit.*
), charged AS (
    UPDATE owner_service s SET served = s.served + claimed.cost
    FROM claimed WHERE s.lane = $1 AND s.owner = claimed.owner
)
SELECT u.id, u.run_id, u.owner, u.lane, u.kind, u.attempt, u.failures, u.lost, u.cost, u.small,
       r.status AS run_status, r.language, r.options, r.planned_samples, r.chunks_total, r.units_left - 1 AS chunks_open,
       a.blob AS audio_blob, a.duration_ms,
       c.index AS chunk_index, c.start_sample, c.end_sample, c.blob AS chunk_blob,
       u.kind = 'plan' OR EXISTS (SELECT FROM mine) AS afresh
FROM (SELECT * FROM mine UNION ALL SELECT * FROM claimed) u
JOIN transcript_run r ON r.id = u.run_id
JOIN audio a ON a.id = r.audio_id
LEFT JOIN chunk c ON c.unit_id = u.id

-- name: describe_unit
-- What the holder needs to know, and only while it is the holder.
SELECT u.id, u.run_id, u.owner, u.lane, u.kind, u.attempt, u.failures, u.lost, u.cost, u.small,
       r.status AS run_status, r.language, r.options, r.planned_samples, r.chunks_total, r.units_left - 1 AS chunks_open,
       a.blob AS audio_blob, a.duration_ms,
       c.index AS chunk_index, c.start_sample, c.end_sample, c.blob AS chunk_blob
FROM unit u
JOIN transcript_run r ON r.id = u.run_id
JOIN audio a ON a.id = r.audio_id
LEFT JOIN chunk c ON c.unit_id = u.id
WHERE u.id = $1 AND u.holder = $2 AND u.message_id = $3 AND u.state = 'running'

-- name: token_is_mine
SELECT EXISTS (SELECT FROM unit WHERE message_id = $1 AND holder = $2 AND state = 'running')

-- name: any_ready
SELECT EXISTS (SELECT FROM unit WHERE lane = $1 AND state = 'ready')

-- name: still_mine
SELECT FROM unit WHERE id = $1 AND attempt = $2 AND state = 'running' FOR NO KEY UPDATE

-- name: hand_back
-- Not a failure and not a loss; the owner gets back what the claim charged.
WITH given_back AS (
    UPDATE unit SET state = 'ready', message_id = NULL, holder = NULL
    WHERE id = $1 AND attempt = $2 AND state = 'running'
    RETURNING lane, owner, cost
)
UPDATE owner_service s SET served = s.served - g.cost FROM given_back g WHERE s.lane = g.lane AND s.owner = g.owner

-- name: delay_unit
WITH delayed AS (
    UPDATE unit SET
        state = 'waiting', due_at = now() + make_interval(secs => $3), failures = failures + 1,
        error_code = $4, error_message = $5, message_id = NULL, holder = NULL
    WHERE id = $1 AND attempt = $2 AND state = 'running'
    RETURNING job_id
)
UPDATE job SET retry_count = retry_count + 1, updated_at = now() FROM delayed WHERE job.id = delayed.job_id
RETURNING job.id
