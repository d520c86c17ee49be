-- name: beat
-- One round trip: renews the lease (writing the row when it is the first time, or when an older database came back), and
-- tells what is wanted, how many slots the lane has, and which of these units (by place, from 1) are no longer this
-- worker's. One that this very attempt has just ended is not among them: its work must not be cut off between the commit
-- and its answer.
WITH beat AS (
    INSERT INTO worker AS w (id, lane, slots, busy, lease_until, pace, abilities)
    VALUES ($1, $2, $3, $8, now() + make_interval(secs => $4), $7, $9)
    ON CONFLICT (id) DO UPDATE SET
        lease_until = excluded.lease_until, busy = excluded.busy, pace = excluded.pace, last_seen = now()
    RETURNING w.wanted
)
SELECT COALESCE((SELECT wanted FROM beat), (SELECT wanted FROM fleet)) AS wanted,
       (SELECT COALESCE(sum(slots), 0) FROM worker WHERE lane = $2 AND lease_until >= now() AND id <> $1) + $3 AS slots,
       ARRAY(
           SELECT held.place FROM unnest($5::uuid[], $6::int[]) WITH ORDINALITY AS held (id, attempt, place)
           WHERE NOT EXISTS (
               SELECT FROM unit u WHERE u.id = held.id AND u.attempt = held.attempt AND u.state IN ('running', 'done'))
       ) AS gone

-- name: leave
UPDATE worker SET lease_until = NULL, busy = 0, last_seen = now() WHERE id = $1
