-- Who speaks: told by a last unit of a run, from what its chunks heard of voices.

ALTER TABLE unit DROP CONSTRAINT unit_kind_check;
ALTER TABLE unit ADD CONSTRAINT unit_kind_check CHECK (kind IN ('plan', 'chunk', 'import', 'operation', 'speakers'));

ALTER TABLE segment ADD COLUMN IF NOT EXISTS speaker text;  -- null: nobody asked, or it is not told yet

-- What a person's voice is like may tell who that is. So it goes as soon as the run has its speakers, and with the run.
CREATE TABLE voice (
    run_id      uuid NOT NULL REFERENCES transcript_run ON DELETE CASCADE,
    chunk_index int NOT NULL,
    windows     bytea NOT NULL,                   -- as `voices.py` packs them
    PRIMARY KEY (run_id, chunk_index)
);
