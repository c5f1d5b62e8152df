-- SPDX-License-Identifier: BSD-3-Clause
-- The domain of a resource as somebody wrote it, where machines are told another text (lower case,
-- punycode). Empty: the same.

ALTER TABLE resource ADD COLUMN address_given TEXT NOT NULL DEFAULT '';
