/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's WireGuard over generic netlink (linux/wireguard.h). A change that does not fit into
 * one message is spread over several: the device's own attributes and "replace" flags go out once,
 * a peer that is cut is continued under the same key without them.
 */
#include "config.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wg/backend.h"

/* Bytes that one allowed address and the closing of the nests can take at most. */
#define ALLOWED_ROOM 64
/* Bytes of a peer without its allowed addresses, with margin. */
#define PEER_ROOM 256

struct wg_kernel {
    struct nl_sock *nl;
    uint16_t family;
    uint32_t ifindex;
};

static bool fits(const struct nlmsghdr *h, size_t cap, size_t more)
{
    return more <= cap && h->nlmsg_len <= cap - more;
}

static void put_endpoint(struct nlmsghdr *h, const struct rk_addr *a)
{
    struct sockaddr_storage sa;
    socklen_t len = rk_addr_to_sa(a, &sa);

    mnl_attr_put(h, WGPEER_A_ENDPOINT, len, &sa);
}

static void put_allowed(struct nlmsghdr *h, size_t cap, const struct wg_peer_change *p,
                        struct wg_nl_pos *pos)
{
    struct nlattr *list = mnl_attr_nest_start(h, WGPEER_A_ALLOWEDIPS);

    for (; pos->allowed < p->n_allowed && fits(h, cap, ALLOWED_ROOM); pos->allowed++) {
        const struct rk_prefix *a = &p->allowed[pos->allowed];
        struct nlattr *one = mnl_attr_nest_start(h, 0);

        mnl_attr_put_u16(h, WGALLOWEDIP_A_FAMILY, a->ip.family == 4 ? AF_INET : AF_INET6);
        mnl_attr_put(h, WGALLOWEDIP_A_IPADDR, rk_ip_size(&a->ip), a->ip.b);
        mnl_attr_put_u8(h, WGALLOWEDIP_A_CIDR_MASK, a->bits);
        mnl_attr_nest_end(h, one);
    }
    mnl_attr_nest_end(h, list);
}

/* One peer, or the rest of one whose first part went out in an earlier message. */
static void put_peer(struct nlmsghdr *h, size_t cap, const struct wg_peer_change *p,
                     struct wg_nl_pos *pos)
{
    struct nlattr *nest = mnl_attr_nest_start(h, 0);
    bool first = pos->allowed == 0;
    uint32_t flags = 0;

    mnl_attr_put(h, WGPEER_A_PUBLIC_KEY, sizeof p->key.b, p->key.b);
    if (p->remove)
        flags |= WGPEER_F_REMOVE_ME;
    if (p->update_only || !first)
        flags |= WGPEER_F_UPDATE_ONLY;
    if (p->replace_allowed && first)
        flags |= WGPEER_F_REPLACE_ALLOWEDIPS;
    if (flags)
        mnl_attr_put_u32(h, WGPEER_A_FLAGS, flags);
    if (first && !p->remove) {
        if (p->has_psk)
            mnl_attr_put(h, WGPEER_A_PRESHARED_KEY, sizeof p->psk.b, p->psk.b);
        if (p->has_endpoint)
            put_endpoint(h, &p->endpoint);
        if (p->keepalive_s != WG_KEEPALIVE_KEEP)
            mnl_attr_put_u16(h, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, (uint16_t)p->keepalive_s);
    }
    if (!p->remove && p->n_allowed)
        put_allowed(h, cap, p, pos);
    mnl_attr_nest_end(h, nest);
}

void wg_nl_encode(struct nlmsghdr *h, size_t cap, uint32_t ifindex, const struct wg_change *c,
                  struct wg_nl_pos *pos)
{
    struct nlattr *peers;

