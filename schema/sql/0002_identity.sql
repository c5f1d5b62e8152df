-- SPDX-License-Identifier: BSD-3-Clause
-- People who log in with a password that we keep, and external identity providers. Instance-wide:
-- which account a person belongs to is said by usr (usr.id = local_user.subject).

CREATE TABLE local_user (
    id           TEXT PRIMARY KEY,     -- UUID
    subject      TEXT NOT NULL UNIQUE, -- user id in tokens and in usr
    email_key    TEXT NOT NULL UNIQUE, -- HMAC of the lower-case address: found, but not read
    email_sealed TEXT NOT NULL,
    name_sealed  TEXT NOT NULL,
    pw_hash      TEXT NOT NULL,
    totp_sealed  TEXT NOT NULL,        -- empty: no second factor yet
    totp_last    BIGINT NOT NULL,      -- time step of the last code, so that none works twice
    created_at   BIGINT,
    updated_at   BIGINT
) @norowid@;

CREATE TABLE idp_connector (
    id            TEXT PRIMARY KEY,
    type          TEXT NOT NULL,
    name          TEXT NOT NULL,
    issuer        TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    secret_sealed TEXT NOT NULL,
    created_at    BIGINT
) @norowid@;
