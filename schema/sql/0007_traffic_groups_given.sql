-- SPDX-License-Identifier: BSD-3-Clause
-- Whether somebody gave an (empty) list of groups for traffic logs: shown again as it was given.

ALTER TABLE account_settings ADD COLUMN traffic_groups_given BIGINT NOT NULL DEFAULT 0;
