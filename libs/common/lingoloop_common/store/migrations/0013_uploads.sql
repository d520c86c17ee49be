-- Uploads that come in several requests (tus 1.0.0). How far one is, its bytes in storage say; what is here decides what becomes
-- of it.

CREATE TABLE upload (
    id         uuid PRIMARY KEY,                   -- also of the audio that it becomes
    owner      text NOT NULL,
    length     bigint,                             -- in bytes; null: not told yet
    metadata   text NOT NULL,                      -- Upload-Metadata as it was sent
    concat     text,                               -- Upload-Concat as it was sent; null: neither a part nor made of parts
    parts      uuid[],                             -- what it is made of, in order
    final_id   uuid,                               -- of a part: the upload that is made of it
    run_id     uuid,                               -- what it became
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX idx_upload_owner ON upload (owner) WHERE run_id IS NULL;
CREATE INDEX idx_upload_expires ON upload (expires_at);
