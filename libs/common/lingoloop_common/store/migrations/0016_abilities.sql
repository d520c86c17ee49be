-- What a worker's engine can do with its model; null of a worker that does not say it yet: no more than to transcribe.
ALTER TABLE worker ADD COLUMN abilities jsonb;
