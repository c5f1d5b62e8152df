/* SPDX-License-Identifier: BSD-3-Clause */
/* A name server for tests: one address, one answer for every question, and ways to misbehave. */
#ifndef RK_TESTS_UNIT_AGENT_DNS_FAKE_DNS_H
#define RK_TESTS_UNIT_AGENT_DNS_FAKE_DNS_H

#include <check.h>

#include "agent/dns/ask.h"
#include "agent/dns/listen.h"
#include "tests/unit/agent/dns/dns_text.h"

enum fake_dns_mood {
    FAKE_DNS_ANSWER,
    FAKE_DNS_SILENT,
    FAKE_DNS_SERVFAIL,
    FAKE_DNS_BOGUS, /* SERVFAIL with the extended error of a failed validation */
    FAKE_DNS_NXDOMAIN,
    FAKE_DNS_EMPTY,
    FAKE_DNS_BIG,  /* 100 addresses */
    FAKE_DNS_HALF, /* A questions are answered, others never */
};

struct fake_dns {
    struct dns_listener_user user;
    struct dns_listener *l;
    enum fake_dns_mood mood;
    struct rk_ip ip; /* the answer to A questions; AAAA has none */
    unsigned asked, by_tcp;
    struct dns_name last;
};

static void fake_dns_ask(struct dns_listener_user *u, const struct dns_msg *m, bool tcp,
                         const struct rk_addr *from RK_UNUSED, struct dns_asker *asker,
                         struct dns_query **out RK_UNUSED)
{
    struct fake_dns *f = rk_container_of(u, struct fake_dns, user);
    static const unsigned codes[] = {[FAKE_DNS_SERVFAIL] = DNS_SERVFAIL,
                                     [FAKE_DNS_BOGUS] = DNS_SERVFAIL,
                                     [FAKE_DNS_NXDOMAIN] = DNS_NXDOMAIN,
                                     [FAKE_DNS_EMPTY] = DNS_NOERROR,
                                     [FAKE_DNS_HALF] = 0};
    uint8_t buf[8192];
    struct dns_writer w;

    f->asked++;
    f->by_tcp += tcp;
    f->last = m->qname;
    if (f->mood == FAKE_DNS_SILENT || (f->mood == FAKE_DNS_HALF && m->qtype != DNS_A))
        return;
    dns_begin_reply(&w, buf, sizeof buf, m, DNS_RA | codes[f->mood]);
    if ((f->mood == FAKE_DNS_ANSWER || f->mood == FAKE_DNS_HALF) && m->qtype == DNS_A)
        dns_put_ip(&w, &m->qname, 30, &f->ip);
    for (unsigned i = 0; f->mood == FAKE_DNS_BIG && i < 100; i++) {
        struct rk_ip ip = rk_ip4(10, 0, 0, i);

        dns_put_ip(&w, &m->qname, 30, &ip);
    }
    if (m->has_opt)
        dns_put_opt(&w, 1232, false, f->mood == FAKE_DNS_BOGUS ? 6 : -1);
    asker->answer(asker, buf, dns_end(&w).n);
}

static inline void fake_dns_open(struct fake_dns *f, struct rk_loop *loop, const char *addr,
                                 struct rk_ip ip)
{
    struct rk_addr a;
    struct rk_err err = {0};

    *f = (struct fake_dns){.user.ask = fake_dns_ask, .ip = ip};
    ck_assert_int_eq(rk_addr_parse(rk_str_z(addr), &a, NULL), RK_OK);
    ck_assert_msg(dns_listener_open(loop, &a, &f->user, &f->l, &err) == RK_OK, "%s", err.msg);
}

/* A client that waits for its answer. */
struct fake_client {
    struct dns_ask_user user;
    struct rk_arena *mem;
    const char *text; /* NULL: waiting */
};

static void fake_client_done(struct dns_ask_user *u, uint8_t *bytes RK_UNUSED,
                             const struct dns_msg *answer, const struct rk_err *why)
{
    struct fake_client *c = rk_container_of(u, struct fake_client, user);

    c->text = answer ? dns_text(c->mem, answer->raw) : rk_arena_dupz(c->mem, rk_str_z(why->msg));
}

static const struct dns_ask_ops FAKE_CLIENT_OPS = {.done = fake_client_done};

static inline void fake_client_start(struct fake_client *c, struct rk_loop *loop,
                                     struct rk_arena *mem, const struct rk_addr *server,
                                     const char *name, uint16_t type, bool tcp)
{
    struct dns_msg q = dns_text_query(mem, name, type, false);
    struct dns_ask_opts o = {.loop = loop,
                             .query = &q,
                             .servers = server,
                             .n = 1,
                             .udp_size = 1232,
                             .tcp = tcp,
                             .each_ms = 20000,
                             .total_ms = 20000};

    *c = (struct fake_client){.user.ops = &FAKE_CLIENT_OPS, .mem = mem};
    (void)dns_ask_start(&o, &c->user);
}

#endif
