/* SPDX-License-Identifier: BSD-3-Clause */
/* mac1, mac2, cookies; see cookie.h. */
#include "config.h"

#include "agent/wg/core/cookie.h"

#include <string.h>

enum { C_RECEIVER = 4, C_NONCE = 8, C_COOKIE = 32, MSG_SENDER = 4 };

/* A cookie arrives a network's delay after it was made. */
#define COOKIE_USE_MS (WGC_COOKIE_MS - 5000)

static struct rk_str key_str(const struct rk_key *k)
{
    return rk_str_of(k->b, sizeof k->b);
}

static void label_key(struct wgc_crypt *c, const char *label, const struct rk_key *public,
                      struct rk_key *out)
{
    wgc_hash(c, rk_str_z(label), key_str(public), out->b);
}

/* ---- receiving */

void wgc_gate_init(struct wgc_gate *g, struct wgc_crypt *c, const struct rk_key *own_public)
{
    label_key(c, "mac1----", own_public, &g->mac1_key);
    label_key(c, "cookie--", own_public, &g->cookie_key);
    g->secret_ms = 0;
}

void wgc_gate_done(struct wgc_gate *g)
{
    rk_secret_wipe(g, sizeof *g);
}

/* cookie := Mac(secret, address of the sender) */
static void cookie_of(struct wgc_gate *g, struct wgc_crypt *c, const struct rk_addr *from,
                      uint8_t out[WGC_MAC_SIZE])
{
    uint8_t text[18];
    size_t n = rk_ip_size(&from->ip);

    memcpy(text, from->ip.b, n);
    text[n] = (uint8_t)(from->port >> 8);
    text[n + 1] = (uint8_t)from->port;
    wgc_mac(c, key_str(&g->secret), rk_str_of(text, n + 2), out);
}

static bool secret_is_fresh(const struct wgc_gate *g, int64_t mono_ms)
{
    return g->secret_ms && mono_ms - g->secret_ms < WGC_COOKIE_MS;
}

enum wgc_gate_verdict wgc_gate_check(struct wgc_gate *g, struct wgc_crypt *c, struct rk_str msg,
                                     const struct rk_addr *from, bool under_load, int64_t mono_ms)
{
    struct rk_str body = rk_str_sub(msg, 0, msg.n - WGC_MACS_SIZE);
    struct rk_str with_mac1 = rk_str_sub(msg, 0, msg.n - WGC_MAC_SIZE);
    uint8_t mac[WGC_MAC_SIZE], cookie[WGC_MAC_SIZE];

    wgc_mac(c, key_str(&g->mac1_key), body, mac);
    if (!rk_secret_eq(mac, msg.p + body.n, sizeof mac))
        return WGC_GATE_DROP;
    if (!under_load)
        return WGC_GATE_PASS;
    if (!secret_is_fresh(g, mono_ms))
        return WGC_GATE_COOKIE;
    cookie_of(g, c, from, cookie);
    wgc_mac(c, rk_str_of(cookie, sizeof cookie), with_mac1, mac);
    return rk_secret_eq(mac, msg.p + with_mac1.n, sizeof mac) ? WGC_GATE_PROVED : WGC_GATE_COOKIE;
}

void wgc_gate_reply(struct wgc_gate *g, struct wgc_crypt *c, struct rk_str msg,
                    const struct rk_addr *from, int64_t mono_ms, uint8_t out[WGC_COOKIE_SIZE])
{
    struct rk_str mac1 = rk_str_sub(msg, msg.n - WGC_MACS_SIZE, WGC_MAC_SIZE);
    uint8_t cookie[WGC_MAC_SIZE];

    if (!secret_is_fresh(g, mono_ms)) {
        rk_secret_random(g->secret.b, sizeof g->secret.b);
        g->secret_ms = mono_ms;
    }
    cookie_of(g, c, from, cookie);
    memset(out, 0, WGC_COOKIE_SIZE);
    out[0] = WGC_COOKIE;
    memcpy(out + C_RECEIVER, msg.p + MSG_SENDER, 4);
    rk_secret_random(out + C_NONCE, WGC_XNONCE_SIZE);
    wgc_xbox(&g->cookie_key, out + C_NONCE, rk_str_of(cookie, sizeof cookie), mac1, out + C_COOKIE);
}

/* ---- sending */

void wgc_stamp_init(struct wgc_stamp *s, struct wgc_crypt *c, const struct rk_key *remote_public)
{
    *s = (struct wgc_stamp){0};
    label_key(c, "mac1----", remote_public, &s->mac1_key);
    label_key(c, "cookie--", remote_public, &s->cookie_key);
}

void wgc_stamp_done(struct wgc_stamp *s)
{
    rk_secret_wipe(s, sizeof *s);
}

void wgc_stamp_put(struct wgc_stamp *s, struct wgc_crypt *c, uint8_t *msg, size_t n,
                   int64_t mono_ms)
{
    uint8_t *mac1 = msg + n - WGC_MACS_SIZE, *mac2 = msg + n - WGC_MAC_SIZE;

    wgc_mac(c, key_str(&s->mac1_key), rk_str_of(msg, n - WGC_MACS_SIZE), mac1);
    memcpy(s->last_mac1, mac1, sizeof s->last_mac1);
    s->sent = true;
    if (s->cookie_ms && mono_ms - s->cookie_ms < COOKIE_USE_MS)
        wgc_mac(c, rk_str_of(s->cookie, sizeof s->cookie), rk_str_of(msg, n - WGC_MAC_SIZE), mac2);
    else
        memset(mac2, 0, WGC_MAC_SIZE);
}

bool wgc_stamp_read_reply(struct wgc_stamp *s, const uint8_t msg[WGC_COOKIE_SIZE], int64_t mono_ms)
{
    uint8_t cookie[WGC_MAC_SIZE];

    if (!s->sent || !wgc_xunbox(&s->cookie_key, msg + C_NONCE,
                                rk_str_of(msg + C_COOKIE, WGC_MAC_SIZE + WGC_TAG_SIZE),
                                rk_str_of(s->last_mac1, sizeof s->last_mac1), cookie))
        return false;
    memcpy(s->cookie, cookie, sizeof cookie);
    s->cookie_ms = mono_ms;
    s->sent = false;
    return true;
}
