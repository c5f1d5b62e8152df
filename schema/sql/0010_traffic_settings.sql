-- SPDX-License-Identifier: BSD-3-Clause
-- Whether agents record traffic events, and whether with bytes and packets. The groups whose
-- machines do are kept like those of the other settings.

ALTER TABLE account_settings ADD COLUMN traffic_logs BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account_settings ADD COLUMN traffic_counters BIGINT NOT NULL DEFAULT 0;
