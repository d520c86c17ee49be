-- What a plan hears of each chunk it cuts: the least and the greatest sample of every 20 ms, 8 bits each. Beside the ledger, in
-- its transaction, so the pieces tile it; not in its rows, which a chunk's end writes again.
CREATE TABLE waveform (
    run_id       uuid NOT NULL REFERENCES transcript_run ON DELETE CASCADE,
    start_sample bigint NOT NULL,
    pairs        bytea NOT NULL,
    PRIMARY KEY (run_id, start_sample)
);
