-- name: insert_run
INSERT INTO transcript_run (
    id, audio_id, owner, lane, language, priority, options, asked, units_left, traceparent, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10)

-- name: insert_job
INSERT INTO job (id, run_id, audio_id, job_type) VALUES ($1, $2, $3, $4)
