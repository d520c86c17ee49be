-- name: tables
-- Bytes of each table with its long values, and of its indexes.
SELECT relname AS name, pg_table_size(oid) AS rows, pg_indexes_size(oid) AS indexes
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace

-- name: counts
-- What an hour of audio leaves.
SELECT (SELECT count(*) FROM chunk) AS chunks, (SELECT count(*) FROM segment) AS segments,
       (SELECT count(*) FROM run_event) AS events

-- name: log
-- Bytes that were written ahead, and transactions, since the server began.
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS wal, xact_commit::float8 AS transactions
FROM pg_stat_database WHERE datname = current_database()

-- name: unsettled
-- Runs that cannot be searched yet, and messages that are not sent.
SELECT EXISTS (SELECT FROM transcript_run WHERE searchable IS NULL OR searchable < completed_at)
    OR EXISTS (SELECT FROM outbox)
