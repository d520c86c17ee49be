-- The request that a run's work goes back to: its trace's context (W3C traceparent) and its id in the gateway's log.
ALTER TABLE transcript_run ADD COLUMN traceparent text, ADD COLUMN request_id text;
