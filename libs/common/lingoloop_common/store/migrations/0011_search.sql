-- Words to be searched, in blocks of a few minutes; block -1 is the recording's name. A vector begins each word with its
-- owner's mark, so that nobody's search reads the lists of another's words. It is kept outside of the row, which is all
-- that a search for whole words reads.
CREATE TABLE run_text (
    run_id  uuid NOT NULL REFERENCES transcript_run ON DELETE CASCADE,
    block   int NOT NULL,
    lexemes tsvector NOT NULL,
    PRIMARY KEY (run_id, block)
) WITH (toast_tuple_target = 128);
CREATE INDEX idx_run_text_lexemes ON run_text USING gin (lexemes) WITH (fastupdate = off);

-- Up to when a run can be searched: null not at all, its beginning by the recording's name, its end by all its text. A run that
-- ends again, or that a service of before has ended, is due again; nothing that a chunk's end writes is looked at.
ALTER TABLE transcript_run ADD COLUMN searchable timestamptz;
CREATE INDEX idx_run_unsearchable ON transcript_run (id) WHERE searchable IS NULL OR searchable < completed_at;
