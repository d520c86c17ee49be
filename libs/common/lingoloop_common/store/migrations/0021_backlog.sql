-- The backlog, lane by lane: what waits for a slot, what is worked on, and the seconds of audio that are still to be done in runs
-- that have not ended (as for an owner's limit, a length that nobody knows yet is taken from the size, at 128 kbit/s).
-- Lanes that were ever announced are there though they have nothing to do.
CREATE VIEW backlog AS
SELECT lane, sum(ready)::int AS ready, sum(running)::int AS running, sum(seconds)::float AS seconds_waiting
FROM (
    SELECT DISTINCT lane, 0 AS ready, 0 AS running, 0 AS seconds FROM worker
    UNION ALL
    SELECT lane, count(*) FILTER (WHERE state = 'ready'), count(*) FILTER (WHERE state = 'running'), 0
    FROM unit WHERE state IN ('ready', 'running') GROUP BY lane
    UNION ALL
    SELECT 'webhook', count(*) FILTER (WHERE state = 'ready'), count(*) FILTER (WHERE state = 'sending'), 0
    FROM webhook_delivery WHERE state IN ('ready', 'sending') HAVING count(*) > 0
    UNION ALL
    SELECT r.lane, 0, 0, sum(greatest(
        greatest(COALESCE(a.duration_ms, a.size_bytes / 16, 0), r.planned_samples / 16) - r.done_samples / 16, 0)) / 1000
    FROM transcript_run r JOIN audio a ON a.id = r.audio_id
    WHERE r.status IN ('queued', 'processing') GROUP BY r.lane
) counts
GROUP BY lane;

-- It, each minute of the last day.
CREATE TABLE backlog_sample (
    at              timestamptz NOT NULL,          -- a whole minute
    lane            text NOT NULL,
    ready           int NOT NULL,
    running         int NOT NULL,
    seconds_waiting double precision NOT NULL,
    PRIMARY KEY (at, lane)
);
