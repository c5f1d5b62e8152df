-- SPDX-License-Identifier: BSD-3-Clause
-- What ends logins: a new password, a block, a replayed code, a second factor that is switched on,
-- a provider that is deleted or changed.

-- How often the logins of a subject were ended. Sessions, codes, refresh tokens and access tokens
-- carry the number of their time and count only while it is the present one. No row: 0.
CREATE TABLE idp_login (
    subject TEXT PRIMARY KEY,
    gen     BIGINT NOT NULL
) @norowid@;

ALTER TABLE idp_session ADD COLUMN gen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE idp_code ADD COLUMN gen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE idp_refresh ADD COLUMN gen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE idp_device ADD COLUMN gen BIGINT NOT NULL DEFAULT 0;

-- Codes for the day without a phone, as hashes with a blank between; wrong second factors in a row.
ALTER TABLE local_user ADD COLUMN recovery TEXT NOT NULL DEFAULT '';
ALTER TABLE local_user ADD COLUMN totp_fails BIGINT NOT NULL DEFAULT 0;

-- realm: the connector's part of its users' subjects; another one for each issuer, so that nobody
-- becomes somebody else when the issuer changes. Empty: the id.
-- shared_callback: the one connector that was, or may be, registered at its provider with the
-- address without an id. Only one has it, so no answer of another provider can arrive there as its.
ALTER TABLE idp_connector ADD COLUMN realm TEXT NOT NULL DEFAULT '';
ALTER TABLE idp_connector ADD COLUMN shared_callback BIGINT NOT NULL DEFAULT 0;
UPDATE idp_connector SET shared_callback = 1
    WHERE id = (SELECT id FROM idp_connector ORDER BY created_at, id LIMIT 1);

-- email_verified: -1 the provider did not say. refresh_sealed: the provider's refresh token.
ALTER TABLE idp_external_user ADD COLUMN email_verified BIGINT NOT NULL DEFAULT -1;
ALTER TABLE idp_external_user ADD COLUMN refresh_sealed TEXT NOT NULL DEFAULT '';

-- The machines of a blocked user are in nobody's map.
ALTER TABLE peer ADD COLUMN owner_blocked BIGINT NOT NULL DEFAULT 0;
UPDATE peer SET owner_blocked = 1 WHERE user_id IN (SELECT id FROM usr WHERE blocked = 1);
