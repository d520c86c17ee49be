-- name: usage
-- What an owner has stored, unfinished uploads and imports but $2 as long as they will be, and the milliseconds that are still to
-- be done in runs that have not ended. A length that nobody knows yet is taken from the size, at 128 kbit/s.
SELECT (
           SELECT COALESCE(sum(size_bytes), 0) FROM (
               SELECT size_bytes FROM audio WHERE owner = $1
               UNION ALL
               SELECT length FROM upload
               WHERE owner = $1 AND run_id IS NULL AND final_id IS NULL AND expires_at > now() AND id IS DISTINCT FROM $2
               UNION ALL
               SELECT i.total FROM import i JOIN audio a ON a.id = i.audio_id
               WHERE a.owner = $1 AND a.id IS DISTINCT FROM $2
           ) stored
       )::bigint AS stored_bytes,
       (
           SELECT COALESCE(sum(greatest(
               greatest(COALESCE(a.duration_ms, a.size_bytes / 16, 0), r.planned_samples / 16) - r.done_samples / 16, 0)), 0)
           FROM transcript_run r JOIN audio a ON a.id = r.audio_id
           WHERE r.owner = $1 AND r.status IN ('queued', 'processing')
       )::bigint AS queued_ms

-- name: lock_owner
-- First in the lock order: one acceptance or deletion at a time for an owner. Of two equal uploads the second finds the first one's run,
-- and what is stored and queued is counted with all that was accepted before.
SELECT pg_advisory_xact_lock($1, hashtext($2))
