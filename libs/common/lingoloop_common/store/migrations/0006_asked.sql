-- What was asked for, as far as it decides the words: the same again is given the run that exists. `language` alone does not
-- tell, for a plan writes there what it finds. Null: a run from before, or from a gateway of before.
ALTER TABLE transcript_run ADD COLUMN asked jsonb;
