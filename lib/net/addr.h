/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses, socket addresses and prefixes as plain comparable data. Any thread.
 * Unused bytes are zero, so memcmp order and equality hold. Text forms: RFC 5952.
 */
#ifndef RK_NET_ADDR_H
#define RK_NET_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct rk_ip {      /* open; all zero: no address */
    uint8_t family; /* 0, 4 or 6 */
    uint8_t b[16];  /* network order; IPv4 in the first four */
};

struct rk_addr { /* open */
    struct rk_ip ip;
    uint16_t port; /* host order */
};

struct rk_prefix { /* open; host bits may be set (an interface address) */
    struct rk_ip ip;
    uint8_t bits;
};

/** Room for any text form with port, brackets or length, and a NUL. */
#define RK_ADDR_TEXT 64

static inline struct rk_ip rk_ip4(unsigned a, unsigned b, unsigned c, unsigned d)
{
    return (struct rk_ip){4, {(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d}};
}

/** Bytes of the address: 4, 16 or 0. */
static inline size_t rk_ip_size(const struct rk_ip *ip)
{
    return ip->family == 4 ? 4 : ip->family == 6 ? 16 : 0;
}

/** From 4 or 16 raw bytes; RK_BAD_REQUEST for any other length. */
enum rk_code rk_ip_from_bytes(struct rk_str raw, struct rk_ip *out, struct rk_err *err) RK_MUST;

/** Parse "1.2.3.4" or "fd00::1" (no zone, no brackets, no leading zeroes). RK_BAD_REQUEST. */
enum rk_code rk_ip_parse(struct rk_str s, struct rk_ip *out, struct rk_err *err) RK_MUST;

/** Text into buf (RK_ADDR_TEXT bytes, NUL behind); "" for no address. Returns a view of buf. */
struct rk_str rk_ip_format(const struct rk_ip *ip, char buf[RK_ADDR_TEXT]);

/** IPv4 before IPv6, then byte order: <0, 0, >0. */
int rk_ip_cmp(const struct rk_ip *a, const struct rk_ip *b);
bool rk_ip_eq(const struct rk_ip *a, const struct rk_ip *b);

/** ::ffff:a.b.c.d becomes a.b.c.d; others unchanged. */
struct rk_ip rk_ip_unmap(const struct rk_ip *ip);

/** Is it one of these, or loopback (which no change of addresses takes away)? n 0: no. */
bool rk_ip_among(const struct rk_ip *ip, const struct rk_ip *list, size_t n);
bool rk_ip_is_loopback(const struct rk_ip *ip);
bool rk_ip_is_unspecified(const struct rk_ip *ip);
bool rk_ip_is_link_local(const struct rk_ip *ip);
bool rk_ip_is_multicast(const struct rk_ip *ip);
/** RFC 1918, RFC 4193. */
bool rk_ip_is_private(const struct rk_ip *ip);

/** "1.2.3.4:5" or "[::1]:5". RK_BAD_REQUEST. */
enum rk_code rk_addr_parse(struct rk_str s, struct rk_addr *out, struct rk_err *err) RK_MUST;
/** An address to listen on: as above, or ":5" for all addresses (family 0). RK_BAD_REQUEST. */
enum rk_code rk_addr_parse_listen(struct rk_str s, struct rk_addr *out, struct rk_err *err) RK_MUST;
/** Host and port of a URL's authority, "host", "host:1", "[::1]:2"; *port 0: none is said. The host
 *  is borrowed from s, an IPv6 literal without its brackets. RK_BAD_REQUEST. */
enum rk_code rk_authority_parse(struct rk_str s, struct rk_str *host, uint16_t *port,
                                struct rk_err *err) RK_MUST;
/** Whether s is a URL of http or https whose host can be one. RK_INVALID. */
enum rk_code rk_url_check(struct rk_str s, struct rk_err *err) RK_MUST;
struct rk_str rk_addr_format(const struct rk_addr *a, char buf[RK_ADDR_TEXT]);
int rk_addr_cmp(const struct rk_addr *a, const struct rk_addr *b);
bool rk_addr_eq(const struct rk_addr *a, const struct rk_addr *b);

/** Kernel forms. An IPv4-mapped IPv6 address comes out as IPv4. RK_INVALID for other families. */
enum rk_code rk_addr_from_sa(const struct sockaddr *sa, struct rk_addr *out,
                             struct rk_err *err) RK_MUST;
/** Returns the length that was used of *out. */
socklen_t rk_addr_to_sa(const struct rk_addr *a, struct sockaddr_storage *out);

/** "10.0.0.0/8"; a missing length is an error; host bits are kept. RK_BAD_REQUEST. */
enum rk_code rk_prefix_parse(struct rk_str s, struct rk_prefix *out, struct rk_err *err) RK_MUST;
/** As above, or an address alone, which gives a prefix of its full length. RK_BAD_REQUEST. */
enum rk_code rk_prefix_parse_or_ip(struct rk_str s, struct rk_prefix *out,
                                   struct rk_err *err) RK_MUST;
struct rk_str rk_prefix_format(const struct rk_prefix *p, char buf[RK_ADDR_TEXT]);

/** The prefix with host bits cleared. */
struct rk_prefix rk_prefix_masked(const struct rk_prefix *p);
bool rk_prefix_contains(const struct rk_prefix *p, const struct rk_ip *ip);
/** Some address is in both. */
bool rk_prefix_overlaps(const struct rk_prefix *a, const struct rk_prefix *b);
int rk_prefix_cmp(const struct rk_prefix *a, const struct rk_prefix *b);

#endif
