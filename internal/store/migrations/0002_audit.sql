-- +goose Up

CREATE TABLE audit (
    id       INTEGER   PRIMARY KEY AUTOINCREMENT,
    at       TIMESTAMP NOT NULL,
    actor_id INTEGER,                     -- NULL: nobody signed in. No foreign key: the record outlives the user
    action   TEXT      NOT NULL,
    target   TEXT      NOT NULL,
    address  TEXT      NOT NULL,
    detail   TEXT      NOT NULL           -- JSON, without secrets
);
CREATE INDEX audit_actor ON audit (actor_id, id);
CREATE INDEX audit_action ON audit (action, id);

-- What is written stays as it is.

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
-- +goose StatementEnd

-- INSERT OR REPLACE deletes without firing the trigger above.
-- +goose StatementBegin
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
-- +goose StatementEnd
