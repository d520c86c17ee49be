-- name: drop_events
-- Events of runs that ended more than $1 hours ago, at most $2, the oldest runs' first. Ids begin with the time at which they
-- were made, so no younger run's events are read. Whoever has a run's row now will change its events: it is left for later.
WITH old AS (
    SELECT e.run_id, e.seq
    FROM run_event e JOIN transcript_run r ON r.id = e.run_id
    WHERE e.run_id < rpad(lpad(to_hex((extract(epoch FROM now() - make_interval(hours => $1)) * 1000)::bigint), 12, '0'), 32, '0')::uuid
      AND r.status IN ('succeeded', 'failed') AND r.completed_at < now() - make_interval(hours => $1)
    ORDER BY e.run_id, e.seq LIMIT $2
    FOR NO KEY UPDATE OF r SKIP LOCKED
), dropped AS (
    DELETE FROM run_event e USING old WHERE e.run_id = old.run_id AND e.seq = old.seq RETURNING 1
)
SELECT count(*) FROM dropped
