-- SPDX-License-Identifier: BSD-3-Clause
-- Traffic events as agents reported them, one row a message; what belongs to one flow is put
-- together when it is read.

CREATE TABLE traffic_event (
    seq          @autoid@,
    account_id   TEXT NOT NULL,
    day          BIGINT NOT NULL,  -- days since 1970 when it came, UTC: goes as a whole
    event_id     @bytes@ NOT NULL,
    received_at  BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    window_end   BIGINT NOT NULL,
    reporter     TEXT NOT NULL,    -- id of the peer
    flow_id      @bytes@ NOT NULL,
    is_first     BIGINT NOT NULL,  -- of its flow and reporter
    user_id      TEXT NOT NULL,    -- whose machine the reporter was
    policy_id    TEXT NOT NULL,
    direction    BIGINT NOT NULL,  -- numbers of the protocol
    protocol     BIGINT NOT NULL,
    routed       BIGINT NOT NULL,  -- an end of it is behind a routing peer
    source_type  BIGINT NOT NULL,
    source_id    TEXT NOT NULL,
    source_ip    TEXT NOT NULL,
    source_port  BIGINT NOT NULL,  -- ICMP: type
    dest_type    BIGINT NOT NULL,
    dest_id      TEXT NOT NULL,
    dest_ip      TEXT NOT NULL,
    dest_port    BIGINT NOT NULL,  -- ICMP: code
    rx_packets   BIGINT NOT NULL,
    tx_packets   BIGINT NOT NULL,
    rx_bytes     BIGINT NOT NULL,
    tx_bytes     BIGINT NOT NULL,
    starts       BIGINT NOT NULL,
    ends         BIGINT NOT NULL,
    drops        BIGINT NOT NULL
);
CREATE UNIQUE INDEX traffic_event_id ON traffic_event (account_id, event_id);
CREATE INDEX traffic_event_flow ON traffic_event (reporter, flow_id);
CREATE INDEX traffic_event_at ON traffic_event (account_id, at);
CREATE INDEX traffic_event_day ON traffic_event (day);
