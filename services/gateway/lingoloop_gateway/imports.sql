-- name: insert_import
WITH expected AS (
    INSERT INTO audio (id, owner, filename, blob, metadata) VALUES ($1, $2, $3, $4, $7) RETURNING id
)
INSERT INTO import (audio_id, url, named) SELECT id, $5, $6 FROM expected
