-- name: fleet_speed
-- Seconds of audio a second. A worker that has measured nothing yet is taken for as fast as the lane's others were.
SELECT sum(w.slots / COALESCE(w.pace, lane.pace))
FROM worker w, (SELECT avg(pace) AS pace FROM worker WHERE lane = $1) lane, fleet f
WHERE w.lane = $1 AND w.lease_until >= now() AND COALESCE(w.wanted, f.wanted) = 'running'

-- name: open_runs
SELECT r.id, r.owner, r.priority, r.status, r.planned, r.planned_samples, r.done_samples, r.channels, a.duration_ms,
       COALESCE(s.served, 0) AS served, j.job_type = 'transcribe_short' AS small, r.options ? 'diarize' AS diarize
FROM transcript_run r
JOIN audio a ON a.id = r.audio_id
JOIN job j ON j.run_id = r.id AND j.status IN ('queued', 'processing')
LEFT JOIN owner_service s ON s.lane = r.lane AND s.owner = r.owner
WHERE r.status IN ('queued', 'processing') AND r.lane = $1
