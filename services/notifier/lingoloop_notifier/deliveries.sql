-- name: lock_oldest
-- The endpoint of the delivery that is ready the longest, but for endpoints that somebody decides about in this moment. After
-- it its owner ($1 and the owner's hash), or two claims would both see the room.
WITH oldest AS (
    SELECT e.id, e.owner FROM webhook_delivery d JOIN webhook_endpoint e ON e.id = d.endpoint_id
    WHERE d.state = 'ready'
    ORDER BY d.created_at, d.id LIMIT 1
    FOR NO KEY UPDATE OF e SKIP LOCKED
)
SELECT id, pg_advisory_xact_lock($1, hashtext(owner)) FROM oldest

-- name: any_ready
SELECT EXISTS (SELECT FROM webhook_delivery WHERE state = 'ready')

-- name: claim
-- Of endpoint $1, which is locked, the oldest delivery, if there is room for it among its $2 and its owner's $3; it is its
-- sender's for $4 seconds. What there is no room for is withheld, $5 at a time: whoever ends a delivery of this owner lets it
-- go.
WITH endpoint AS (
    SELECT e.*, CASE WHEN paused_at IS NULL
        THEN (
            SELECT least($2 - count(*) FILTER (WHERE d.endpoint_id = e.id), $3 - count(*))
            FROM webhook_endpoint o JOIN webhook_delivery d ON d.endpoint_id = o.id AND d.state = 'sending'
            WHERE o.owner = e.owner)
        ELSE 0 END AS room
    FROM webhook_endpoint e WHERE e.id = $1
), ready AS (
    SELECT id, row_number() OVER (ORDER BY created_at, id) AS place
    FROM (
        SELECT id, created_at FROM webhook_delivery WHERE endpoint_id = $1 AND state = 'ready'
        ORDER BY created_at, id LIMIT $5
        FOR NO KEY UPDATE SKIP LOCKED
    ) free
), withheld AS (
    UPDATE webhook_delivery d SET state = 'waiting'
    FROM ready JOIN endpoint ON place > room WHERE d.id = ready.id
)
UPDATE webhook_delivery d SET
    state = 'sending', attempt = attempt + 1, tries = tries + 1, due_at = now() + make_interval(secs => $4)
FROM ready JOIN endpoint ON place = 1 AND room > 0
WHERE d.id = ready.id
RETURNING d.id, d.endpoint_id, d.run_id, d.event_id, d.body, d.attempt, d.tries, endpoint.url, endpoint.secret,
          (SELECT traceparent FROM transcript_run r WHERE r.id = d.run_id),
          (SELECT request_id FROM transcript_run r WHERE r.id = d.run_id),
          CASE WHEN endpoint.old_secret_until > now() THEN endpoint.old_secret END AS old_secret

-- name: lock_endpoint
SELECT owner, failing_since, paused_at, now() AS now FROM webhook_endpoint WHERE id = $1 FOR NO KEY UPDATE

-- name: end_try
-- Of delivery $1 in attempt $2, if that is still its own: $3 the state it leaves it in, $4 the seconds until the next try (null:
-- none, or it is withheld), $5 the answer's status, $6 why it failed.
UPDATE webhook_delivery SET
    state = $3, due_at = now() + make_interval(secs => $4), status_code = $5, error = $6,
    delivered_at = CASE WHEN $3 = 'delivered' THEN now() ELSE delivered_at END,
    failing_since = CASE WHEN $3 <> 'delivered' THEN COALESCE(failing_since, now()) END
WHERE id = $1 AND attempt = $2 AND state = 'sending'
RETURNING failing_since

-- name: note_endpoint
-- $2 since when nothing arrives (null: something did), $3 why it is paused now (null: it is not).
UPDATE webhook_endpoint SET
    failing_since = $2,
    paused_at = CASE WHEN $3::text IS NULL THEN paused_at ELSE now() END,
    paused_because = COALESCE($3, paused_because)
WHERE id = $1

-- name: withhold_all
-- Nothing is under way to a paused endpoint but what is being sent. What is locked now is withheld when it is claimed.
WITH open AS (
    SELECT id FROM webhook_delivery
    WHERE endpoint_id = $1 AND (state = 'ready' OR state = 'waiting' AND due_at IS NOT NULL)
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_delivery d SET state = 'waiting', due_at = NULL FROM open WHERE d.id = open.id

-- name: hand_back
-- Not a try: the receiver may have heard or not.
UPDATE webhook_delivery SET state = 'ready', ready_at = now(), tries = tries - 1, due_at = NULL
WHERE id = $1 AND attempt = $2 AND state = 'sending'
