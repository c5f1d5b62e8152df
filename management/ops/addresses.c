/* SPDX-License-Identifier: BSD-3-Clause */
/* Overlay addresses inside a mutation; see addresses.h. */
#include "config.h"

#include "management/ops/addresses.h"

#include <stdlib.h>

#include "lib/base/map.h"
#include "lib/crypto/secret.h"

#define ADDR6_TRIES 10

struct rk_ip addr6_random(const struct rk_prefix *net)
{
    struct rk_ip ip = rk_prefix_masked(net).ip;
    bool zero = true, ones = true;
    uint8_t r[16];

    rk_secret_random(r, sizeof r);
    for (unsigned i = net->bits; i < 128; i++) {
        unsigned byte = i / 8, bit = 0x80u >> i % 8;

        if (r[byte] & bit) {
            ip.b[byte] = (uint8_t)(ip.b[byte] | bit);
            zero = false;
        } else {
            ones = false;
        }
    }
    if (zero || ones) {
        ip = rk_prefix_masked(net).ip;
        ip.b[15] |= 1;
    }
    return ip;
}

/* As this mutation sees them. */
struct scope {
    const struct settings *settings;
    const struct account *account;
    struct rk_map taken; /* address bytes given out in this mutation */
};

static bool wants6(struct tx *tx, const struct scope *s, const struct peer *p)
{
    const struct str_list *on = &s->settings->ipv6_groups;

    if (!s->account->net6.ip.family || !on->n)
        return false;
    if (p->proxy_embedded)
        return true;
    for (size_t i = 0; i < on->n; i++)
        if (tx_group_has_peer(tx, on->v[i], p->id))
            return true;
    return false;
}

static bool free6(struct tx *tx, struct scope *s, const struct rk_ip *ip)
{
    struct rk_str key = rk_str_of(ip->b, sizeof ip->b);

    return snap_index_by_ip(tx->snap, ip) == SNAP_NO_PEER && !rk_map_get(&s->taken, key);
}

static enum rk_code pick6(struct tx *tx, struct scope *s, struct rk_ip *out, struct rk_err *err)
{
    for (int i = 0; i < ADDR6_TRIES; i++) {
        struct rk_ip ip = addr6_random(&s->account->net6);

        if (!free6(tx, s, &ip))
            continue;
        (void)rk_map_put(&s->taken, rk_str_of(ip.b, sizeof ip.b), s);
        *out = ip;
        return RK_OK;
    }
    return rk_fail(err, RK_PRECONDITION, "no free IPv6 address was found");
}

static enum rk_code reconcile(struct tx *tx, struct rk_arena *mem, struct scope *s,
                              struct rk_str id, struct rk_err *err)
{
    const struct peer *p = tx_get(tx, ENT_PEER, id);
    struct rk_ip ip = {0};
    struct peer *now;

    if (!p)
        return RK_OK;
    if (wants6(tx, s, p)) {
        enum rk_code rc = RK_OK;

        if (p->ip6.family && rk_prefix_contains(&s->account->net6, &p->ip6))
            return RK_OK;
        rc = pick6(tx, s, &ip, err);
        if (rc)
            return rc;
    } else if (!p->ip6.family) {
        return RK_OK;
    }
    now = rk_new(mem, struct peer);
    *now = *p;
    now->ip6 = ip;
    return tx_put(tx, ENT_PEER, now, err);
}

static void scope_init(struct tx *tx, struct scope *s)
{
    *s = (struct scope){.settings = tx_get(tx, ENT_SETTINGS, tx->account_id),
                        .account = tx_get(tx, ENT_ACCOUNT, tx->account_id)};
    if (!s->settings)
        s->settings = snap_settings(tx->snap);
    if (!s->account)
        s->account = snap_account(tx->snap);
    rk_map_init(&s->taken, false);
}

enum rk_code addr6_reconcile(struct tx *tx, struct rk_arena *mem, const struct str_list *peer_ids,
                             struct rk_err *err)
{
    enum rk_code rc = RK_OK;
    struct scope s;

    scope_init(tx, &s);
    for (size_t i = 0; i < peer_ids->n && !rc; i++)
        rc = reconcile(tx, mem, &s, peer_ids->v[i], err);
    rk_map_done(&s.taken);
    return rc;
}

enum rk_code addr6_reconcile_all(struct tx *tx, struct rk_arena *mem, struct rk_err *err)
{
    const struct bits *all = snap_peers(tx->snap);
    enum rk_code rc = RK_OK;
    struct scope s;

    scope_init(tx, &s);
    for (BITS_EACH(i, all)) {
        rc = reconcile(tx, mem, &s, snap_peer_at(tx->snap, i)->id, err);
        if (rc)
            break;
    }
    rk_map_done(&s.taken);
    return rc;
}

/* The n-th number from 0 in an order that nobody can foresee but that repeats none: an affine walk
 * over the smallest power of two above, skipping what is too large. */
struct shuffle {
    uint64_t mask, mul, add, i;
};

static struct shuffle shuffle_of(uint64_t n)
{
    struct shuffle s = {.mask = 1};

    while (s.mask < n)
        s.mask = s.mask << 1 | 1;
    rk_secret_random(&s.mul, sizeof s.mul);
    rk_secret_random(&s.add, sizeof s.add);
    s.mul = (s.mul & ~UINT64_C(7)) | 5; /* odd: a permutation of the range */
    return s;
}

static uint64_t shuffle_next(struct shuffle *s, uint64_t n)
{
    uint64_t v;

    do
        v = (s->i++ * s->mul + s->add) & s->mask;
    while (v >= n);
    return v;
}

enum rk_code addr4_move_all(struct tx *tx, struct rk_arena *mem, const struct rk_prefix *net4,
                            struct rk_err *err)
{
    const struct bits *all = snap_peers(tx->snap);
    uint64_t room = addr4_count(net4);
    struct shuffle order = shuffle_of(room);
    char text[RK_ADDR_TEXT];
    enum rk_code rc = RK_OK;

    if (bits_count(all) > room)
        return rk_fail(err, RK_PRECONDITION, "network %s is out of IPs",
                       rk_prefix_format(net4, text).p);
    for (BITS_EACH(i, all)) {
        const struct peer *p = tx_get(tx, ENT_PEER, snap_peer_at(tx->snap, i)->id);
        struct peer *now;
        bool taken = true;

        if (!p)
            continue;
        now = rk_new(mem, struct peer);
        *now = *p;
        now->ip = addr4_at(net4, shuffle_next(&order, room));
        /* an address that another peer still holds from an overlapping old range: rare, try on */
        while (taken && order.i <= order.mask + 1) {
            uint32_t other = snap_index_by_ip(tx->snap, &now->ip);

            taken = other != SNAP_NO_PEER && other > i;
            if (taken)
                now->ip = addr4_at(net4, shuffle_next(&order, room));
        }
        rc = tx_put(tx, ENT_PEER, now, err);
        if (rc)
            break;
    }
    return rc;
}
