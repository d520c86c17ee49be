-- name: backlog_now
SELECT * FROM backlog ORDER BY lane

-- name: backlog_history
SELECT * FROM backlog_sample WHERE at > now() - make_interval(mins => $1) ORDER BY at
