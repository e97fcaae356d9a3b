-- +goose Up

-- What a person tells their sign-ins apart by. Those of before, and of a server
-- of before, have none of it.
ALTER TABLE logins ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN last_used_at TIMESTAMP;
UPDATE logins SET id = 'log_' || lower(hex(randomblob(8)));

-- A browser is told nothing once the sign-in has ended by which it asked for it.
ALTER TABLE push_subscriptions ADD COLUMN login BLOB REFERENCES logins (hash) ON DELETE CASCADE;
CREATE INDEX push_subscriptions_login ON push_subscriptions (login);
