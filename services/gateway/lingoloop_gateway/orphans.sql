-- name: orphans
-- Of blobs by their kind and the id in their name: those that nothing in the database stands for. An upload may have been
-- published, and not have become a run yet. Chunks of a run that has ended are cut again if it is tried once more.
SELECT kind, id FROM unnest($1::text[], $2::uuid[]) AS blob (kind, id)
WHERE NOT CASE kind
    WHEN 'audio' THEN EXISTS (SELECT FROM audio a WHERE a.id = blob.id)
                      OR EXISTS (SELECT FROM upload u WHERE u.id = blob.id AND u.run_id IS NULL)
    WHEN 'uploads' THEN EXISTS (SELECT FROM upload u WHERE u.id = blob.id AND u.run_id IS NULL)
    WHEN 'imports' THEN EXISTS (SELECT FROM import i WHERE i.part = blob.id)
    WHEN 'chunks' THEN EXISTS (
        SELECT FROM transcript_run r WHERE r.id = blob.id AND r.status NOT IN ('succeeded', 'failed')
    )
    WHEN 'operations' THEN EXISTS (SELECT FROM operation o WHERE o.id = blob.id)
    ELSE false
END
