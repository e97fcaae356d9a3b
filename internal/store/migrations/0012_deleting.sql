-- +goose Up

-- Somebody has deleted it: nobody finds it any more, and the row goes once the
-- user's volume has nothing of it. A server of before inserts without it.
ALTER TABLE sessions ADD COLUMN deleting BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX sessions_deleting ON sessions (user_id) WHERE deleting;
