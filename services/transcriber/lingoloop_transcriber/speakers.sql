-- name: voices
SELECT windows FROM voice WHERE run_id = $1 ORDER BY chunk_index

-- name: forget_voices
DELETE FROM voice WHERE run_id = $1

-- name: segments
-- `room`: how many indexes are free for what it may be split into; one alone where a worker of before has stored it. What a
-- person wrote stays beside the words that it was written for.
SELECT s.index, s.start_s AS start, s.end_s AS end, s.text, s.confidence, s.words, e.text IS NOT NULL AS reworded,
       COALESCE(lead(s.index) OVER (ORDER BY s.index), 2147483647) - s.index AS room
FROM segment s LEFT JOIN segment_edit e USING (run_id, index)
WHERE run_id = $1 ORDER BY index

-- name: write_segments
-- $2 segments in JSON: those that are there, with their speakers, and what was split off.
INSERT INTO segment (run_id, index, start_s, end_s, text, confidence, words, speaker)
SELECT $1, s.index, s.start, s."end", s.text, s.confidence, s.words, s.speaker
FROM jsonb_to_recordset($2::text::jsonb) AS s (
    index int, start double precision, "end" double precision, text text, confidence double precision, words jsonb,
    speaker text)
ON CONFLICT (run_id, index) DO UPDATE SET
    end_s = excluded.end_s, text = excluded.text, confidence = excluded.confidence, words = excluded.words,
    speaker = excluded.speaker
