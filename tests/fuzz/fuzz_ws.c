/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz WebSocket: frames cut in two at a place the first byte tells must give the same events as in
 * one piece, in both roles; the same bytes are also tried as an upgrade request and answer. */
#include "config.h"

#include "lib/net/ws.h"
#include "tests/fuzz/fuzz.h"

enum { MAX = 600 };

struct trace { /* all events folded into a number, so that two runs can be compared */
    uint64_t sum;
    bool failed;
};

static void run(struct ws_rx *rx, struct rk_str in, struct trace *t)
{
    struct ws_msg m;
    enum ws_event e;

    while ((e = ws_rx_next(rx, &in, &m)) != WS_MORE && e != WS_FAILED) {
        FUZZ_CHECK(m.n <= MAX);
        t->sum = t->sum * 31 + (uint64_t)e * 7 + m.n + m.close_code;
        for (size_t i = 0; i < m.n; i++)
            t->sum = t->sum * 33 + m.p[i];
    }
    t->failed = e == WS_FAILED;
    FUZZ_CHECK(t->failed || in.n == 0);
}

static void frames(enum ws_role role, struct rk_str in, size_t cut)
{
    struct trace a = {0}, b = {0}, c = {0};
    RK_CLEANUP(rk_freep) char *copy = rk_memdup(in.p, in.n);
    struct ws_rx whole, parts, in_place;

    ws_rx_init(&whole, role, MAX);
    ws_rx_init(&parts, role, MAX);
    run(&whole, in, &a);
    run(&parts, rk_str_sub(in, 0, cut), &b);
    if (!b.failed)
        run(&parts, rk_str_sub(in, cut, in.n), &b);
    FUZZ_CHECK(a.sum == b.sum && a.failed == b.failed);
    ws_rx_init(&in_place, role, MAX);
    ws_rx_set_in_place(&in_place);
    run(&in_place, rk_str_of(copy, in.n), &c);
    FUZZ_CHECK(a.sum == c.sum && a.failed == c.failed);
    ws_rx_done(&in_place);
    ws_rx_done(&whole);
    ws_rx_done(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char ACCEPT[WS_ACCEPT_LEN + 1] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    struct rk_str in = rk_str_of(data, size);
    struct ws_request r;
    struct rk_buf out;

    if (size) {
        frames(WS_SERVER, rk_str_sub(in, 1, size), data[0]);
        frames(WS_CLIENT, rk_str_sub(in, 1, size), data[0]);
    }
    FUZZ_CHECK(ws_head_size(in) <= size);
    (void)ws_is_upgrade(in);
    FUZZ_CHECK(ws_client_check(in, ACCEPT, NULL) < RK_CODE_COUNT);
    if (ws_server_parse(in, &r, NULL) == RK_OK) {
        rk_buf_init(&out, 1024);
        ws_server_response(&r, &out);
        FUZZ_CHECK(!out.full && ws_head_size(rk_buf_str(&out)) > 0);
        rk_buf_done(&out);
    }
    return 0;
}
