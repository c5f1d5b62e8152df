/* SPDX-License-Identifier: BSD-3-Clause */
/* The CNAME of a name, by the C library's resolver and our own reading of the answer. */
#include "config.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/net/dnsmsg.h"
#include "management/ops/proxy_domains.h"

#define ANSWER_MAX 4096
#define TRY_S      3 /* for one try at one server */

static bool cname_is(struct rk_str raw, const struct dns_name *target)
{
    struct dns_msg m;
    struct dns_rr rr;
    struct dns_name to;
    struct dns_iter it = {0};

    if (dns_decode(raw, &m, NULL) || dns_rcode(&m) != DNS_NOERROR)
        return false;
    while (dns_next(&m, &it, &rr))
        if (rr.section == DNS_ANSWER && rr.type == DNS_CNAME && dns_name_eq(&rr.name, &m.qname))
            return dns_rr_target(&m, &rr, &to) && dns_name_eq(&to, target);
    return false;
}

static bool ask_only(struct __res_state *st, struct rk_str resolver)
{
    struct rk_addr a;
    struct sockaddr_in *to = &st->nsaddr_list[0];

    if (!resolver.n)
        return true;
    if (rk_addr_parse(resolver, &a, NULL) || a.ip.family != 4)
        return false;
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(a.port)};
    memcpy(&to->sin_addr, a.ip.b, sizeof to->sin_addr);
    st->nscount = 1;
    return true;
}

bool proxy_domain_points(struct rk_str domain, struct rk_str cluster, struct rk_str resolver)
{
    struct __res_state st = {0};
    unsigned char answer[ANSWER_MAX];
    char name[280];
    struct dns_name target;
    int n = -1;

    if (domain.n > 240 || dns_name_parse(cluster, &target, NULL) || res_ninit(&st))
        return false;
    (void)snprintf(name, sizeof name, "validation.%.*s", RK_STR_ARG(domain));
    st.retrans = TRY_S;
    if (ask_only(&st, resolver))
        n = res_nquery(&st, name, ns_c_in, ns_t_cname, answer, sizeof answer);
    res_nclose(&st);
    return n > 0 &&
           cname_is(rk_str_of(answer, (size_t)rk_min_i64(n, (int64_t)sizeof answer)), &target);
}
