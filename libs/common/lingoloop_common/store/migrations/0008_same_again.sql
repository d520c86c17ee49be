-- The same upload again, and what an owner may have: what is stored, what is queued, and keys of requests that may come twice.

CREATE INDEX idx_audio_content ON audio (owner, sha256) INCLUDE (size_bytes);
CREATE INDEX idx_run_open ON transcript_run (owner) WHERE status IN ('queued', 'processing');

CREATE TABLE idempotency_key (
    owner      text NOT NULL,
    key        text NOT NULL,
    request    bytea NOT NULL,                    -- SHA-256 of what was asked for
    made       jsonb,                             -- what it made, written in the same transaction; null: nothing with an id
    answer     jsonb,                             -- the first answer; null: not given yet, or to be told from what was made
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key)
);
CREATE INDEX idx_idempotency_key_created ON idempotency_key (created_at);
