-- +goose Up

-- What requests to the model took, by user and day (UTC). Sums and not single
-- records, so that the table does not grow with use. No reference to users: a
-- record may come after its user is gone, and a bill outlives both.
CREATE TABLE meter_usage (
    user_id               INTEGER NOT NULL,
    day                   TEXT    NOT NULL, -- '2026-11-24'
    model                 TEXT    NOT NULL, -- '' when the request took no tokens
    session_id            TEXT    NOT NULL, -- '' likewise, or when the request named none
    requests              BIGINT  NOT NULL,
    failures              BIGINT  NOT NULL, -- of these: answered with an error, or not at all
    input_tokens          BIGINT  NOT NULL,
    output_tokens         BIGINT  NOT NULL,
    cache_creation_tokens BIGINT  NOT NULL,
    cache_read_tokens     BIGINT  NOT NULL,
    PRIMARY KEY (user_id, day, model, session_id)
);

CREATE INDEX meter_usage_day ON meter_usage (day);

-- How far the gateway's records have been summed. It moves in the transaction
-- that adds them, so each counts once.
CREATE TABLE meter_spools (
    spool    TEXT   PRIMARY KEY,
    last_seq BIGINT NOT NULL
);
