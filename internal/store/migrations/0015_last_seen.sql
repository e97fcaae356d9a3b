-- +goose Up

-- When a person was last here, to a minute: a sign-in or a token that is gone tells it no more. A server of before
-- does not write it.
ALTER TABLE users ADD COLUMN last_seen_at TIMESTAMP;
UPDATE users SET last_seen_at = (SELECT max(at) FROM (
    SELECT max(coalesce(last_used_at, created_at)) AS at FROM logins WHERE user_id = users.id
    UNION ALL SELECT max(last_used_at) FROM tokens WHERE user_id = users.id));
