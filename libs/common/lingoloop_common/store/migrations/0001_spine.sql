-- Recordings, the runs over them, the units of work, and what comes out.
-- All points in time are the database's: workers' clocks may differ by minutes.

CREATE TABLE audio (
    id           uuid PRIMARY KEY,
    owner        text NOT NULL,
    filename     text NOT NULL,
    content_type text NOT NULL,
    size_bytes   bigint NOT NULL,
    sha256       bytea NOT NULL,
    duration_ms  bigint,                       -- as probed; null when the container does not say
    blob         text NOT NULL,
    metadata     jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_audio_owner ON audio (owner, created_at DESC, id DESC);

CREATE TABLE transcript_run (
    id              uuid PRIMARY KEY,
    audio_id        uuid NOT NULL REFERENCES audio,
    owner           text NOT NULL,
    status          text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'processing', 'succeeded', 'failed')),
    lane            text NOT NULL,
    language        text,
    priority        int NOT NULL DEFAULT 0,
    options         jsonb NOT NULL DEFAULT '{}',
    seq             bigint NOT NULL DEFAULT 0,  -- the last event's number
    units_left      int NOT NULL DEFAULT 0,     -- the run closes at 0; the plan counts, so never before it ends
    units_failed    int NOT NULL DEFAULT 0,
    planned         boolean NOT NULL DEFAULT false,
    planned_samples bigint NOT NULL DEFAULT 0,  -- the ledger reaches to here
    done_samples    bigint NOT NULL DEFAULT 0,
    chunks_total    int NOT NULL DEFAULT 0,
    chunks_done     int NOT NULL DEFAULT 0,
    error_code      text,
    error_message   text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    completed_at    timestamptz
);
CREATE INDEX idx_run_status ON transcript_run (status);
CREATE INDEX idx_run_owner ON transcript_run (owner, created_at DESC, id DESC);
CREATE INDEX idx_run_audio ON transcript_run (audio_id);

CREATE TABLE job (
    id            uuid PRIMARY KEY,
    run_id        uuid NOT NULL REFERENCES transcript_run,
    audio_id      uuid NOT NULL REFERENCES audio,
    job_type      text NOT NULL CHECK (job_type IN ('transcribe_short', 'transcribe_long')),
    status        text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'processing', 'succeeded', 'failed')),
    retry_count   int NOT NULL DEFAULT 0,
    error_message text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_job_status_created ON job (status, created_at);
CREATE INDEX idx_job_run ON job (run_id, created_at);

CREATE TABLE unit (
    id         uuid PRIMARY KEY,
    run_id     uuid NOT NULL REFERENCES transcript_run,
    job_id     uuid NOT NULL REFERENCES job,
    owner      text NOT NULL,
    lane       text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('plan', 'chunk')),
    state      text NOT NULL CHECK (state IN ('waiting', 'ready', 'running', 'done', 'failed', 'canceled')),
    small      boolean NOT NULL,                -- of a small run: a quarter of the slots may take it ahead of the order
    priority   int NOT NULL,
    position   double precision NOT NULL,       -- seconds of the run served when this unit's turn has come
    cost       double precision NOT NULL,       -- seconds of audio charged to the owner
    attempt    int NOT NULL DEFAULT 0,          -- only fences: rises at each claim, take-back and cancel
    failures   int NOT NULL DEFAULT 0,          -- errors reported by holders
    lost       int NOT NULL DEFAULT 0,          -- holders that vanished
    message_id uuid,                            -- the token that a running unit is bound to
    holder     uuid,                            -- the worker that runs it
    due_at     timestamptz,
    claimed_at timestamptz,
    error_code    text,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.02);
