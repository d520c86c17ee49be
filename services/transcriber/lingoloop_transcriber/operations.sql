-- name: hold_operation
-- The operation of a unit that is still this attempt's, made under the key $3 where there is none. While nobody stored its
-- name, each attempt counts: one before may have begun it.
WITH mine AS (
    SELECT id, lane FROM unit WHERE id = $1 AND attempt = $2 AND state = 'running' FOR NO KEY UPDATE
), held AS (
    INSERT INTO operation AS o (id, unit_id, lane) SELECT $3, id, lane FROM mine
    ON CONFLICT (unit_id) WHERE NOT over DO UPDATE SET begins = o.begins + (o.name IS NULL)::int
    RETURNING *
)
SELECT held.id, held.name, held.begins, held.looks, c.counted_samples,
       (SELECT count(*) FROM chunk o WHERE o.run_id = c.run_id AND o.index < c.index) AS part,
       extract(epoch FROM now() - held.created_at)::float AS age
FROM held JOIN chunk c USING (unit_id)

-- name: wait
-- Ends an attempt: the operation has the name $3, and is looked at again in $4 seconds. What the claim charged was for all of
-- it, so looks are free from now on; and how long it waited until it was begun counts no more.
WITH waiting AS (
    UPDATE unit SET
        state = 'waiting', due_at = now() + make_interval(secs => $4), cost = 0, refused_at = NULL, message_id = NULL,
        holder = NULL
    WHERE id = $1 AND attempt = $2 AND state = 'running'
    RETURNING id
)
UPDATE operation o SET name = $3, looks = looks + 1 FROM waiting WHERE o.unit_id = waiting.id AND NOT over
RETURNING o.id

-- name: waits_already
-- A commit whose answer was lost: the same attempt finds its own work done.
SELECT EXISTS (SELECT FROM unit WHERE id = $1 AND attempt = $2 AND state IN ('waiting', 'ready'))

-- name: count_samples
UPDATE chunk SET counted_samples = $2 WHERE unit_id = $1

-- name: give_up_operation
-- It has no result and will have none: the next attempt begins another.
UPDATE operation o SET over = true FROM unit u
WHERE u.id = $1 AND u.attempt = $2 AND u.state = 'running' AND o.unit_id = u.id AND NOT over

-- name: take_left
-- Operations of the lane of no use any more: given up, or their units have ended or are gone. Each is this worker's for $2
-- seconds; if it fails, or dies, another tries after that.
WITH left_over AS (
    SELECT o.id FROM operation o
    WHERE o.lane = $1 AND o.due_at <= now() AND (
        o.over OR NOT EXISTS (SELECT FROM unit u WHERE u.id = o.unit_id AND u.state IN ('waiting', 'ready', 'running')))
    ORDER BY o.due_at LIMIT 20 FOR NO KEY UPDATE OF o SKIP LOCKED
)
UPDATE operation o SET over = true, due_at = now() + make_interval(secs => $2)
FROM left_over WHERE o.id = left_over.id
RETURNING o.id, o.name, o.begins, extract(epoch FROM now() - o.created_at)::float AS age

-- name: forget_operation
DELETE FROM operation WHERE id = $1
