-- name: claim_units
-- $1 lane, $2 the tokens' message ids, $3 this worker, $4 which of the tokens were delivered before, $5 losses of a suspect.
-- A row for each token.
--
-- A token takes its own unit back if that is still running and bound to it, and the message came back or the holder is
-- this very worker (a commit whose answer was lost). One that is bound otherwise is a copy. The others claim the fairest
-- units, as if one came after the other. Only units are locked, then their owners' service, in order; locked units are
-- skipped: a token without a unit means "none, or all locked".
WITH RECURSIVE token AS (
    SELECT message_id, redelivered, place,
           (SELECT holder FROM unit WHERE unit.message_id = asked.message_id AND state = 'running') AS bound_to
    FROM unnest($2::uuid[], $4::boolean[]) WITH ORDINALITY AS asked (message_id, redelivered, place)
), free AS (
    SELECT message_id, row_number() OVER (ORDER BY place) AS place FROM token WHERE bound_to IS NULL
), back AS (
    SELECT id, lost + (holder <> $3 AND claimed_at IS NOT NULL)::int AS lost
    FROM unit JOIN token USING (message_id)
    WHERE state = 'running' AND lane = $1 AND (redelivered OR holder = $3)
    FOR NO KEY UPDATE OF unit
), mine AS (
    UPDATE unit SET
        attempt = attempt + 1, lost = back.lost, holder = $3,
        claimed_at = CASE WHEN back.lost < $5 THEN now() END
    FROM back WHERE unit.id = back.id
    RETURNING unit.*
), ahead AS (
    -- Small runs may use a quarter of the lane's slots ahead of the order.
    SELECT ready.id, o.owner, o.served, o.served + ready.cost AS level
    FROM (SELECT owner, served FROM owner_service WHERE lane = $1 AND active ORDER BY served) o
    CROSS JOIN LATERAL (
        SELECT id, cost FROM unit WHERE lane = $1 AND owner = o.owner AND state = 'ready' AND small
        ORDER BY priority DESC, position, id
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) ready
    WHERE EXISTS (SELECT FROM unit WHERE lane = $1 AND state = 'ready' AND small)
    LIMIT least(
        (SELECT count(*) FROM free),
        greatest(
            0,
            (SELECT greatest(1, sum(slots) / 4) FROM worker WHERE lane = $1 AND lease_until >= now())
            - (SELECT count(*) FROM unit WHERE lane = $1 AND state = 'running' AND small)
        )
    )
), picked AS (
    -- The owner with the least service, what was picked here counted; of its units the most urgent; of those the run with
    -- the least service. Each row knows all that were picked before it.
    SELECT count(*) AS place,
           COALESCE(array_agg(id ORDER BY served), '{}') AS ids,
           COALESCE(array_agg(owner ORDER BY served), '{}') AS owners,
           COALESCE(array_agg(level ORDER BY served), '{}') AS levels
    FROM ahead
    UNION ALL
    SELECT p.place + 1,
           p.ids || COALESCE(again.id, fresh.id),
           CASE WHEN again.id IS NULL THEN p.owners || fresh.owner ELSE p.owners END,
           CASE WHEN again.id IS NULL THEN p.levels || fresh.level
                ELSE p.levels[:again.place - 1] || again.level || p.levels[again.place + 1:] END
    FROM picked p
    LEFT JOIN LATERAL (
        SELECT ready.id, o.owner, o.served, o.served + ready.cost AS level
        FROM (
            SELECT owner, served FROM owner_service
            WHERE lane = $1 AND active AND owner <> ALL (p.owners)
            ORDER BY served
        ) o
        CROSS JOIN LATERAL (
            SELECT id, cost FROM unit WHERE lane = $1 AND owner = o.owner AND state = 'ready'
            ORDER BY priority DESC, position, id
            LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
        ) ready
        LIMIT 1
    ) fresh ON true
    LEFT JOIN LATERAL (
        SELECT ready.id, o.level + ready.cost AS level, o.place
        FROM (
            SELECT owner, level, place FROM unnest(p.owners, p.levels) WITH ORDINALITY AS o (owner, level, place)
            WHERE fresh.id IS NULL OR level < fresh.served
            ORDER BY level
        ) o
        CROSS JOIN LATERAL (
            SELECT id, cost FROM unit
            WHERE lane = $1 AND owner = o.owner AND state = 'ready' AND id <> ALL (p.ids)
            ORDER BY priority DESC, position, id
            LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
        ) ready
        LIMIT 1
    ) again ON true
    WHERE p.place < (SELECT count(*) FROM free) AND (fresh.id IS NOT NULL OR again.id IS NOT NULL)
), claimed AS (
    UPDATE unit SET
        state = 'running', attempt = attempt + 1, message_id = free.message_id, holder = $3,
        claimed_at = CASE WHEN lost < $5 THEN now() END
    FROM (SELECT ids FROM picked ORDER BY place DESC LIMIT 1) last
    CROSS JOIN unnest(last.ids) WITH ORDINALITY AS chosen (id, place)
    JOIN free USING (place)
    WHERE unit.id = chosen.id
    RETURNING unit.*
), payer AS (
    SELECT owner FROM owner_service WHERE lane = $1 AND owner IN (SELECT owner FROM claimed)
    ORDER BY owner FOR NO KEY UPDATE
), charged AS (
    UPDATE owner_service s SET served = s.served + due.cost
    FROM (SELECT owner, sum(cost) AS cost FROM claimed JOIN payer USING (owner) GROUP BY owner) due
    WHERE s.lane = $1 AND s.owner = due.owner
)
SELECT t.message_id, t.bound_to, extract(epoch FROM now() - u.ready_at)::float AS waited,
       u.id, u.run_id, u.owner, u.lane, u.kind, u.attempt, u.failures, u.lost, u.cost, u.small,
       r.status AS run_status, r.language, r.options, r.planned_samples, r.chunks_total, r.units_left - 1 AS chunks_open,
       r.traceparent, r.request_id, a.blob AS audio_blob, a.duration_ms,
       c.index AS chunk_index, c.start_sample, c.end_sample, c.blob AS chunk_blob, c.channels AS chunk_channels,
       u.kind = 'plan' OR t.bound_to IS NOT NULL AS afresh
