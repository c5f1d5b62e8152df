/* SPDX-License-Identifier: BSD-3-Clause */
/* DNS messages as one line of text, for tests: "NOERROR aa: a.example 60 A 10.0.0.1, …". */
#ifndef RK_TESTS_UNIT_AGENT_DNS_TEXT_H
#define RK_TESTS_UNIT_AGENT_DNS_TEXT_H

#include <check.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/net/dnsmsg.h"

static inline void dns_text_rr(const struct dns_msg *m, const struct dns_rr *rr, struct rk_buf *b)
{
    char name[DNS_NAME_TEXT], addr[RK_ADDR_TEXT];
    struct dns_name target;
    struct rk_ip ip;

    (void)dns_name_format(&rr->name, name);
    rk_buf_printf(b, " %s %u ", name, rr->ttl);
    if (dns_rr_ip(rr, &ip)) {
        (void)rk_ip_format(&ip, addr);
        rk_buf_printf(b, "%s %s", rr->type == DNS_A ? "A" : "AAAA", addr);
    } else if ((rr->type == DNS_CNAME || rr->type == DNS_PTR) && dns_rr_target(m, rr, &target)) {
        (void)dns_name_format(&target, name);
        rk_buf_printf(b, "%s %s", rr->type == DNS_CNAME ? "CNAME" : "PTR", name);
    } else {
        rk_buf_printf(b, "TYPE%u %zu", rr->type, rr->data.n);
    }
}

/** arena */
static inline const char *dns_text(struct rk_arena *mem, struct rk_str bytes)
{
    static const char *const codes[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    struct dns_iter it = {0};
    const char *out;
    struct dns_msg m;
    struct dns_rr rr;
    struct rk_buf b;
    bool any = false;

    if (dns_decode(bytes, &m, NULL))
        return "broken";
    rk_buf_init(&b, 65536);
    rk_buf_addz(&b, codes[m.flags & DNS_RCODE_MASK]);
    if (m.flags & DNS_AA)
        rk_buf_addz(&b, " aa");
    if (m.flags & DNS_TC)
        rk_buf_addz(&b, " tc");
    if (m.has_opt)
        rk_buf_addz(&b, " edns");
    rk_buf_addc(&b, ':');
    while (dns_next(&m, &it, &rr)) {
        if (rr.section != DNS_ANSWER)
            continue;
        if (any)
            rk_buf_addc(&b, ',');
        dns_text_rr(&m, &rr, &b);
        any = true;
    }
    out = rk_arena_dupz(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return out;
}

/** A question as bytes and as decoded; arena. */
static inline struct dns_msg dns_text_query(struct rk_arena *mem, const char *name, uint16_t type,
                                            bool edns)
{
    uint8_t *buf = rk_arena_alloc(mem, 512);
    struct dns_name n;
    struct dns_writer w;
    struct dns_msg m;

    ck_assert_int_eq(dns_name_parse(rk_str_z(name), &n, NULL), RK_OK);
    dns_begin_query(&w, buf, 512, 0x1234, &n, type);
    if (edns)
        dns_put_opt(&w, 1232, false, -1);
    ck_assert_int_eq(dns_decode(dns_end(&w), &m, NULL), RK_OK);
    return m;
}

#endif
