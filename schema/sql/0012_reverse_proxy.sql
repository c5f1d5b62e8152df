-- SPDX-License-Identifier: BSD-3-Clause
-- The reverse proxy: services in full, the proxies that serve them, and what those report.

ALTER TABLE service ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE service ADD COLUMN listen_port BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN port_auto_assigned BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN pass_host_header BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN rewrite_redirects BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN password_given BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN password_on BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN password_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE service ADD COLUMN pin_given BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN pin_on BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN pin_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE service ADD COLUMN bearer_given BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN bearer_on BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN header_auths TEXT NOT NULL DEFAULT '[]';
ALTER TABLE service ADD COLUMN allowed_cidrs TEXT NOT NULL DEFAULT '[]';
ALTER TABLE service ADD COLUMN blocked_cidrs TEXT NOT NULL DEFAULT '[]';
ALTER TABLE service ADD COLUMN allowed_countries TEXT NOT NULL DEFAULT '[]';
ALTER TABLE service ADD COLUMN blocked_countries TEXT NOT NULL DEFAULT '[]';
ALTER TABLE service ADD COLUMN crowdsec_mode TEXT NOT NULL DEFAULT '';
ALTER TABLE service ADD COLUMN session_public TEXT NOT NULL DEFAULT '';
ALTER TABLE service ADD COLUMN session_private_sealed TEXT NOT NULL DEFAULT '';
ALTER TABLE service ADD COLUMN created_at BIGINT;
ALTER TABLE service ADD COLUMN source TEXT NOT NULL DEFAULT 'permanent';
ALTER TABLE service ADD COLUMN source_peer TEXT NOT NULL DEFAULT '';
CREATE INDEX service_cluster ON service (proxy_cluster);

-- What proxies tell of a service, and for exposed ones when they were renewed: often, and no part of
-- the account's history.
CREATE TABLE service_status (
    service_id TEXT PRIMARY KEY REFERENCES service (id) ON DELETE CASCADE,
    status     TEXT NOT NULL DEFAULT 'pending',
    issued_at  BIGINT,
    renewed_at BIGINT
) @norowid@;

-- Tokens of proxies. account_id NULL: a proxy for all accounts.
CREATE TABLE proxy_token (
    id         TEXT PRIMARY KEY,
    account_id TEXT REFERENCES account (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used  BIGINT,
    revoked    BIGINT NOT NULL
) @norowid@;
CREATE INDEX proxy_token_account ON proxy_token (account_id);

-- Proxies that are or were connected. A capability that is NULL was not told.
CREATE TABLE proxy_node (
    id                TEXT PRIMARY KEY,
    session           TEXT NOT NULL,
    account_id        TEXT REFERENCES account (id) ON DELETE CASCADE,
    cluster           TEXT NOT NULL,
    ip                TEXT NOT NULL,
    version           TEXT NOT NULL,
    connected         BIGINT NOT NULL,
    last_seen         BIGINT NOT NULL,
    custom_ports      BIGINT,
    require_subdomain BIGINT,
    crowdsec          BIGINT,
    overlay           BIGINT
) @norowid@;
CREATE INDEX proxy_node_cluster ON proxy_node (cluster);

-- One-time tokens and login states that were used, until they would have expired anyway.
CREATE TABLE proxy_used (
    hash  TEXT PRIMARY KEY,
    until BIGINT NOT NULL
) @norowid@;

CREATE TABLE proxy_log (
    id             TEXT NOT NULL,
    account_id     TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    service_id     TEXT NOT NULL,
    at             BIGINT NOT NULL,
    method         TEXT NOT NULL,
    host           TEXT NOT NULL,
    path           TEXT NOT NULL,
    duration_ms    BIGINT NOT NULL,
    status_code    BIGINT NOT NULL,
    source_ip      TEXT NOT NULL,
    reason         TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    auth_method    TEXT NOT NULL,
    country        TEXT NOT NULL,
    city           TEXT NOT NULL,
    subdivision    TEXT NOT NULL,
    bytes_upload   BIGINT NOT NULL,
    bytes_download BIGINT NOT NULL,
    protocol       TEXT NOT NULL,
    metadata       TEXT NOT NULL,
    PRIMARY KEY (account_id, at, id)
) @norowid@;
CREATE INDEX proxy_log_at ON proxy_log (at);
