-- +goose Up

-- What is old may go: an entry that is older than the newest by thirty days or
-- more. The rest stays as it is.

DROP TRIGGER audit_no_delete;
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN OLD.at > (SELECT datetime(at, '-30 days') FROM audit ORDER BY id DESC LIMIT 1)
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
-- +goose StatementEnd