    mnl_attr_put_u32(h, WGDEVICE_A_IFINDEX, ifindex);
    if (!pos->started) {
        if (c->has_private_key)
            mnl_attr_put(h, WGDEVICE_A_PRIVATE_KEY, sizeof c->private_key.b, c->private_key.b);
        if (c->has_port)
            mnl_attr_put_u16(h, WGDEVICE_A_LISTEN_PORT, c->port);
        if (c->has_mark)
            mnl_attr_put_u32(h, WGDEVICE_A_FWMARK, c->mark);
        if (c->replace_peers)
            mnl_attr_put_u32(h, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
        pos->started = true;
    }
    if (pos->peer < c->n_peers) {
        peers = mnl_attr_nest_start(h, WGDEVICE_A_PEERS);
        while (pos->peer < c->n_peers && fits(h, cap, PEER_ROOM)) {
            const struct wg_peer_change *p = &c->peers[pos->peer];

            put_peer(h, cap, p, pos);
            if (!p->remove && pos->allowed < p->n_allowed)
                break; /* cut: goes on in the next message */
            pos->peer++;
            pos->allowed = 0;
        }
        mnl_attr_nest_end(h, peers);
    }
    pos->done = pos->peer >= c->n_peers;
}

/* ---- answers */

static void decode_allowed(const struct nlattr *one, struct rk_arena *mem, struct wg_peer_state *p)
{
    struct rk_prefix out = {0};
    const struct nlattr *a;

    NL_FOR_EACH_NESTED (a, one) {
        unsigned type = mnl_attr_get_type(a);

        if (type == WGALLOWEDIP_A_IPADDR)
            RK_IGNORE(rk_ip_from_bytes(
                rk_str_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a)), &out.ip, NULL));
        else if (type == WGALLOWEDIP_A_CIDR_MASK && mnl_attr_validate(a, MNL_TYPE_U8) == 0)
            out.bits = mnl_attr_get_u8(a);
    }
    if (!out.ip.family)
        return;
    p->allowed = rk_arena_grow(mem, p->allowed, p->n_allowed, &p->cap_allowed, sizeof *p->allowed);
    p->allowed[p->n_allowed++] = out;
}

static void decode_endpoint(const struct nlattr *a, struct rk_addr *out)
{
    struct sockaddr_storage sa = {0};
    size_t n = mnl_attr_get_payload_len(a);

    if (n > sizeof sa)
        return;
    memcpy(&sa, mnl_attr_get_payload(a), n);
    RK_IGNORE(rk_addr_from_sa((const struct sockaddr *)&sa, out, NULL));
}

static void decode_handshake(const struct nlattr *a, struct wg_peer_state *p)
{
    struct {
        int64_t sec, nsec;
    } t; /* struct __kernel_timespec */

    if (mnl_attr_get_payload_len(a) != sizeof t)
        return;
    memcpy(&t, mnl_attr_get_payload(a), sizeof t);
    if (t.sec > 0 && t.sec < INT64_MAX / 1000 - 1)
        p->handshake_unix_ms = t.sec * 1000 + t.nsec / 1000000;
}

static void decode_peer_attr(const struct nlattr *a, struct rk_arena *mem, struct wg_peer_state *p)
{
    const struct nlattr *one;

    switch (mnl_attr_get_type(a)) {
    case WGPEER_A_PRESHARED_KEY:
        if (mnl_attr_get_payload_len(a) == sizeof p->psk.b)
            memcpy(p->psk.b, mnl_attr_get_payload(a), sizeof p->psk.b);
        break;
    case WGPEER_A_ENDPOINT:
        decode_endpoint(a, &p->endpoint);
        break;
    case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
        if (mnl_attr_validate(a, MNL_TYPE_U16) == 0)
            p->keepalive_s = mnl_attr_get_u16(a);
        break;
    case WGPEER_A_LAST_HANDSHAKE_TIME:
        decode_handshake(a, p);
        break;
    case WGPEER_A_RX_BYTES:
        if (mnl_attr_validate(a, MNL_TYPE_U64) == 0)
            p->rx_bytes = mnl_attr_get_u64(a);
        break;
    case WGPEER_A_TX_BYTES:
        if (mnl_attr_validate(a, MNL_TYPE_U64) == 0)
            p->tx_bytes = mnl_attr_get_u64(a);
        break;
    case WGPEER_A_ALLOWEDIPS:
        NL_FOR_EACH_NESTED (one, a)
            decode_allowed(one, mem, p);
        break;
    default:
        break; /* a newer kernel says more */
    }
}

static void decode_peer(const struct nlattr *nest, struct rk_arena *mem, struct wg_state *out)
{
    const struct nlattr *a, *key = NULL;
    struct wg_peer_state *p;

    NL_FOR_EACH_NESTED (a, nest) {
        if (mnl_attr_get_type(a) == WGPEER_A_PUBLIC_KEY &&
            mnl_attr_get_payload_len(a) == RK_KEY_SIZE)
            key = a;
    }
    if (!key)
        return;
    p = out->n_peers ? &out->peers[out->n_peers - 1] : NULL;
    if (!p || memcmp(p->key.b, mnl_attr_get_payload(key), RK_KEY_SIZE) != 0) {
        out->peers =
            rk_arena_grow(mem, out->peers, out->n_peers, &out->cap_peers, sizeof *out->peers);
        p = &out->peers[out->n_peers++];
        *p = (struct wg_peer_state){0};
        memcpy(p->key.b, mnl_attr_get_payload(key), RK_KEY_SIZE);
    }
    NL_FOR_EACH_NESTED (a, nest)
        decode_peer_attr(a, mem, p);
}

