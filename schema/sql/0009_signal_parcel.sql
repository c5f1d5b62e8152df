-- SPDX-License-Identifier: BSD-3-Clause
-- Signal messages between processes that do not fit into a NOTIFY. Fetched at once, swept after a
-- minute.
CREATE TABLE signal_parcel (
    id   TEXT PRIMARY KEY,
    at   BIGINT NOT NULL,
    body @bytes@ NOT NULL
) @norowid@;
