-- SPDX-License-Identifier: BSD-3-Clause
-- The whole account model, one text for SQLite and PostgreSQL. Three words stand for what differs:
--   @bytes@    BLOB / BYTEA
--   @autoid@   an automatic BIGINT primary key
--   @norowid@  WITHOUT ROWID / nothing
-- Times: microseconds since 1970, NULL = unset. Durations: seconds. Booleans: 0 or 1.
-- Addresses: 4 or 16 bytes; prefixes: address and one byte of length.
-- References between entities carry no foreign key, because the official server tolerates dangling
-- ones and imports must be accepted; only ownership does (account, user, peer, group, zone, policy).
-- *_sealed columns hold texts of lib/crypto/vault.

CREATE TABLE kv (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) @norowid@;

CREATE TABLE account (
    id                    TEXT PRIMARY KEY,
    created_by            TEXT NOT NULL,
    created_at            BIGINT,
    domain                TEXT NOT NULL,
    domain_category       TEXT NOT NULL,
    is_primary            BIGINT NOT NULL,
    net_id                TEXT NOT NULL,
    net4                  @bytes@,
    net6                  @bytes@,
    rp_nonce              TEXT NOT NULL,
    onboarding_flow       BIGINT NOT NULL,
    onboarding_signup     BIGINT NOT NULL,
    onboarding_created_at BIGINT,
    onboarding_updated_at BIGINT
) @norowid@;
CREATE INDEX account_domain ON account (domain, domain_category, is_primary);
-- Two first users of a private domain must not make two primary accounts.
CREATE UNIQUE INDEX account_primary ON account (domain) WHERE is_primary = 1 AND domain <> '';

-- The hot row of an account: locked by every mutation. Stays when the account is deleted, as the end
-- of its journal.
CREATE TABLE account_head (
    account_id   TEXT PRIMARY KEY,
    serial       BIGINT NOT NULL,     -- network serial, as agents see it
    version      BIGINT NOT NULL,     -- grows with every commit that changed anything
    journal_seq  BIGINT NOT NULL,     -- last journal row
    journal_hash @bytes@ NOT NULL,    -- and its hash
    base_seq     BIGINT NOT NULL,     -- last row that was pruned (0: none)
    base_hash    @bytes@ NOT NULL     -- and its hash: where the chain starts
) @norowid@;

CREATE TABLE account_settings (
    account_id                    TEXT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    login_expiration_enabled      BIGINT NOT NULL,
    login_expiration              BIGINT NOT NULL,
    inactivity_expiration_enabled BIGINT NOT NULL,
    inactivity_expiration         BIGINT NOT NULL,
    regular_users_view_blocked    BIGINT NOT NULL,
    groups_propagation            BIGINT NOT NULL,
    jwt_groups_enabled            BIGINT NOT NULL,
    jwt_groups_claim              TEXT NOT NULL,
    jwt_allow_groups              TEXT NOT NULL,
    routing_dns_resolution        BIGINT NOT NULL,
    dns_domain                    TEXT NOT NULL,
    network_range4                @bytes@,
    network_range6                @bytes@,
    peer_expose_enabled           BIGINT NOT NULL,
    peer_approval_enabled         BIGINT NOT NULL,
    user_approval_required        BIGINT NOT NULL,
    integrated_validator          TEXT NOT NULL,
    lazy_connection               BIGINT NOT NULL,
    auto_update_version           TEXT NOT NULL,
    auto_update_always            BIGINT NOT NULL,
    metrics_push                  BIGINT NOT NULL,
    agent_network_only            BIGINT NOT NULL,
    has_dashboard_features        BIGINT NOT NULL,
    dashboard_agent_network       BIGINT NOT NULL,
    local_mfa                     BIGINT NOT NULL
) @norowid@;

CREATE TABLE account_dns (
    account_id TEXT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE
) @norowid@;

CREATE TABLE usr (
    id               TEXT PRIMARY KEY,
    account_id       TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role             TEXT NOT NULL,
    is_service       BIGINT NOT NULL,
    non_deletable    BIGINT NOT NULL,
    service_name     TEXT NOT NULL,
    blocked          BIGINT NOT NULL,
    pending_approval BIGINT NOT NULL,
    last_login       BIGINT,
    created_at       BIGINT,
    issued           TEXT NOT NULL,
    integration_id   BIGINT NOT NULL,
    integration_type TEXT NOT NULL,
    name_sealed      TEXT NOT NULL,
    email_sealed     TEXT NOT NULL
) @norowid@;
CREATE INDEX usr_account ON usr (account_id);

