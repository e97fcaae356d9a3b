-- +goose Up

-- The last activity that the person has seen, on whatever device. What there is
-- is no news. A server of before inserts without it.
ALTER TABLE sessions ADD COLUMN seen_at TIMESTAMP;
UPDATE sessions SET seen_at = last_activity_at;