-- The claim's order within an owner: small first (when asked for), priority, then the run with the least service.
CREATE INDEX idx_unit_ready ON unit (lane, owner, priority DESC, position, id) WHERE state = 'ready';
CREATE INDEX idx_unit_ready_small ON unit (lane, owner, priority DESC, position, id) WHERE state = 'ready' AND small;
CREATE INDEX idx_unit_running ON unit (lane, holder) WHERE state = 'running';
-- Unique: a claim that is repeated because its answer was lost waits for the first one instead of taking a second unit.
CREATE UNIQUE INDEX idx_unit_message ON unit (message_id) WHERE state = 'running';
CREATE INDEX idx_unit_due ON unit (due_at) WHERE state = 'waiting' AND due_at IS NOT NULL;
CREATE INDEX idx_unit_open ON unit (lane, owner) WHERE state IN ('waiting', 'ready', 'running');
CREATE INDEX idx_unit_run ON unit (run_id, id);

CREATE TABLE chunk (
    run_id       uuid NOT NULL REFERENCES transcript_run,
    index        int NOT NULL,
    start_sample bigint NOT NULL,               -- at 16 kHz; chunks tile the recording
    end_sample   bigint NOT NULL CHECK (end_sample > start_sample),
    unit_id      uuid REFERENCES unit,          -- null: silence, done by the plan
    blob         text,                          -- null: cut from the original when needed
    done_at      timestamptz,
    done_attempt int,
    engine_ms    int,
    PRIMARY KEY (run_id, index),
    UNIQUE (run_id, start_sample)
);
CREATE UNIQUE INDEX idx_chunk_unit ON chunk (unit_id);

CREATE TABLE segment (
    run_id     uuid NOT NULL REFERENCES transcript_run,
    index      int NOT NULL,
    start_s    double precision NOT NULL,
    end_s      double precision NOT NULL,
    text       text NOT NULL,
    confidence double precision NOT NULL,
    words      jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (run_id, index)
);

CREATE TABLE run_event (
    run_id     uuid NOT NULL REFERENCES transcript_run,
    seq        bigint NOT NULL,
    owner      text NOT NULL,
    owner_seq  bigint NOT NULL,
    type       text NOT NULL,
    data       text NOT NULL,                   -- the frame's JSON, encoded once
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, seq)
);
CREATE UNIQUE INDEX idx_run_event_owner ON run_event (owner, owner_seq);

CREATE TABLE owner_stream (
    owner text PRIMARY KEY,
    last  bigint NOT NULL
);

-- Fairness: seconds of audio served per owner and lane. `active` owners have open units; only they are looked at.
CREATE TABLE owner_service (
    lane   text NOT NULL,
    owner  text NOT NULL,
    served double precision NOT NULL DEFAULT 0,
    active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (lane, owner)
) WITH (fillfactor = 50);
CREATE INDEX idx_owner_service_next ON owner_service (lane, served) WHERE active;

CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id  uuid NOT NULL,
    lane        text,                           -- a work token for this lane, or
    routing_key text,                           -- an event under this key
    headers     jsonb NOT NULL DEFAULT '{}',
    body        bytea NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    CHECK ((lane IS NULL) <> (routing_key IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX idx_outbox_lane ON outbox (lane) WHERE lane IS NOT NULL;

CREATE TABLE worker (
    id          uuid PRIMARY KEY,
    lane        text NOT NULL,
    slots       int NOT NULL,
    busy        int NOT NULL DEFAULT 0,
    wanted      text CHECK (wanted IN ('running', 'stopped')), -- null: what the fleet is told
    started_at  timestamptz NOT NULL DEFAULT now(),
    last_seen   timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz                     -- null: the lease was ended
);
CREATE INDEX idx_worker_lane ON worker (lane);

-- What all workers are told; one that starts later obeys it too.
CREATE TABLE fleet (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    wanted text NOT NULL DEFAULT 'running' CHECK (wanted IN ('running', 'stopped'))
);
INSERT INTO fleet DEFAULT VALUES;

CREATE TABLE dead_letter (
    id            uuid PRIMARY KEY,
    unit_id       uuid NOT NULL REFERENCES unit,
    run_id        uuid NOT NULL REFERENCES transcript_run,
    owner         text NOT NULL,
    lane          text NOT NULL,
    error_code    text NOT NULL,
    error_message text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_dead_letter_run ON dead_letter (run_id);
