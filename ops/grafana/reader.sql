-- The role with which Grafana reads one run's life: times, states and counts. No words, names, addresses, owners, keys or secrets.
-- Run it as the tables' owner, after the migrations; again whenever its password or a table's columns change:
--   GRAFANA_DB_PASSWORD=… psql "$DATABASE_URL" -f ops/grafana/reader.sql
\set ON_ERROR_STOP on
\getenv password GRAFANA_DB_PASSWORD

SELECT 'CREATE ROLE lingoloop_reader' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lingoloop_reader') \gexec
BEGIN;
ALTER ROLE lingoloop_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 10 PASSWORD :'password';
-- A question that is too large ends by itself, and nothing is ever written.
ALTER ROLE lingoloop_reader SET statement_timeout = '10s';
ALTER ROLE lingoloop_reader SET default_transaction_read_only = on;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM lingoloop_reader;
GRANT USAGE ON SCHEMA public TO lingoloop_reader;
GRANT SELECT (id, duration_ms, size_bytes, created_at) ON audio TO lingoloop_reader;
GRANT SELECT (id, audio_id, status, lane, language, priority, units_left, units_failed, planned, planned_samples, done_samples,
    chunks_total, chunks_done, error_code, created_at, started_at, updated_at, completed_at, first_words_at)
    ON transcript_run TO lingoloop_reader;
GRANT SELECT (id, run_id, lane, kind, state, priority, attempt, failures, lost, due_at, claimed_at, ready_at, error_code, created_at)
    ON unit TO lingoloop_reader;
GRANT SELECT (run_id, index, start_sample, end_sample, unit_id, done_at, engine_ms) ON chunk TO lingoloop_reader;
GRANT SELECT (run_id, seq, type, created_at) ON run_event TO lingoloop_reader;
GRANT SELECT (id, unit_id, run_id, lane, error_code, created_at, replayed_at) ON dead_letter TO lingoloop_reader;
GRANT SELECT (id, run_id, event_type, state, tries, status_code, due_at, created_at, delivered_at)
    ON webhook_delivery TO lingoloop_reader;
COMMIT;
