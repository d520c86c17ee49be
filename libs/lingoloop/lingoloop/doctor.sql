-- name: has_migrations
SELECT to_regclass('migration') IS NOT NULL

-- name: migrations
SELECT number, checksum FROM migration ORDER BY number

-- name: backlog
SELECT count(*) AS ready, COALESCE(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_s
FROM unit WHERE state = 'ready'

-- name: lanes
-- Per lane: units that are ready, and workers whose lease runs.
SELECT lane, sum(ready)::int AS ready, sum(workers)::int AS workers, sum(slots)::int AS slots, sum(stopped)::int AS stopped
FROM (
    SELECT lane, count(*) AS ready, 0 AS workers, 0 AS slots, 0 AS stopped
    FROM unit WHERE state = 'ready' GROUP BY lane
    UNION ALL
    SELECT w.lane, 0, 1, w.slots, (COALESCE(w.wanted, f.wanted) = 'stopped')::int
    FROM worker w, fleet f WHERE w.lease_until >= now()
) counts
GROUP BY lane ORDER BY lane

-- name: connections
-- Room for all that are not superusers; processes of ours by their guards ($1) in this database; sessions other than theirs ($2).
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS room,
       (SELECT count(*) FROM pg_locks
        WHERE locktype = 'advisory' AND classid = 0 AND objid = $1::bigint::oid AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))::int AS processes,
       (SELECT count(*) FROM pg_stat_activity
        WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND pid <> pg_backend_pid()
          AND (application_name <> $2 OR datname <> current_database()))::int AS others
