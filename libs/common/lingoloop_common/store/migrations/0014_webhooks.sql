-- Webhooks: who is told of runs that ended, and what each of them was told.

CREATE TABLE webhook_endpoint (
    id               uuid PRIMARY KEY,
    owner            text NOT NULL,
    url              text NOT NULL,
    every_run        boolean NOT NULL,            -- false: only of runs whose upload named it
    secret           text NOT NULL,               -- whsec_ and base64; it signs, so it cannot be hashed
    old_secret       text,                        -- signs too until then, so that a receiver can change over
    old_secret_until timestamptz,
    failing_since    timestamptz,                 -- the first failure since a delivery arrived
    paused_at        timestamptz,                 -- nothing is sent until its owner resumes it
    paused_because   text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner, url)
);

-- The endpoints that an upload named by `webhookUrl`; several, where equal uploads share a run.
CREATE TABLE run_webhook (
    run_id      uuid NOT NULL REFERENCES transcript_run ON DELETE CASCADE,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    PRIMARY KEY (run_id, endpoint_id)
);
CREATE INDEX idx_run_webhook_endpoint ON run_webhook (endpoint_id);

-- One row for each event and endpoint, written with the event. A claim is a lease on the row: `due_at` is its end.
CREATE TABLE webhook_delivery (
    id           uuid PRIMARY KEY,
    endpoint_id  uuid NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    owner        text NOT NULL,
    run_id       uuid NOT NULL REFERENCES transcript_run ON DELETE CASCADE,
    event_id     uuid NOT NULL,                   -- the message's id: the same each time it is sent, and to each endpoint
    event_type   text NOT NULL,
    body         text NOT NULL,                   -- as it is signed and sent
    state        text NOT NULL DEFAULT 'ready' CHECK (state IN ('waiting', 'ready', 'sending', 'delivered', 'failed')),
    attempt      int NOT NULL DEFAULT 0,          -- only fences: rises at each claim
    tries        int NOT NULL DEFAULT 0,          -- since it was written, or sent again by hand
    due_at       timestamptz,                     -- waiting: when it is ready; sending: when its claim ends
    status_code  int,                             -- the last answer's; null: none
    error        text,                            -- why the last try failed
    created_at   timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    UNIQUE (endpoint_id, event_id)
);
CREATE INDEX idx_webhook_delivery_ready ON webhook_delivery (created_at, id) WHERE state = 'ready';
CREATE INDEX idx_webhook_delivery_due ON webhook_delivery (due_at) WHERE state IN ('waiting', 'sending');
CREATE INDEX idx_webhook_delivery_sending ON webhook_delivery (endpoint_id) WHERE state = 'sending';
CREATE INDEX idx_webhook_delivery_list ON webhook_delivery (endpoint_id, id);
CREATE INDEX idx_webhook_delivery_run ON webhook_delivery (run_id);
