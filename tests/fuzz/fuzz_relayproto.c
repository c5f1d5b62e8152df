/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz relay messages and relay URLs. */
#include "config.h"

#include "lib/net/relayproto.h"
#include "tests/fuzz/fuzz.h"

static void check_frame(struct rk_str in)
{
    static uint8_t buf[RLY_MAX_MESSAGE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);
    struct rly_peer_id id;
    struct rly_frame f;

    if (rly_frame_decode(in, &f, NULL) != RK_OK)
        return;
    for (size_t i = 0; i < f.n_ids; i++)
        FUZZ_CHECK(rly_frame_id(&f, i).n == RLY_PEER_ID_SIZE);
    if (f.peer.n)
        memcpy(id.b, f.peer.p, sizeof id.b);
    if (f.type == RLY_TRANSPORT)
        rly_put_transport(&w, &id, f.payload);
    else if (f.type == RLY_AUTH)
        rly_put_auth(&w, &id, f.payload);
    else if (f.type == RLY_AUTH_RESPONSE)
        rly_put_auth_response(&w, f.url);
    else if (f.type >= RLY_SUBSCRIBE)
        rly_put_ids(&w, f.type, f.ids);
    else
        return; /* bodies of close and health check are not kept */
    FUZZ_CHECK(rk_str_eq(rk_wr_done(&w), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_str in = rk_str_of(data, size), url;
    struct rk_arena *mem;
    struct rly_url u;

    check_frame(in);
    if (rly_url_parse(in, &u, NULL) == RK_OK)
        FUZZ_CHECK(u.host.n && u.port);
    mem = rk_arena_new(0);
    if (rly_instance_url(in, size & 1, mem, &url, NULL) == RK_OK)
        FUZZ_CHECK(rly_url_parse(url, &u, NULL) == RK_OK && u.tls >= (size & 1));
    rk_arena_free(mem);
    return 0;
}
