-- name: insert_import
WITH expected AS (
    INSERT INTO audio (id, owner, filename, blob) VALUES ($1, $2, $3, $4) RETURNING id
)
INSERT INTO import (audio_id, url, named) SELECT id, $5, $6 FROM expected
