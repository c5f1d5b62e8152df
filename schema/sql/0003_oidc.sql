-- SPDX-License-Identifier: BSD-3-Clause
-- The embedded identity provider: signing keys, browser sessions, and what was handed out. Whatever
-- opens a door is here as base64(SHA-256) only.

CREATE TABLE idp_key (
    kid            TEXT PRIMARY KEY,
    private_sealed TEXT NOT NULL,   -- PKCS #8 PEM
    created_at     BIGINT NOT NULL  -- the newest one signs; each retires when the next is made
) @norowid@;

CREATE TABLE idp_session (
    hash       TEXT PRIMARY KEY,    -- of the cookie
    subject    TEXT NOT NULL,
    auth_time  BIGINT NOT NULL,     -- when the password was given
    last_seen  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) @norowid@;
CREATE INDEX idp_session_subject ON idp_session (subject);
CREATE INDEX idp_session_expires ON idp_session (expires_at);

-- An authorization code is kept for a while after its use, so that a second use is seen.
CREATE TABLE idp_code (
    hash         TEXT PRIMARY KEY,
    family       TEXT NOT NULL,     -- of the refresh tokens that come from it
    client_id    TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    subject      TEXT NOT NULL,
    scope        TEXT NOT NULL,
    nonce        TEXT NOT NULL,
    challenge    TEXT NOT NULL,     -- S256; empty: none was sent
    auth_time    BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    used         BIGINT NOT NULL
) @norowid@;
CREATE INDEX idp_code_expires ON idp_code (expires_at);

CREATE TABLE idp_refresh (
    hash       TEXT PRIMARY KEY,
    family     TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    subject    TEXT NOT NULL,
    scope      TEXT NOT NULL,
    nonce      TEXT NOT NULL,
    auth_time  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used       BIGINT NOT NULL      -- a second use ends the whole family
) @norowid@;
CREATE INDEX idp_refresh_family ON idp_refresh (family);
CREATE INDEX idp_refresh_subject ON idp_refresh (subject);
CREATE INDEX idp_refresh_expires ON idp_refresh (expires_at);

CREATE TABLE idp_device (
    hash       TEXT PRIMARY KEY,    -- of the device code
    user_hash  TEXT NOT NULL UNIQUE,
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    state      BIGINT NOT NULL,     -- 0 waiting, 1 allowed, 2 refused
    subject    TEXT NOT NULL,
    auth_time  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_poll  BIGINT NOT NULL,
    interval_s BIGINT NOT NULL
) @norowid@;
CREATE INDEX idp_device_expires ON idp_device (expires_at);

-- A token logs one agent in once.
CREATE TABLE used_token (
    hash       TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
) @norowid@;
CREATE INDEX used_token_expires ON used_token (expires_at);
