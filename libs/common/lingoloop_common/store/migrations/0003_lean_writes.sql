-- Rows that are only ever written under their run's lock: its key cannot go away meanwhile, and to look it up for each of a
-- chunk's dozen segments costs as much as to write them.

ALTER TABLE segment DROP CONSTRAINT segment_run_id_fkey;
ALTER TABLE run_event DROP CONSTRAINT run_event_run_id_fkey;
