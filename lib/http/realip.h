/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The real address of a client behind reverse proxies: X-Forwarded-For, X-Real-IP and the PROXY
 * protocol, believed only when the other end of the socket is a trusted proxy. Any thread.
 */
#ifndef RK_HTTP_REALIP_H
#define RK_HTTP_REALIP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

struct http_proxies { /* open; borrowed */
    const struct rk_prefix *v;
    size_t n; /* 0: nobody is trusted */
};

bool http_proxies_trust(const struct http_proxies *p, const struct rk_ip *ip);

/**
 * Walk X-Forwarded-For (all such headers joined by commas) from the right over trusted addresses
 * and give the first one that is not trusted; without that header X-Real-IP counts. The peer itself
 * when it is not trusted, or when what it sent cannot be read. The port of the result is the peer's
 * only when it is the peer's own address, else 0.
 */
struct rk_addr http_real_addr(const struct http_proxies *p, const struct rk_addr *peer,
                              struct rk_str forwarded_for, struct rk_str real_ip);

/** What counts as one client where places and memory are counted: an IPv4 address or an IPv6 /64
 *  (which one customer has). Empty for loopback, private and unknown addresses: behind them are
 *  many. buf: at least 9 bytes, which the result points to. */
struct rk_str http_addr_key(const struct rk_addr *a, char *buf);

enum http_proxy_hdr { HTTP_PROXY_NONE, HTTP_PROXY_MORE, HTTP_PROXY_OK, HTTP_PROXY_BAD };

/** Longest PROXY header that is accepted. */
#define HTTP_PROXY_MAX 536

/** PROXY protocol v1 or v2 at the start of in. OK: *used bytes to skip and, unless the header says
 *  LOCAL or UNKNOWN, *src replaced. NONE: in does not begin with one. MORE: incomplete. */
enum http_proxy_hdr http_proxy_parse(struct rk_str in, size_t *used, struct rk_addr *src);

#endif
