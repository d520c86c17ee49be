-- Imports: recordings that a worker fetches from where a client says they are.

ALTER TABLE unit DROP CONSTRAINT unit_kind_check;
ALTER TABLE unit ADD CONSTRAINT unit_kind_check CHECK (kind IN ('plan', 'chunk', 'import'));

-- What nobody knows before a recording is fetched.
ALTER TABLE audio ALTER COLUMN content_type DROP NOT NULL;
ALTER TABLE audio ALTER COLUMN size_bytes DROP NOT NULL;
ALTER TABLE audio ALTER COLUMN sha256 DROP NOT NULL;
ALTER TABLE receipt ALTER COLUMN size_bytes DROP NOT NULL;
ALTER TABLE receipt ALTER COLUMN sha256 DROP NOT NULL;

-- A row for each recording that is still to be fetched; it goes when that is done, for an address may hold a secret.
CREATE TABLE import (
    audio_id     uuid PRIMARY KEY REFERENCES audio ON DELETE CASCADE,
    url          text NOT NULL,
    named        boolean NOT NULL,                 -- the client said what the recording is called
    part         uuid NOT NULL DEFAULT gen_random_uuid(),  -- names the blob in the making; its length says how far it is
    restarts     int NOT NULL DEFAULT 0,           -- how often what had come was of no use
    validator    text,                             -- the server's name for these very bytes; null: it has none
    total        bigint,                           -- bytes, as the server says; null: it does not
    content_type text,                             -- as the server says, and so the name
    filename     text                              -- null: as it is called already
);
