-- Deletion of a recording with all that came of it: the receipt that stays, and the blobs that are still to be deleted.

CREATE TABLE receipt (
    id         uuid PRIMARY KEY,
    audio_id   uuid NOT NULL,
    owner      text NOT NULL,
    runs       int NOT NULL,
    segments   int NOT NULL,
    events     int NOT NULL,
    size_bytes bigint NOT NULL,
    sha256     bytea NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_receipt_owner ON receipt (owner, deleted_at);

CREATE TABLE removal (
    name    text PRIMARY KEY,                      -- a blob, or the folder that holds some
    due_at  timestamptz NOT NULL DEFAULT now(),    -- when to delete what is there
    last_at timestamptz NOT NULL                   -- until then somebody may still write more
);
CREATE INDEX idx_removal_due ON removal (due_at);

-- Units and jobs are only ever written under their run's lock, so what they name cannot go away meanwhile. To look up who
-- names a job would read all units, and a retry's new job would lock the audio after its run, against the lock order.
ALTER TABLE unit DROP CONSTRAINT unit_job_id_fkey;
ALTER TABLE job DROP CONSTRAINT job_audio_id_fkey;
CREATE INDEX idx_dead_letter_unit ON dead_letter (unit_id);
