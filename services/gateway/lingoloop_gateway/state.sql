-- name: state
-- What /metrics tells of the database, one row for each value: the metric's name without its prefix, its labels, the value.
-- $1 the codes that dead letters may have. Lanes that were ever announced are there though they have nothing to do.
WITH held AS (
    SELECT lane, state, count(*) AS count, min(ready_at) AS since
    FROM unit WHERE state IN ('waiting', 'ready', 'running') GROUP BY lane, state
    UNION ALL
    SELECT 'webhook', state, count(*), min(ready_at) FROM webhook_delivery WHERE state = 'ready' GROUP BY state
    UNION ALL
    SELECT 'webhook', CASE state WHEN 'sending' THEN 'running' ELSE state END, count(*), NULL
    FROM webhook_delivery WHERE state IN ('waiting', 'sending') GROUP BY state
), lane AS (
    SELECT lane FROM worker UNION SELECT lane FROM held UNION SELECT 'webhook'
), alive AS (
    SELECT w.lane, COALESCE(w.wanted, f.wanted) AS state, count(*) AS count, sum(w.slots) AS slots
    FROM worker w, fleet f WHERE w.lease_until >= now() GROUP BY 1, 2
), open AS (
    -- A length that nobody knows yet is taken from the size, at 128 kbit/s, as for an owner's limit.
    SELECT r.id, r.lane, r.status, r.audio_id, r.updated_at, greatest(1000,
        CASE WHEN r.planned THEN r.planned_samples / 16
             ELSE greatest(COALESCE(a.duration_ms, a.size_bytes / 16, 0), r.planned_samples / 16) END
        - r.done_samples / 16) / 1000.0 AS seconds
    FROM transcript_run r JOIN audio a ON a.id = r.audio_id WHERE r.status IN ('queued', 'processing')
), letter AS (
    SELECT CASE WHEN error_code = ANY ($1::text[]) THEN error_code ELSE 'other' END AS code, count(*) AS count
    FROM dead_letter WHERE replayed_at IS NULL GROUP BY 1
)
SELECT 'units_' || s.state AS name, ARRAY[lane] AS labels, COALESCE(count, 0)::float AS value
FROM lane CROSS JOIN (VALUES ('waiting'), ('ready'), ('running')) s (state) LEFT JOIN held USING (lane, state)
UNION ALL
SELECT 'oldest_ready_seconds', ARRAY[lane], COALESCE(extract(epoch FROM now() - since), 0)
FROM lane LEFT JOIN (SELECT lane, since FROM held WHERE state = 'ready') ready USING (lane)
UNION ALL
SELECT 'backlog_audio_seconds', ARRAY[lane], COALESCE(sum(seconds), 0)
FROM (SELECT lane FROM lane WHERE lane <> 'webhook') known LEFT JOIN open USING (lane) GROUP BY lane
UNION ALL
SELECT 'runs', ARRAY[s.status], count(open.id)
FROM (VALUES ('queued'), ('processing')) s (status) LEFT JOIN open USING (status) GROUP BY s.status
UNION ALL
-- Runs that wait for their turn, for a retry, for an operation elsewhere or for their file do not stall.
SELECT 'stalled_run_seconds', '{}', COALESCE(extract(epoch FROM now() - min(updated_at)), 0)
FROM open
WHERE status = 'processing'
  AND NOT EXISTS (
      SELECT FROM unit u
      WHERE u.run_id = open.id AND u.state IN ('waiting', 'ready', 'running')
        AND (u.state = 'ready' OR u.state = 'waiting' AND u.due_at IS NOT NULL))
  AND NOT EXISTS (SELECT FROM import i WHERE i.audio_id = open.audio_id)
UNION ALL
SELECT 'dead_letters', ARRAY[code], COALESCE(count, 0)
FROM unnest($1::text[] || ARRAY['other']) codes (code) LEFT JOIN letter USING (code)
UNION ALL
SELECT 'outbox_rows', '{}', count(*) FROM outbox
UNION ALL
SELECT 'outbox_oldest_seconds', '{}', COALESCE(extract(epoch FROM now() - min(created_at)), 0) FROM outbox
UNION ALL
SELECT 'workers', ARRAY[lane, s.state], COALESCE(count, 0)
FROM (SELECT DISTINCT lane FROM worker) known CROSS JOIN (VALUES ('running'), ('stopped')) s (state)
LEFT JOIN alive USING (lane, state)
UNION ALL
SELECT 'slots', ARRAY[lane], COALESCE(slots, 0)
FROM (SELECT DISTINCT lane FROM worker) known
LEFT JOIN (SELECT lane, slots FROM alive WHERE state = 'running') taking USING (lane)
UNION ALL
SELECT 'webhook_endpoints_paused', '{}', count(*) FROM webhook_endpoint WHERE paused_at IS NOT NULL
