-- name: due_run
-- $1 those that could not be done. One that has begun waits a moment: most small ones have ended by then.
SELECT r.id, r.owner, a.filename FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE (r.searchable IS NULL OR r.searchable < r.completed_at) AND r.id <> ALL ($1::uuid[])
  AND (r.completed_at IS NOT NULL OR r.created_at < now() - interval '2 seconds')
ORDER BY r.id LIMIT 1 FOR NO KEY UPDATE OF r SKIP LOCKED

-- name: blocks_of_run
SELECT DISTINCT index / $2::int FROM segment WHERE run_id = $1 ORDER BY 1

-- name: block_texts
-- The segments of blocks ($1 runs, $2 blocks) of $3 indexes each, with the first one of the block after each: what spans both
-- is found in the first.
SELECT b.place - 1 AS place, s.*
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS b (run_id, block, place)
CROSS JOIN LATERAL (
    (
        SELECT s.index, s.start_s, COALESCE(e.text, s.text) AS text
        FROM segment s LEFT JOIN segment_edit e ON e.run_id = s.run_id AND e.index = s.index
        WHERE s.run_id = b.run_id AND s.index >= b.block * $3::bigint AND s.index < (b.block + 1) * $3::bigint
    )
    UNION ALL
    (
        SELECT s.index, s.start_s, COALESCE(e.text, s.text)
        FROM segment s LEFT JOIN segment_edit e ON e.run_id = s.run_id AND e.index = s.index
        WHERE s.run_id = b.run_id AND s.index >= (b.block + 1) * $3::bigint AND s.index < (b.block + 2) * $3::bigint
        ORDER BY s.index LIMIT 1
    )
) s
ORDER BY b.place, s.index

-- name: store_block
INSERT INTO run_text (run_id, block, lexemes) VALUES ($1, $2, $3::text::tsvector)
ON CONFLICT (run_id, block) DO UPDATE SET lexemes = excluded.lexemes

-- name: end_indexing
-- The run is locked, so its text is what was read.
UPDATE transcript_run SET searchable = COALESCE(completed_at, created_at) WHERE id = $1
