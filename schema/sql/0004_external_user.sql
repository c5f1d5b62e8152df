-- SPDX-License-Identifier: BSD-3-Clause
-- People who logged in at an external identity provider, as it described them last.

CREATE TABLE idp_external_user (
    subject       TEXT PRIMARY KEY,  -- of the provider's user id and the connector
    email_sealed  TEXT NOT NULL,
    name_sealed   TEXT NOT NULL,
    groups_sealed TEXT NOT NULL,     -- JSON array of texts, sealed; empty: none
    updated_at    BIGINT NOT NULL
) @norowid@;
