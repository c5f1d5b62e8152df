/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz WireGuard datagrams: as they are; as handshake messages with right macs, which anybody can
 * make who knows the public key; and as the plaintext that a peer with a session sends.
 */
#include "config.h"

#include <string.h>

#include "agent/wg/core/cookie.h"
#include "agent/wg/core/core.h"
#include "agent/wg/core/proto.h"
#include "tests/fuzz/fuzz.h"

struct side {
    struct wgc_user user;
    struct wgc *w;
    struct rk_key private_key, public_key;
    uint8_t last[2048]; /* what it sent last */
    size_t n;
};

static void on_send(struct wgc_user *u, const struct wgc_endpoint *to RK_UNUSED, struct rk_str d)
{
    struct side *s = rk_container_of(u, struct side, user);

    FUZZ_CHECK(d.n <= sizeof s->last);
    memcpy(s->last, d.p, d.n);
    s->n = d.n;
}

static uint32_t on_way_of(struct wgc_user *u RK_UNUSED, const struct rk_addr *a RK_UNUSED)
{
    return 0;
}

static int64_t on_unix_us(struct wgc_user *u RK_UNUSED)
{
    return INT64_C(1700000000000000);
}

static const struct wgc_user_ops OPS = {
    .send = on_send, .way_of = on_way_of, .unix_us = on_unix_us};

static const struct wgc_endpoint FROM = {.addr = {{4, {10, 0, 0, 1}}, 1}};

static void open_side(struct side *s, uint8_t fill)
{
    memset(s->private_key.b, fill, sizeof s->private_key.b);
    rk_key_public(&s->private_key, &s->public_key);
    s->user.ops = &OPS;
    FUZZ_CHECK(wgc_new(&s->user, &s->w, NULL) == RK_OK);
}

static void set_up(struct side *s, const struct side *other)
{
    struct rk_prefix all = {{4, {0}}, 0};
    struct wg_peer_change p = {.key = other->public_key,
                               .has_endpoint = true,
                               .endpoint = FROM.addr,
                               .keepalive_s = 0,
                               .allowed = &all,
                               .n_allowed = 1};
    struct wg_change c = {
        .has_private_key = true, .private_key = s->private_key, .peers = &p, .n_peers = 1};

    FUZZ_CHECK(wgc_apply(s->w, &c, 1000, NULL) == RK_OK);
}

static void with_macs(struct side *b, struct wgc_crypt *crypt, const uint8_t *data, size_t size)
{
    uint8_t msg[WGC_INITIATION_SIZE] = {0};
    size_t n = data[0] & 1 ? WGC_INITIATION_SIZE : WGC_RESPONSE_SIZE;
    struct wgc_stamp stamp;

    memcpy(msg, data, size < n ? size : n);
    wgc_put32(msg, data[0] & 1 ? WGC_INITIATION : WGC_RESPONSE);
    wgc_stamp_init(&stamp, crypt, &b->public_key);
    wgc_stamp_put(&stamp, crypt, msg, n, 1000);
    wgc_input(b->w, rk_str_of(msg, n), &FROM, data[0] & 2, 1000);
}

/* A real handshake, then the input as an authentic packet. */
static void as_plaintext(struct side *a, struct side *b, struct wgc_crypt *crypt,
                         const uint8_t *data, size_t size)
{
    static uint8_t d[4096];
    struct rk_str first = {.p = "E\0\0\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", .n = 20};
    struct wgc_peer *p = wgc_route(a->w, first);
    struct wgc_hold tx, rx;
    struct wgc_rx v = {.p = d, .n = size};

    FUZZ_CHECK(p);
    wgc_stage(a->w, p, first, 1000);
    wgc_input(b->w, rk_str_of(a->last, a->n), &FROM, false, 1000);
    wgc_input(a->w, rk_str_of(b->last, b->n), &FROM, false, 1000);
    tx = wgc_tx_begin(a->w, p, 1, size, 1000);
    FUZZ_CHECK(tx.session);
    rx = wgc_rx_begin(b->w, tx.remote_index, 1000);
    FUZZ_CHECK(rx.session && rk_key_eq(rx.key, tx.key));
    memcpy(d, data, size);
    wgc_seal(crypt, tx.key, tx.counter, d, size);
    FUZZ_CHECK(wgc_open(crypt, rx.key, tx.counter, d, size + WGC_TAG_SIZE));
    v.counter = tx.counter;
    (void)wgc_rx_end(b->w, &rx, &v, 1, &FROM, 1000);
    FUZZ_CHECK(v.n <= size);
    wgc_unref(a->w, &tx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct side a = {0}, b = {0};
    struct wgc_crypt *crypt;

    if (!size || size > 2000)
        return 0;
    FUZZ_CHECK(wgc_crypt_new(&crypt, NULL) == RK_OK);
    open_side(&a, 0x40);
    open_side(&b, 0x48);
    set_up(&a, &b);
    set_up(&b, &a);
    wgc_input(b.w, rk_str_of(data, size), &FROM, false, 1000);
    with_macs(&b, crypt, data, size);
    as_plaintext(&a, &b, crypt, data, size);
    wgc_tick(b.w, 1000000);
    wgc_free(a.w);
    wgc_free(b.w);
    wgc_crypt_free(crypt);
    return 0;
}
