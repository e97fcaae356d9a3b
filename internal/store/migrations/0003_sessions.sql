-- +goose Up

-- Names, states and numbers of conversations, so that lists need no instance.
-- Their contents are in the user's volume. The id is the CLI's and comes, for
-- conversations that the CLI left, from files of the user's: it means nothing
-- without the user.
CREATE TABLE sessions (
    user_id          INTEGER          NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id               TEXT             NOT NULL,
    project          TEXT             NOT NULL,
    title            TEXT             NOT NULL,
    titled_by        TEXT             NOT NULL, -- '' nobody, 'prompt', 'cli', 'person': each yields to the next
    model            TEXT             NOT NULL, -- the one it works with, or asked_model before it has begun
    asked_model      TEXT             NOT NULL, -- '' leaves the choice to the CLI, at every start anew
    permission_mode  TEXT             NOT NULL,
    state            TEXT             NOT NULL,
    created_at       TIMESTAMP        NOT NULL,
    last_activity_at TIMESTAMP        NOT NULL,
    last_seq         BIGINT           NOT NULL,
    usage            TEXT             NOT NULL, -- JSON, by model
    cost_usd         DOUBLE PRECISION NOT NULL,
    fork_of          TEXT             NOT NULL, -- '' when it began with nothing
    cli_left         BOOLEAN          NOT NULL, -- found in the workspace, not made here
    PRIMARY KEY (user_id, id)
);
CREATE INDEX sessions_user ON sessions (user_id, last_activity_at, id);
CREATE INDEX sessions_project ON sessions (user_id, project, last_activity_at, id);
