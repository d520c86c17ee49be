-- name: runs_found
-- Runs that hold all terms ($6), in any of their blocks; otherwise as `runs_page`. `blocks` are up to three that hold the most
-- of the terms: what to show is looked for there.
WITH hit AS (
    SELECT t.run_id, t.block, count(*) AS many, bit_or(1 << (term.place - 1)::int) AS terms
    FROM unnest($6::text[]) WITH ORDINALITY AS term (query, place)
    JOIN run_text t ON t.lexemes @@ term.query::tsquery
    GROUP BY t.run_id, t.block
), found AS (
    SELECT run_id, (array_agg(block ORDER BY many DESC, block) FILTER (WHERE block >= 0))[1:3] AS blocks
    FROM hit GROUP BY run_id HAVING bit_or(terms) = (1 << cardinality($6)) - 1
)
SELECT r.*, a.duration_ms, a.filename, a.size_bytes, a.metadata, now() AS now,
       EXISTS (SELECT FROM segment_edit e WHERE e.run_id = r.id) AS edited, COALESCE(found.blocks, '{}') AS blocks
FROM found JOIN transcript_run r ON r.id = found.run_id JOIN audio a ON a.id = r.audio_id
WHERE r.owner = $1 AND ($2::text[] IS NULL OR r.status = ANY($2))
  AND ($3::timestamptz IS NULL OR (r.created_at, r.id) < ($3, $4))
ORDER BY r.created_at DESC, r.id DESC LIMIT $5
