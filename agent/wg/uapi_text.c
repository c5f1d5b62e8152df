/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text protocol of userspace WireGuard (wireguard.com/xplatform):
 *
 *      set=1\n key=value\n … \n          answer: errno=0\n\n
 *      get=1\n\n                          answer: key=value\n … errno=0\n\n
 *
 * Keys are lower-case hex. Pure: no I/O here.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "agent/wg/backend.h"
#include "lib/base/enc.h"
#include "lib/base/num.h"

#define KEY_HEX RK_HEX_LEN(RK_KEY_SIZE)

static void put_key(struct rk_buf *out, const char *name, const struct rk_key *key)
{
    char hex[KEY_HEX + 1];

    rk_hex_encode_to(hex, rk_str_of(key->b, sizeof key->b));
    rk_buf_printf(out, "%s=%s\n", name, hex);
    rk_secret_wipe(hex, sizeof hex);
}

static void put_peer(struct rk_buf *out, const struct wg_peer_change *p)
{
    char text[RK_ADDR_TEXT];

    put_key(out, "public_key", &p->key);
    if (p->remove) {
        rk_buf_addz(out, "remove=true\n");
        return;
    }
    if (p->update_only)
        rk_buf_addz(out, "update_only=true\n");
    if (p->has_psk)
        put_key(out, "preshared_key", &p->psk);
    if (p->has_endpoint) {
        (void)rk_addr_format(&p->endpoint, text);
        rk_buf_printf(out, "endpoint=%s\n", text);
    }
    if (p->keepalive_s != WG_KEEPALIVE_KEEP)
        rk_buf_printf(out, "persistent_keepalive_interval=%d\n", p->keepalive_s);
    if (p->replace_allowed)
        rk_buf_addz(out, "replace_allowed_ips=true\n");
    for (size_t i = 0; i < p->n_allowed; i++) {
        (void)rk_prefix_format(&p->allowed[i], text);
        rk_buf_printf(out, "allowed_ip=%s\n", text);
    }
}

void wg_uapi_encode(const struct wg_change *c, struct rk_buf *out)
{
    rk_buf_addz(out, "set=1\n");
    if (c->has_private_key)
        put_key(out, "private_key", &c->private_key);
    if (c->has_port)
        rk_buf_printf(out, "listen_port=%u\n", c->port);
    if (c->has_mark)
        rk_buf_printf(out, "fwmark=%u\n", c->mark);
    if (c->replace_peers)
        rk_buf_addz(out, "replace_peers=true\n");
    for (size_t i = 0; i < c->n_peers; i++)
        put_peer(out, &c->peers[i]);
    rk_buf_addc(out, '\n');
}

/* ---- answers */

struct parse {
    struct rk_arena *mem;
    struct wg_state *out;
    struct wg_peer_state *peer;
    int64_t handshake_s;
    int64_t errnum; /* -1: no errno line yet */
};

static bool get_key(struct rk_str v, struct rk_key *out)
{
    size_t n = 0;

    return rk_hex_decode(v, out->b, sizeof out->b, &n, NULL) == RK_OK && n == sizeof out->b;
}

static bool get_num(struct rk_str v, int64_t max, int64_t *out)
{
    return rk_parse_i64(v, 0, max, out, NULL) == RK_OK;
}

static bool peer_line(struct parse *p, struct rk_str k, struct rk_str v)
{
    struct wg_peer_state *peer = p->peer;
    struct rk_prefix prefix;
    int64_t n = 0;

    if (rk_str_eqz(k, "endpoint")) {
        RK_IGNORE(rk_addr_parse(v, &peer->endpoint, NULL)); /* may carry a zone we cannot use */
        return true;
    }
    if (rk_str_eqz(k, "preshared_key"))
        return get_key(v, &peer->psk);
    if (rk_str_eqz(k, "allowed_ip")) {
        if (rk_prefix_parse(v, &prefix, NULL))
            return false;
        peer->allowed = rk_arena_grow(p->mem, peer->allowed, peer->n_allowed, &peer->cap_allowed,
                                      sizeof *peer->allowed);
        peer->allowed[peer->n_allowed++] = prefix;
        return true;
    }
    if (rk_str_eqz(k, "last_handshake_time_sec")) {
        if (!get_num(v, INT64_MAX / 1000 - 1, &n))
            return false;
        peer->handshake_unix_ms = n * 1000;
        return true;
    }
    if (rk_str_eqz(k, "last_handshake_time_nsec")) {
        if (!get_num(v, 999999999, &n))
            return false;
        peer->handshake_unix_ms += n / 1000000;
        return true;
    }
    if (rk_str_eqz(k, "rx_bytes") || rk_str_eqz(k, "tx_bytes")) {
        if (!get_num(v, INT64_MAX, &n))
            return false;
        *(k.p[0] == 'r' ? &peer->rx_bytes : &peer->tx_bytes) = (uint64_t)n;
        return true;
    }
    if (rk_str_eqz(k, "persistent_keepalive_interval")) {
        if (!get_num(v, UINT16_MAX, &n))
            return false;
        peer->keepalive_s = (int)n;
        return true;
    }
    return true; /* protocol_version and what newer daemons say */
}

static bool line(struct parse *p, struct rk_str k, struct rk_str v)
{
    int64_t n = 0;

    if (rk_str_eqz(k, "errno"))
        return rk_parse_i64(v, -4096, 4096, &p->errnum, NULL) == RK_OK;
    if (rk_str_eqz(k, "public_key")) {
        struct wg_state *s = p->out;

        s->peers = rk_arena_grow(p->mem, s->peers, s->n_peers, &s->cap_peers, sizeof *s->peers);
        p->peer = &s->peers[s->n_peers++];
        *p->peer = (struct wg_peer_state){0};
        return get_key(v, &p->peer->key);
    }
    if (p->peer)
        return peer_line(p, k, v);
    if (rk_str_eqz(k, "listen_port")) {
        if (!get_num(v, UINT16_MAX, &n))
            return false;
        p->out->port = (uint16_t)n;
    } else if (rk_str_eqz(k, "fwmark")) {
        if (!get_num(v, UINT32_MAX, &n))
            return false;
        p->out->mark = (uint32_t)n;
    }
    return true; /* private_key: not ours to look at */
}

enum rk_code wg_uapi_decode(struct rk_str text, struct rk_arena *mem, struct wg_state *out,
                            struct rk_err *err)
{
    struct wg_state state = {0};
    struct parse p = {.mem = mem, .out = &state, .errnum = INT64_MIN};
    struct rk_str one, key, value;

    while (text.n) {
        (void)rk_str_cut(text, '\n', &one, &text);
        if (!one.n)
            break;
        if (!rk_str_cut(one, '=', &key, &value) || !line(&p, key, value))
            return rk_fail(err, RK_BAD_REQUEST, "wireguard daemon: cannot read the line \"%.*s=…\"",
                           RK_STR_ARG(rk_str_sub(key, 0, 40)));
    }
    if (p.errnum == INT64_MIN)
        return rk_fail(err, RK_BAD_REQUEST, "wireguard daemon: answer without errno");
    if (p.errnum != 0) {
        int e = (int)(p.errnum < 0 ? -p.errnum : p.errnum);

        return rk_fail_errno(err,
                             e == EADDRINUSE ? RK_EXISTS
                             : e == EINVAL   ? RK_INVALID
                                             : RK_INTERNAL,
                             e, "wireguard daemon refuses");
    }
    *out = state;
    return RK_OK;
}