CREATE TABLE pat (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES usr (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    expires_at BIGINT,
    created_by TEXT NOT NULL,
    created_at BIGINT,
    last_used  BIGINT
) @norowid@;
CREATE INDEX pat_account ON pat (account_id);
CREATE INDEX pat_user ON pat (user_id);

CREATE TABLE setup_key (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    hash         TEXT NOT NULL UNIQUE,
    display      TEXT NOT NULL,
    name         TEXT NOT NULL,
    type         TEXT NOT NULL,
    created_at   BIGINT,
    updated_at   BIGINT,
    expires_at   BIGINT,
    last_used    BIGINT,
    revoked      BIGINT NOT NULL,
    used         BIGINT NOT NULL,
    usage_limit  BIGINT NOT NULL,
    ephemeral    BIGINT NOT NULL,
    allow_labels BIGINT NOT NULL
) @norowid@;
CREATE INDEX setup_key_account ON setup_key (account_id);

CREATE TABLE peer (
    id                    TEXT PRIMARY KEY,
    account_id            TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    wg_key                TEXT NOT NULL UNIQUE,
    ip4                   @bytes@ NOT NULL,
    ip6                   @bytes@,
    name                  TEXT NOT NULL,
    label                 TEXT NOT NULL,
    user_id               TEXT,
    ssh_key               TEXT NOT NULL,
    ssh_enabled           BIGINT NOT NULL,
    login_expiration      BIGINT NOT NULL,
    inactivity_expiration BIGINT NOT NULL,
    last_login            BIGINT,
    created_at            BIGINT,
    ephemeral             BIGINT NOT NULL,
    extra_labels          TEXT NOT NULL,
    allow_labels          BIGINT NOT NULL,
    proxy_embedded        BIGINT NOT NULL,
    proxy_cluster         TEXT NOT NULL,
    login_expired         BIGINT NOT NULL,
    requires_approval     BIGINT NOT NULL
) @norowid@;
CREATE UNIQUE INDEX peer_ip4 ON peer (account_id, ip4);
CREATE UNIQUE INDEX peer_ip6 ON peer (account_id, ip6);
CREATE UNIQUE INDEX peer_label ON peer (account_id, label);
CREATE INDEX peer_user ON peer (user_id);
CREATE INDEX peer_ephemeral ON peer (account_id) WHERE ephemeral = 1;

-- Presence: narrow and hot, written in batches, not journaled and not part of a network map. node is
-- the server process that has the peer's stream.
CREATE TABLE peer_status (
    id            TEXT PRIMARY KEY REFERENCES peer (id) ON DELETE CASCADE,
    last_seen     BIGINT,
    connected     BIGINT NOT NULL,
    session_token BIGINT NOT NULL,
    node          TEXT
) @norowid@;
CREATE INDEX peer_status_node ON peer_status (node) WHERE node IS NOT NULL;

-- Server processes that share this database.
CREATE TABLE node (
    id      TEXT PRIMARY KEY,
    seen_at BIGINT NOT NULL
) @norowid@;

CREATE TABLE peer_meta (
    id            TEXT PRIMARY KEY REFERENCES peer (id) ON DELETE CASCADE,
    meta          TEXT NOT NULL,
    connection_ip @bytes@,
    country       TEXT NOT NULL,
    city          TEXT NOT NULL,
    geoname_id    BIGINT NOT NULL
) @norowid@;

CREATE TABLE grp (
    id               TEXT PRIMARY KEY,
    account_id       TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    public_id        TEXT NOT NULL,
    name             TEXT NOT NULL,
    issued           TEXT NOT NULL,
    integration_id   BIGINT NOT NULL,
    integration_type TEXT NOT NULL
) @norowid@;
CREATE INDEX grp_account ON grp (account_id, name);

CREATE TABLE grp_peer (
    group_id   TEXT NOT NULL REFERENCES grp (id) ON DELETE CASCADE,
    peer_id    TEXT NOT NULL REFERENCES peer (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    PRIMARY KEY (group_id, peer_id)
) @norowid@;
CREATE INDEX grp_peer_peer ON grp_peer (peer_id);
CREATE INDEX grp_peer_account ON grp_peer (account_id);

CREATE TABLE grp_resource (
    group_id    TEXT NOT NULL REFERENCES grp (id) ON DELETE CASCADE,
    resource_id TEXT NOT NULL,
    ord         BIGINT NOT NULL,
    type        TEXT NOT NULL,
    account_id  TEXT NOT NULL,
    PRIMARY KEY (group_id, ord)
) @norowid@;
CREATE INDEX grp_resource_resource ON grp_resource (resource_id);
CREATE INDEX grp_resource_account ON grp_resource (account_id);

CREATE TABLE policy (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    public_id   TEXT NOT NULL,
    seq         BIGINT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled     BIGINT NOT NULL
) @norowid@;
CREATE INDEX policy_account ON policy (account_id, seq);

CREATE TABLE policy_posture (
    policy_id  TEXT NOT NULL REFERENCES policy (id) ON DELETE CASCADE,
    ord        BIGINT NOT NULL,
    posture_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    PRIMARY KEY (policy_id, ord)
) @norowid@;
CREATE INDEX policy_posture_posture ON policy_posture (posture_id);
CREATE INDEX policy_posture_account ON policy_posture (account_id);

CREATE TABLE policy_rule (
    policy_id       TEXT NOT NULL REFERENCES policy (id) ON DELETE CASCADE,
    ord             BIGINT NOT NULL,
    id              TEXT NOT NULL,
    account_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    enabled         BIGINT NOT NULL,
    action          TEXT NOT NULL,
    protocol        TEXT NOT NULL,
    bidirectional   BIGINT NOT NULL,
    src_res_id      TEXT,
    src_res_type    TEXT NOT NULL,
    dst_res_id      TEXT,
    dst_res_type    TEXT NOT NULL,
    ports           TEXT NOT NULL,
    ranges          TEXT NOT NULL,
    authorized      TEXT NOT NULL,
    authorized_user TEXT NOT NULL,
    PRIMARY KEY (policy_id, ord)
) @norowid@;
CREATE UNIQUE INDEX policy_rule_id ON policy_rule (id);
CREATE INDEX policy_rule_account ON policy_rule (account_id);
CREATE INDEX policy_rule_src ON policy_rule (src_res_id) WHERE src_res_id IS NOT NULL;
CREATE INDEX policy_rule_dst ON policy_rule (dst_res_id) WHERE dst_res_id IS NOT NULL;

CREATE TABLE posture (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    public_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    checks      TEXT NOT NULL
) @norowid@;
CREATE INDEX posture_account ON posture (account_id);

CREATE TABLE route (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    public_id   TEXT NOT NULL,
    description TEXT NOT NULL,
    network     @bytes@,
    domains     TEXT NOT NULL,
    kind        BIGINT NOT NULL,
    keep_route  BIGINT NOT NULL,
    net_id      TEXT NOT NULL,
    peer_id     TEXT,
    metric      BIGINT NOT NULL,
    masquerade  BIGINT NOT NULL,
    enabled     BIGINT NOT NULL,
    skip_auto   BIGINT NOT NULL
) @norowid@;
CREATE INDEX route_account ON route (account_id);
CREATE INDEX route_peer ON route (peer_id);

CREATE TABLE network (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    public_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL
) @norowid@;
CREATE INDEX network_account ON network (account_id);

CREATE TABLE resource (
    id          TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    network_id  TEXT NOT NULL,
    public_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    type        TEXT NOT NULL,
    prefix      @bytes@,
    domain      TEXT NOT NULL,
    enabled     BIGINT NOT NULL
) @norowid@;
CREATE UNIQUE INDEX resource_name ON resource (account_id, name);
CREATE INDEX resource_network ON resource (network_id);

CREATE TABLE router (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    network_id TEXT NOT NULL,
    public_id  TEXT NOT NULL,
    peer_id    TEXT,
    masquerade BIGINT NOT NULL,
    metric     BIGINT NOT NULL,
    enabled    BIGINT NOT NULL
) @norowid@;
CREATE INDEX router_account ON router (account_id);
CREATE INDEX router_network ON router (network_id);
CREATE INDEX router_peer ON router (peer_id);

CREATE TABLE ns_group (
    id             TEXT PRIMARY KEY,
    account_id     TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    public_id      TEXT NOT NULL,
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    servers        TEXT NOT NULL,
    is_primary     BIGINT NOT NULL,
    domains        TEXT NOT NULL,
    enabled        BIGINT NOT NULL,
    search_domains BIGINT NOT NULL
) @norowid@;
CREATE UNIQUE INDEX ns_group_name ON ns_group (account_id, name);

CREATE TABLE zone (
    id            TEXT PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    domain        TEXT NOT NULL,
    enabled       BIGINT NOT NULL,
    search_domain BIGINT NOT NULL
) @norowid@;
CREATE UNIQUE INDEX zone_domain ON zone (account_id, domain);

CREATE TABLE record (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    zone_id    TEXT NOT NULL REFERENCES zone (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    type       TEXT NOT NULL,
    content    TEXT NOT NULL,
    ttl        BIGINT NOT NULL
) @norowid@;
CREATE INDEX record_account ON record (account_id);
CREATE INDEX record_zone ON record (zone_id);

CREATE TABLE invite (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    email_sealed TEXT NOT NULL,
    name_sealed  TEXT NOT NULL,
    role         TEXT NOT NULL,
    token_hash   TEXT NOT NULL UNIQUE,
    expires_at   BIGINT,
    created_at   BIGINT,
    created_by   TEXT NOT NULL
) @norowid@;
CREATE INDEX invite_account ON invite (account_id);

CREATE TABLE job (
    id             TEXT PRIMARY KEY,
    account_id     TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    peer_id        TEXT NOT NULL,
    type           TEXT NOT NULL,
    bundle_for     BIGINT NOT NULL,
    bundle_for_min BIGINT NOT NULL,
    log_file_count BIGINT NOT NULL,
    anonymize      BIGINT NOT NULL,
    status         TEXT NOT NULL,
    failed_reason  TEXT NOT NULL,
    result         TEXT NOT NULL,
    triggered_by   TEXT NOT NULL,
    created_at     BIGINT,
    completed_at   BIGINT
) @norowid@;
CREATE INDEX job_account ON job (account_id);
CREATE INDEX job_peer ON job (peer_id);

CREATE TABLE service (
    id            TEXT PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    domain        TEXT NOT NULL UNIQUE,
    proxy_cluster TEXT NOT NULL,
    mode          TEXT NOT NULL,
    enabled       BIGINT NOT NULL,
    terminated    BIGINT NOT NULL,
    is_private    BIGINT NOT NULL,
    targets       TEXT NOT NULL
) @norowid@;
CREATE INDEX service_account ON service (account_id);

CREATE TABLE proxy_domain (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    domain     TEXT NOT NULL UNIQUE,
    cluster    TEXT NOT NULL,
    validated  BIGINT NOT NULL
) @norowid@;
CREATE INDEX proxy_domain_account ON proxy_domain (account_id);

-- Every list of group ids: owner_kind and role are the words of management/store/codec.c.
CREATE TABLE group_ref (
    owner_kind TEXT NOT NULL,
    owner_id   TEXT NOT NULL,
    role       TEXT NOT NULL,
    ord        BIGINT NOT NULL,
    group_id   TEXT NOT NULL,
    account_id TEXT NOT NULL,
    PRIMARY KEY (owner_kind, owner_id, role, ord)
) @norowid@;
CREATE INDEX group_ref_group ON group_ref (account_id, group_id);

-- What every mutation did, in its own transaction. hash = SHA-256 over the previous row's hash and
-- this row; see management/store/journal.h.
CREATE TABLE journal (
    account_id TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    serial     BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    op         TEXT NOT NULL,
    kind       TEXT NOT NULL,
    entity_id  TEXT NOT NULL,
    before     TEXT NOT NULL,
    after      TEXT NOT NULL,
    hash       @bytes@ NOT NULL,
    PRIMARY KEY (account_id, seq)
) @norowid@;
CREATE INDEX journal_entity ON journal (account_id, kind, entity_id);

CREATE TABLE event (
    id         @autoid@,
    at         BIGINT NOT NULL,
    activity   BIGINT NOT NULL,
    initiator  TEXT NOT NULL,
    target     TEXT NOT NULL,
    account_id TEXT NOT NULL,
    meta       TEXT NOT NULL
);
CREATE INDEX event_account ON event (account_id, at);

CREATE TABLE deleted_user (
    id           TEXT PRIMARY KEY,
    email_sealed TEXT NOT NULL,
    name_sealed  TEXT NOT NULL
) @norowid@;
