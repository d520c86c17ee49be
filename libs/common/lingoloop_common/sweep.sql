-- name: one_sweeper
-- One sweeper a pass; the lock ends with the transaction, so a sweeper that dies blocks nobody.
SELECT pg_try_advisory_xact_lock($1)

-- name: release_due
-- Later work (retries): due units turn ready, one token each (rule 6).
WITH due AS (
    SELECT id FROM unit WHERE state = 'waiting' AND due_at <= now()
    ORDER BY id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
), released AS (
    UPDATE unit SET state = 'ready', ready_at = now(), due_at = NULL FROM due WHERE unit.id = due.id RETURNING lane
), token AS (
    INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), lane FROM released RETURNING 1
)
SELECT count(*) FROM token

-- name: release_due_deliveries
-- Webhooks likewise: those whose next try has come, and those whose sender did not end its claim.
WITH due AS (
    SELECT id FROM webhook_delivery WHERE state IN ('waiting', 'sending') AND due_at <= now()
    ORDER BY due_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
), released AS (
    UPDATE webhook_delivery d SET state = 'ready', ready_at = now(), due_at = NULL FROM due WHERE d.id = due.id RETURNING d.id
)
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), 'webhook' FROM released

-- name: forget_deliveries
-- Those that ended, and those that a paused endpoint never heard of.
DELETE FROM webhook_delivery WHERE id IN (
    SELECT id FROM webhook_delivery
    WHERE due_at IS NULL AND state <> 'ready' AND created_at < now() - make_interval(days => $1)
    ORDER BY created_at LIMIT 1000 FOR UPDATE SKIP LOCKED)

-- name: lost_units
-- Running units whose holder has no lease any more: ended, never written, or lost with an older database. `lost` counts this
-- loss, unless the unit was a suspect whose turn had not come.
SELECT u.id, u.run_id, u.lane, u.kind, u.attempt, u.failures, u.lost + (u.claimed_at IS NOT NULL)::int AS lost
FROM unit u LEFT JOIN worker w ON w.id = u.holder AND w.lease_until >= now()
WHERE u.state = 'running' AND w.id IS NULL
ORDER BY u.id LIMIT 1000
FOR NO KEY UPDATE OF u SKIP LOCKED

-- name: release_lost
WITH released AS (
    UPDATE unit SET state = 'ready', ready_at = now(), lost = lost + (claimed_at IS NOT NULL)::int, message_id = NULL, holder = NULL
    WHERE id = ANY($1::uuid[]) AND state = 'running'
    RETURNING lane
)
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), lane FROM released

-- name: end_leases
UPDATE worker SET lease_until = NULL, busy = 0 WHERE lease_until < now()

-- name: forget_workers
-- Rows of workers that are gone, but never a lane's last one: a lane once announced stays known.
DELETE FROM worker w
WHERE lease_until IS NULL AND last_seen < now() - interval '1 day'
  AND EXISTS (SELECT FROM worker o WHERE o.lane = w.lane AND (o.last_seen, o.id) > (w.last_seen, w.id))

-- name: forget_keys
DELETE FROM idempotency_key WHERE (owner, key) IN (
    SELECT owner, key FROM idempotency_key WHERE created_at < now() - make_interval(secs => $1)
    ORDER BY created_at LIMIT 1000 FOR UPDATE SKIP LOCKED)

-- name: sample_backlog
-- $1 hours are kept. The minute's first sample counts.
WITH forgotten AS (
    DELETE FROM backlog_sample WHERE at < now() - make_interval(hours => $1)
)
INSERT INTO backlog_sample (at, lane, ready, running, seconds_waiting)
SELECT date_trunc('minute', now()), lane, ready, running, seconds_waiting FROM backlog
WHERE NOT EXISTS (SELECT FROM backlog_sample WHERE at = date_trunc('minute', now()))
ON CONFLICT DO NOTHING

-- name: idle_owners
-- First the rows, locked; then, in a statement that sees later commits, those that are still idle.
SELECT lane, owner FROM owner_service s
WHERE active AND NOT EXISTS (
    SELECT FROM unit u
    WHERE u.lane = s.lane AND u.owner = s.owner AND u.state IN ('waiting', 'ready', 'running'))
LIMIT 1000
FOR NO KEY UPDATE SKIP LOCKED

-- name: deactivate_owners
UPDATE owner_service s SET active = false
FROM unnest($1::text[], $2::text[]) AS idle (lane, owner)
WHERE s.lane = idle.lane AND s.owner = idle.owner AND NOT EXISTS (
    SELECT FROM unit u
    WHERE u.lane = s.lane AND u.owner = s.owner AND u.state IN ('waiting', 'ready', 'running'))

-- name: backlog
-- Per lane: units (or deliveries) that are ready, tokens that are still in the outbox, and the seconds that the oldest has been there.
SELECT lane, sum(ready)::int AS ready, sum(unsent)::int AS unsent, max(unsent_for)::float AS unsent_for
FROM (
    SELECT lane, count(*) AS ready, 0 AS unsent, 0 AS unsent_for FROM unit WHERE state = 'ready' GROUP BY lane
    UNION ALL
    SELECT 'webhook', count(*), 0, 0 FROM webhook_delivery WHERE state = 'ready' HAVING count(*) > 0
    UNION ALL
    SELECT lane, 0, count(*), extract(epoch FROM now() - min(created_at))
    FROM outbox WHERE lane IS NOT NULL GROUP BY lane
) counts
GROUP BY lane

-- name: refill_tokens
INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), $1 FROM generate_series(1, $2)

-- name: end_all_leases
-- The one-process mode starts: whoever held anything is gone with the process that was (rule 13).
UPDATE worker SET lease_until = NULL, busy = 0 WHERE lease_until IS NOT NULL

-- name: end_all_claims
UPDATE webhook_delivery SET due_at = now() WHERE state = 'sending'
