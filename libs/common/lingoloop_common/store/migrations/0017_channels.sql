-- Channels that are transcribed each alone: of a chunk those in which there is sound (null: they are mixed), of a segment its own,
-- of a run how many there are, for its forecast.
ALTER TABLE chunk ADD COLUMN channels int[];
ALTER TABLE segment ADD COLUMN channel int;
ALTER TABLE transcript_run ADD COLUMN channels int NOT NULL DEFAULT 1;