enum rk_code wg_nl_decode(const struct nlmsghdr *h, struct rk_arena *mem, struct wg_state *out,
                          struct rk_err *err)
{
    const struct nlattr *a, *nest;

    if (mnl_nlmsg_get_payload_len(h) < sizeof(struct genlmsghdr))
        return rk_fail(err, RK_BAD_REQUEST, "wireguard: short answer of the kernel");
    NL_FOR_EACH (a, h, sizeof(struct genlmsghdr)) {
        switch (mnl_attr_get_type(a)) {
        case WGDEVICE_A_LISTEN_PORT:
            if (mnl_attr_validate(a, MNL_TYPE_U16) == 0)
                out->port = mnl_attr_get_u16(a);
            break;
        case WGDEVICE_A_FWMARK:
            if (mnl_attr_validate(a, MNL_TYPE_U32) == 0)
                out->mark = mnl_attr_get_u32(a);
            break;
        case WGDEVICE_A_PEERS:
            NL_FOR_EACH_NESTED (nest, a)
                decode_peer(nest, mem, out);
            break;
        default:
            break;
        }
    }
    return RK_OK;
}

/* ---- the back-end */

enum rk_code wg_kernel_new(uint32_t ifindex, struct wg_kernel **out, struct rk_err *err)
{
    struct wg_kernel *k = rk_calloc(1, sizeof *k);
    enum rk_code rc = nl_open(NETLINK_GENERIC, &k->nl, err);

    if (rc == RK_OK)
        rc = nl_family(k->nl, WG_GENL_NAME, &k->family, err);
    if (rc) {
        wg_kernel_free(k);
        return rc;
    }
    k->ifindex = ifindex;
    *out = k;
    return RK_OK;
}

void wg_kernel_free(struct wg_kernel *k)
{
    if (!k)
        return;
    nl_close(k->nl);
    free(k);
}

static struct nlmsghdr *begin(struct wg_kernel *k, uint8_t cmd, uint16_t flags)
{
    struct nlmsghdr *h = nl_begin(k->nl, k->family, flags);
    struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof *g);

    g->cmd = cmd;
    g->version = WG_GENL_VERSION;
    return h;
}

enum rk_code wg_kernel_apply(struct wg_kernel *k, const struct wg_change *c, struct rk_err *err)
{
    struct wg_nl_pos pos = {0};

    while (!pos.done) {
        struct nlmsghdr *h = begin(k, WG_CMD_SET_DEVICE, 0);
        enum rk_code rc;

        wg_nl_encode(h, nl_room(k->nl), k->ifindex, c, &pos);
        rc = nl_ask(k->nl, h, NULL, "set wireguard device", err);
        rk_secret_wipe(h, h->nlmsg_len);
        if (rc)
            return rc;
    }
    return RK_OK;
}

struct device_reader {
    struct nl_reader r;
    struct rk_arena *mem;
    struct wg_state *out;
};

static enum rk_code on_device(struct nl_reader *r, const struct nlmsghdr *h, struct rk_err *err)
{
    struct device_reader *dr = rk_container_of(r, struct device_reader, r);

    return wg_nl_decode(h, dr->mem, dr->out, err);
}

enum rk_code wg_kernel_read(struct wg_kernel *k, struct rk_arena *mem, struct wg_state *out,
                            struct rk_err *err)
{
    enum rk_code rc = RK_UNAVAILABLE;

    for (int i = 0; i < 5 && rc == RK_UNAVAILABLE; i++) { /* a dump that meets a change */
        struct wg_state state = {0};
        struct device_reader dr = {.r.message = on_device, .mem = mem, .out = &state};
        struct nlmsghdr *h = begin(k, WG_CMD_GET_DEVICE, NLM_F_DUMP);

        mnl_attr_put_u32(h, WGDEVICE_A_IFINDEX, k->ifindex);
        rc = nl_ask(k->nl, h, &dr.r, "read wireguard device", err);
        if (rc == RK_OK)
            *out = state;
    }
    return rc;
}
