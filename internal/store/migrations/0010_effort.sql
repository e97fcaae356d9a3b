-- +goose Up

-- How hard the model works; 'default' leaves it to the CLI. A server of before
-- inserts without it.
ALTER TABLE sessions ADD COLUMN effort TEXT NOT NULL DEFAULT 'default';
