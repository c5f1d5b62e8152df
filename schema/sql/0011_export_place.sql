-- SPDX-License-Identifier: BSD-3-Clause
-- How far events were brought to each receiver outside (management/export).
CREATE TABLE export_place (
    receiver TEXT NOT NULL,
    source   TEXT NOT NULL,
    place    BIGINT NOT NULL,
    PRIMARY KEY (receiver, source)
) @norowid@;
