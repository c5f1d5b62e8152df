-- SPDX-License-Identifier: BSD-3-Clause
-- Several processes on one database. Additive: processes of the release before know (id, seen_at)
-- only, and go on with their statements beside newer ones.

-- epoch: another one for each time that a process joins, so that what it wrote before it was taken
-- for dead can be told apart. 0: a process of the release before. seen_at: by the database's clock.
ALTER TABLE node ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE node ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE node ADD COLUMN started_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN relay TEXT NOT NULL DEFAULT '';       -- as agents are told; may be empty
ALTER TABLE node ADD COLUMN secret_check TEXT NOT NULL DEFAULT ''; -- hash of the relays' secret
ALTER TABLE node ADD COLUMN lag_versions BIGINT NOT NULL DEFAULT 0; -- behind the store, as it says
ALTER TABLE node ADD COLUMN lag_us BIGINT NOT NULL DEFAULT 0;

-- What one process does for all. It is held as long as the holder's row (id, epoch) is in node;
-- token grows with each holder, and a write that depends on the lease names it.
CREATE TABLE lease (
    name  TEXT PRIMARY KEY,
    node  TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    token BIGINT NOT NULL,
    since BIGINT NOT NULL
) @norowid@;

CREATE TABLE cluster_count (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
) @norowid@;
INSERT INTO cluster_count (name, value) VALUES ('epoch', 0);
INSERT INTO cluster_count (name, value) VALUES ('takeovers', 0);
INSERT INTO cluster_count (name, value) VALUES ('keyring', 0);
