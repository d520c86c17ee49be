-- name: still_mine
SELECT FROM unit WHERE id = $1 AND attempt = $2 AND state = 'running' FOR NO KEY UPDATE

-- name: end_unit
UPDATE unit SET state = 'done', message_id = NULL, holder = NULL, error_code = NULL, error_message = NULL
WHERE id = $1 AND attempt = $2 AND state = 'running'
RETURNING id

-- name: ended_by_me
-- A commit whose answer was lost: the same attempt finds its own work done.
SELECT EXISTS (SELECT FROM unit WHERE id = $1 AND attempt = $2 AND state = 'done')