FROM token t
LEFT JOIN (SELECT * FROM mine UNION ALL SELECT * FROM claimed) u USING (message_id)
LEFT JOIN transcript_run r ON r.id = u.run_id
LEFT JOIN audio a ON a.id = r.audio_id
LEFT JOIN chunk c ON c.unit_id = u.id
ORDER BY t.place

-- name: describe_unit
-- What the holder needs to know, and only while it is the holder.
SELECT u.id, u.run_id, u.owner, u.lane, u.kind, u.attempt, u.failures, u.lost, u.cost, u.small,
       r.status AS run_status, r.language, r.options, r.planned_samples, r.chunks_total, r.units_left - 1 AS chunks_open,
       r.traceparent, r.request_id, a.blob AS audio_blob, a.duration_ms,
       c.index AS chunk_index, c.start_sample, c.end_sample, c.blob AS chunk_blob, c.channels AS chunk_channels
FROM unit u
JOIN transcript_run r ON r.id = u.run_id
JOIN audio a ON a.id = r.audio_id
LEFT JOIN chunk c ON c.unit_id = u.id
WHERE u.id = $1 AND u.holder = $2 AND u.message_id = $3 AND u.state = 'running'

-- name: begin_turn
UPDATE unit SET claimed_at = now() WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING id

-- name: token_is_mine
SELECT EXISTS (SELECT FROM unit WHERE message_id = $1 AND holder = $2 AND state = 'running')

-- name: any_ready
SELECT EXISTS (SELECT FROM unit WHERE lane = $1 AND state = 'ready')

-- name: hand_back
-- Not a failure and not a loss; the owner gets back what the claim charged. An import's token was acknowledged when it began.
WITH given_back AS (
    UPDATE unit SET state = 'ready', ready_at = now(), message_id = NULL, holder = NULL
    WHERE id = $1 AND attempt = $2 AND state = 'running'
    RETURNING lane, owner, cost, kind
), token AS (
    INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), lane FROM given_back WHERE kind = 'import'
)
UPDATE owner_service s SET served = s.served - g.cost FROM given_back g WHERE s.lane = g.lane AND s.owner = g.owner

-- name: put_off_unit
-- The engine's server is busy for $3 seconds: not a failure and not a loss; the owner gets back what the claim charged. From
-- the first time that the server itself refuses the unit ($4) there are $5 seconds for it, and none where another unit of its
-- run has waited for so long in vain.
WITH put_off AS (
    UPDATE unit SET
        state = 'waiting', due_at = now() + make_interval(secs => $3), message_id = NULL, holder = NULL,
        refused_at = CASE WHEN $4 THEN COALESCE(refused_at, now()) ELSE refused_at END
    WHERE id = $1 AND attempt = $2 AND state = 'running' AND NOT ($4 AND (
        refused_at < now() - make_interval(secs => $5)
        OR EXISTS (
            SELECT FROM unit other
            WHERE other.run_id = unit.run_id AND other.state = 'failed' AND other.error_code = 'engine_busy')
    ) IS TRUE)
    RETURNING id, lane, owner, cost
), given_back AS (
    UPDATE owner_service s SET served = s.served - p.cost FROM put_off p WHERE s.lane = p.lane AND s.owner = p.owner
)
SELECT id FROM put_off

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
