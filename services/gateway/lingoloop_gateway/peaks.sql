-- name: heard
-- Of a recording's runs the one that has heard the most of it; `pending`: a plan is under way, or will be.
SELECT a.duration_ms, r.id AS run_id, r.planned, r.planned_samples,
       EXISTS (
           SELECT FROM transcript_run
           WHERE audio_id = a.id AND NOT planned AND status IN ('queued', 'processing')) AS pending
FROM audio a
LEFT JOIN LATERAL (
    SELECT id, planned, planned_samples FROM transcript_run r
    WHERE r.audio_id = a.id AND EXISTS (SELECT FROM waveform WHERE run_id = r.id)
    ORDER BY planned DESC, planned_samples DESC, id LIMIT 1
) r ON true
WHERE a.id = $1 AND a.owner = $2

-- name: pairs_page
SELECT start_sample, pairs FROM waveform WHERE run_id = $1 AND start_sample > $2 ORDER BY start_sample LIMIT $3
