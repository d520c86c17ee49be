-- Tickets: what a browser shows where it cannot set a header, in place of its token.

CREATE TABLE ticket (
    sha256     bytea PRIMARY KEY,                 -- of 256 random bits
    owner      text NOT NULL,
    path       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    opened_at  timestamptz                        -- null: not shown yet
);
CREATE INDEX idx_ticket_created ON ticket (created_at);
