/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz DNS messages: what is decoded stays inside the input, every record can be walked, and what a
 * forwarder makes of it can be decoded again. The same bytes as resolv.conf and hosts. */
#include "config.h"

#include <string.h>

#include "agent/dns/resolvconf.h"
#include "lib/net/dnsmsg.h"
#include "tests/fuzz/fuzz.h"

static void inside(struct rk_str in, struct rk_str view)
{
    FUZZ_CHECK(!view.n || (view.p >= in.p && view.p + view.n <= in.p + in.n));
}

static void names(const struct dns_name *name)
{
    char text[DNS_NAME_TEXT];
    struct dns_name again;
    struct rk_str t = dns_name_format(name, text);

    FUZZ_CHECK(name->n >= 1 && t.n < DNS_NAME_TEXT);
    if (!memchr(t.p, '\\', t.n)) {
        FUZZ_CHECK(dns_name_parse(t, &again, NULL) == RK_OK);
        FUZZ_CHECK(dns_name_eq(name, &again));
    }
    FUZZ_CHECK(dns_name_below(name, name));
    if (dns_name_parent(name, &again))
        FUZZ_CHECK(dns_name_below(name, &again));
    (void)dns_name_wildcard(name, &again);
}

static void forwarded(const struct dns_msg *m)
{
    uint8_t *buf = malloc(m->raw.n + DNS_OPT_SIZE);
    struct dns_msg again;
    size_t n = dns_forward(m, 7, 1232, true, buf, m->raw.n + DNS_OPT_SIZE);

    if (n) {
        FUZZ_CHECK(dns_decode(rk_str_of(buf, n), &again, NULL) == RK_OK);
        FUZZ_CHECK(again.has_opt && again.opt_udp == 1232 && again.id == 7);
        n = dns_give_back(buf, &again, m);
        FUZZ_CHECK(dns_decode(rk_str_of(buf, n), &again, NULL) == RK_OK);
        FUZZ_CHECK(again.id == m->id && dns_name_eq(&again.qname, &m->qname));
    }
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_str in = rk_str_of(data, size);
    struct dns_iter it = {0};
    struct resolvconf conf;
    struct rk_ip ips[4];
    uint8_t reply[DNS_UDP_SIZE];
    struct dns_msg m;
    struct dns_rr rr;
    unsigned n = 0;
    uint32_t ttl;

    resolvconf_parse(in, &conf);
    FUZZ_CHECK(conf.n_servers <= RESOLVCONF_SERVERS_MAX && conf.n_search <= RESOLVCONF_SEARCH_MAX);
    FUZZ_CHECK(hosts_find(in, RK_STR("a"), ips, 4) <= 4);
    if (dns_decode(in, &m, NULL) != RK_OK)
        return 0;
    inside(in, m.raw);
    inside(m.raw, m.opt_data);
    FUZZ_CHECK(m.question_end <= m.raw.n && m.counts[0] == 1);
    names(&m.qname);
    while (dns_next(&m, &it, &rr)) {
        struct dns_name target;

        inside(m.raw, rr.data);
        names(&rr.name);
        if (dns_rr_target(&m, &rr, &target))
            names(&target);
        n++;
    }
    FUZZ_CHECK(n == (unsigned)m.counts[1] + m.counts[2] + m.counts[3]);
    (void)dns_addresses(&m, ips, 4, &ttl);
    (void)dns_extended_error(&m);
    FUZZ_CHECK(dns_client_size(&m) >= DNS_UDP_SIZE);
    (void)dns_reply_empty(&m, DNS_SERVFAIL, 22, reply, sizeof reply);
    forwarded(&m);
    return 0;
}
