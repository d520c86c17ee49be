-- What people make of a transcript, beside the machine's version. A segment is stored once and never again, so an edit never
-- stands beside other words than those it was made for; null: as the machine has it. It goes with its run, also when a gateway
-- of before deletes that.
CREATE TABLE segment_edit (
    run_id    uuid NOT NULL REFERENCES transcript_run ON DELETE CASCADE,
    index     int NOT NULL,
    text      text,
    speaker   text,
    edited_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, index)
);

ALTER TABLE transcript_run ADD COLUMN speakers jsonb NOT NULL DEFAULT '{}';  -- names for the labels of speakers
