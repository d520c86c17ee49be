-- name: count_tables
-- Anybody's, but for the system's own and those that an extension brought.
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')

-- name: drop_schema
DROP SCHEMA public CASCADE

-- name: make_schema
-- As a new database has it (since PostgreSQL 15).
CREATE SCHEMA public AUTHORIZATION pg_database_owner

-- name: open_schema
GRANT USAGE ON SCHEMA public TO PUBLIC
