-- +goose Up

-- A migration runs once, whoever starts it: see migrate.go.
CREATE UNIQUE INDEX goose_db_version_once ON goose_db_version (version_id);

CREATE TABLE users (
    id            INTEGER   PRIMARY KEY AUTOINCREMENT, -- never given twice: it names volumes and uid ranges
    username      TEXT      NOT NULL UNIQUE,
    email         TEXT      NOT NULL DEFAULT '',
    email_key     TEXT      UNIQUE, -- the address in lower case; NULL: none
    password_hash TEXT      NOT NULL,
    role          TEXT      NOT NULL CHECK (role IN ('admin', 'moderator', 'user')),
    language      TEXT      NOT NULL,
    active        BOOLEAN   NOT NULL,
    created_at    TIMESTAMP NOT NULL
);

CREATE TABLE quotas (
    user_id          INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    instances        INTEGER NOT NULL,
    live_sessions    INTEGER NOT NULL,
    cpu              REAL    NOT NULL,
    memory_bytes     BIGINT  NOT NULL,
    pids             BIGINT  NOT NULL,
    storage_bytes    BIGINT  NOT NULL,
    inodes           BIGINT  NOT NULL,
    tokens_per_day   BIGINT, -- NULL: no limit
    tokens_per_month BIGINT
);

CREATE TABLE logins (
    hash       BLOB      PRIMARY KEY, -- SHA-256 of the cookie
    user_id    INTEGER   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX logins_user ON logins (user_id);
CREATE INDEX logins_expires ON logins (expires_at);

CREATE TABLE tokens (
    id           TEXT      PRIMARY KEY,
    user_id      INTEGER   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT      NOT NULL,
    hash         BLOB      NOT NULL UNIQUE, -- SHA-256 of the secret
    created_at   TIMESTAMP NOT NULL,
    last_used_at TIMESTAMP,
    expires_at   TIMESTAMP
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE invitations (
    id         TEXT      PRIMARY KEY,
    hash       BLOB      NOT NULL UNIQUE, -- SHA-256 of the secret
    role       TEXT      NOT NULL CHECK (role IN ('admin', 'moderator', 'user')),
    created_by INTEGER   REFERENCES users (id) ON DELETE CASCADE, -- who is gone invites nobody
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP, -- an invitation serves once
    used_by    INTEGER   REFERENCES users (id) ON DELETE SET NULL
);
CREATE INDEX invitations_creator ON invitations (created_by);
