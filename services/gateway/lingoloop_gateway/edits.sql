-- name: lock_run
SELECT searchable FROM transcript_run WHERE id = $1 AND owner = $2 FOR NO KEY UPDATE

-- name: edit_segment
-- $3 text, if $4; $5 speaker, if $6: of two who change different things, neither undoes the other's.
INSERT INTO segment_edit AS e (run_id, index, text, speaker)
SELECT run_id, index, $3, $5 FROM segment WHERE run_id = $1 AND index = $2
ON CONFLICT (run_id, index) DO UPDATE SET
    text = CASE WHEN $4::boolean THEN excluded.text ELSE e.text END,
    speaker = CASE WHEN $6::boolean THEN excluded.speaker ELSE e.speaker END,
    edited_at = now()
RETURNING index

-- name: forget_edit
DELETE FROM segment_edit WHERE run_id = $1 AND index = $2 AND text IS NULL AND speaker IS NULL

-- name: name_speakers
UPDATE transcript_run SET speakers = $3 WHERE id = $1 AND owner = $2 RETURNING speakers
