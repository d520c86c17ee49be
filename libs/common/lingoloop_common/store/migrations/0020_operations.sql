-- Operations: what an engine elsewhere does with a part of a recording, looked at again until it has ended.

-- The row outlives its unit: whoever cancels or deletes a run only ends the unit, and a worker of the lane then ends what was
-- begun elsewhere. The id is the key under which that is found again, also when nobody was told its name.
CREATE TABLE operation (
    id         uuid PRIMARY KEY,
    unit_id    uuid NOT NULL,
    lane       text NOT NULL,
    name       text,                               -- as the engine calls it; null: not begun, or begun and never stored
    begins     int NOT NULL DEFAULT 1,             -- attempts that may have begun it
    looks      int NOT NULL DEFAULT 0,
    over       boolean NOT NULL DEFAULT false,     -- of no use any more: to be ended, and all that it left removed
    due_at     timestamptz NOT NULL DEFAULT now(), -- when to try that (again)
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX idx_operation_unit ON operation (unit_id) WHERE NOT over;
CREATE INDEX idx_operation_due ON operation (lane, due_at);

-- Of a chunk that an operation does: the samples that its progress has counted as done already.
ALTER TABLE chunk ADD COLUMN counted_samples bigint NOT NULL DEFAULT 0;
