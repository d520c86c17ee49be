-- Control: how fast workers are, letters that were put back, and keys.

ALTER TABLE worker ADD COLUMN pace double precision;  -- seconds a slot takes for a second of audio; null: not measured yet

ALTER TABLE dead_letter ADD COLUMN replayed_at timestamptz;
CREATE INDEX idx_dead_letter_open ON dead_letter (id) WHERE replayed_at IS NULL;

CREATE TABLE api_key (
    id         uuid PRIMARY KEY,
    owner      text NOT NULL,
    scope      text NOT NULL,
    name       text NOT NULL,
    sha256     bytea NOT NULL UNIQUE,              -- of 256 random bits: nothing to guess, so nothing to slow down
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX idx_api_key_owner ON api_key (owner, id);
