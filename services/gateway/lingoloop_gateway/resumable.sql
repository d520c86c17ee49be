-- name: insert_upload
INSERT INTO upload (id, owner, length, metadata, concat, parts, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))

-- name: upload_by_id
SELECT u.*, now() AS now, EXISTS (SELECT FROM transcript_run WHERE id = u.run_id) AS run_there,
       EXISTS (SELECT FROM audio WHERE id = u.id) AS audio_there
FROM upload u WHERE u.id = $1 AND u.owner = $2

-- name: extend_upload
-- Only when a tenth of its time has gone: not each request need write.
UPDATE upload SET expires_at = now() + make_interval(secs => $2)
WHERE id = $1 AND run_id IS NULL AND expires_at < now() + make_interval(secs => $2 * 0.9)
RETURNING expires_at

-- name: set_length
UPDATE upload SET length = $2 WHERE id = $1 AND length IS NULL RETURNING length

-- name: lock_parts
-- In the order of their ids, so that two that want the same wait for each other, and do not lock each other out.
SELECT id, length, concat, final_id, expires_at > now() AS fresh
FROM upload WHERE id = ANY($1::uuid[]) AND owner = $2 ORDER BY id FOR UPDATE

-- name: use_parts
UPDATE upload SET final_id = $2, expires_at = now() + make_interval(secs => $3) WHERE id = ANY($1::uuid[])

-- name: lock_upload
SELECT run_id, EXISTS (SELECT FROM audio WHERE id = upload.id) AS audio_there FROM upload WHERE id = $1 FOR UPDATE

-- name: end_upload
-- It has become the run $2; the rest of its folder, and of its parts' folders, goes.
WITH ended AS (
    UPDATE upload SET run_id = $2, expires_at = now() + make_interval(secs => $3) WHERE id = $1 RETURNING id, parts
)
INSERT INTO removal (name, last_at)
SELECT 'uploads/' || folder, now() FROM (SELECT id FROM ended UNION SELECT unnest(parts) FROM ended) AS gone (folder)
ON CONFLICT DO NOTHING

-- name: drop_uploads
-- With the parts that they are made of. What may have been published already goes too, after its folder: nothing can be
-- published any more then. Twice, for a request may be at it right now.
WITH gone AS (
    DELETE FROM upload WHERE id = ANY($1::uuid[]) OR final_id = ANY($1) RETURNING id, run_id
)
INSERT INTO removal (name, last_at)
SELECT name, now() + make_interval(secs => 60) FROM (
    SELECT 'uploads/' || id FROM gone WHERE run_id IS NULL
    UNION ALL SELECT 'audio/' || id FROM gone WHERE run_id IS NULL
) AS blob (name)
ON CONFLICT DO NOTHING
RETURNING name

-- name: expired_uploads
-- Parts of an unfinished upload live as long as it does.
SELECT id FROM upload WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED

-- name: part_lengths
SELECT array_agg(u.length ORDER BY part.place) AS lengths
FROM unnest($1::uuid[]) WITH ORDINALITY AS part (id, place) JOIN upload u ON u.id = part.id
