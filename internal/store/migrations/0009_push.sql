-- +goose Up

-- The key by which push services know us. One row. A subscription is bound to
-- it: a new key would silence every device.
CREATE TABLE push_key (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    private_key TEXT    NOT NULL,
    public_key  TEXT    NOT NULL
);

-- Browsers that want to be told. Who signs in where another was takes the
-- browser over: an endpoint is there once.
CREATE TABLE push_subscriptions (
    id           TEXT      PRIMARY KEY,
    user_id      INTEGER   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    endpoint     TEXT      NOT NULL UNIQUE,
    p256dh       TEXT      NOT NULL,
    auth         TEXT      NOT NULL,
    device       TEXT      NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    last_sent_at TIMESTAMP, -- NULL: never
    problem      TEXT      NOT NULL DEFAULT '' -- of the last sending
);
CREATE INDEX push_subscriptions_user ON push_subscriptions (user_id);

CREATE TABLE push_settings (
    user_id    INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    requests   BOOLEAN NOT NULL,
    finished   BOOLEAN NOT NULL,
    failed     BOOLEAN NOT NULL,
    quiet_from TEXT    NOT NULL, -- '22:00'; '' without quiet hours
    quiet_to   TEXT    NOT NULL,
    quiet_zone TEXT    NOT NULL
);

-- The request that was told of last, by session: a new server does not tell
-- of it again.
CREATE TABLE push_told (
    user_id    INTEGER NOT NULL,
    session_id TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    PRIMARY KEY (user_id, session_id),
    FOREIGN KEY (user_id, session_id) REFERENCES sessions (user_id, id) ON DELETE CASCADE
);
