/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz STUN datagrams: what is decoded stays inside the input and survives being written again. */
#include "config.h"

#include "lib/net/stun.h"
#include "tests/fuzz/fuzz.h"

static void inside(struct rk_str in, struct rk_str view)
{
    FUZZ_CHECK(!view.n || (view.p >= in.p && view.p + view.n <= in.p + in.n));
}

/* What a TURN client looks for. */
static void look_at_turn(const struct stun_msg *m, struct rk_str in)
{
    static const unsigned types[] = {STUN_ATTR_REALM, STUN_ATTR_NONCE, STUN_ATTR_DATA,
                                     STUN_ATTR_LIFETIME, STUN_ATTR_XOR_RELAYED_ADDRESS};
    struct rk_str v;
    struct rk_addr a;
    uint32_t n;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (stun_attr_find(m, types[i], &v))
            inside(in, v);
        if (stun_attr_xor_address(m, types[i], &a))
            FUZZ_CHECK(a.ip.family == 4 || a.ip.family == 6);
        (void)stun_attr_u32(m, types[i], &n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_str in = rk_str_of(data, size), a, b;
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_msg m, again;
    struct stun_writer w;

    (void)stun_is(in);
    if (stun_decode(in, &m, NULL) != RK_OK)
        return 0;
    FUZZ_CHECK(m.raw.n >= STUN_HEADER_SIZE && m.raw.n <= size);
    FUZZ_CHECK(m.n_unknown <= STUN_UNKNOWN_MAX);
    inside(in, m.raw);
    inside(in, m.username);
    inside(in, m.error_reason);
    inside(in, m.software);
    inside(in, m.nb_candidates);
    (void)stun_integrity_ok(&m, RK_STR("password"));
    (void)stun_fingerprint_ok(&m);
    (void)stun_nb_candidates_split(&m, &a, &b);
    look_at_turn(&m, in);
    if (!m.mapped.ip.family)
        return 0;
    stun_begin(&w, buf, sizeof buf, m.cls, m.method, &m.txid);
    stun_put_xor_mapped(&w, &m.mapped);
    stun_put_integrity(&w, RK_STR("password"));
    stun_put_fingerprint(&w);
    FUZZ_CHECK(stun_decode(stun_end(&w), &again, NULL) == RK_OK);
    FUZZ_CHECK(again.method == m.method && again.cls == m.cls);
    FUZZ_CHECK(again.mapped.port == m.mapped.port);
    FUZZ_CHECK(stun_integrity_ok(&again, RK_STR("password")) && stun_fingerprint_ok(&again));
    return 0;
}
