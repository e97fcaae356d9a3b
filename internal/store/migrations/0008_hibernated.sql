-- +goose Up

-- Instances that rest: nothing of them runs, and their users' volumes are all
-- that is left. A row goes when its instance is woken or ended.
CREATE TABLE hibernated (
    user_id          INTEGER   PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    id               TEXT      NOT NULL,
    name             TEXT      NOT NULL, -- inside
    language         TEXT      NOT NULL,
    workspace        TEXT      NOT NULL,
    created_at       TIMESTAMP NOT NULL,
    last_activity_at TIMESTAMP NOT NULL,
    storage_bytes    BIGINT    NOT NULL, -- as last measured
    inodes           BIGINT    NOT NULL
);
