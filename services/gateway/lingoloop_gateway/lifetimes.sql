-- name: expired_audios
-- At most $2 recordings whose last run ended more days ago than they are kept: as their owner has it, else $1; 0: for good.
-- Owner by owner, from one name to the next: neither those that are kept for good nor all that are young are read. Deleting
-- one asks again, under locks.
WITH RECURSIVE owners AS (
    (SELECT owner FROM audio ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT a.owner FROM audio a WHERE a.owner > o.owner ORDER BY a.owner LIMIT 1) FROM owners o WHERE o.owner IS NOT NULL
)
SELECT old.id, o.owner
FROM owners o
LEFT JOIN owner_retention own ON own.owner = o.owner
CROSS JOIN LATERAL (SELECT COALESCE(own.days, $1::int) AS days) kept
CROSS JOIN LATERAL (
    SELECT a.id FROM audio a
    WHERE a.owner = o.owner AND kept.days > 0 AND a.created_at < now() - make_interval(days => kept.days)
      AND NOT EXISTS (
          SELECT FROM transcript_run r
          WHERE r.audio_id = a.id
            AND (r.status NOT IN ('succeeded', 'failed') OR r.completed_at >= now() - make_interval(days => kept.days))
      )
    LIMIT $2
) old
LIMIT $2
