/* SPDX-License-Identifier: BSD-3-Clause */
/* nftables or iptables; see host_firewall_way.h. */
#include "config.h"

#include "agent/engine/host_firewall_way.h"

#include <stdio.h>
#include <string.h>

#include "agent/engine/fw_iptables.h"
#include "agent/engine/fw_rules.h"
#include "agent/os/firewall.h"
#include "agent/os/iptables.h"
#include "lib/base/num.h"

/* Texts for iptables are parts, each behind such a line. */
#define PART   "# family "
#define PART_4 PART "4\n"
#define PART_6 PART "6\n"

static const char *const NAMES[] = {"nftables", "iptables", "iptables-legacy", "own"};

const char *fw_way_name(enum fw_way way)
{
    return NAMES[way];
}

enum fw_way fw_way_of(struct rk_str name)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(NAMES); i++)
        if (rk_str_eqz(name, NAMES[i]))
            return (enum fw_way)i;
    return FW_NFTABLES;
}

static enum iptables_kind kind_of(enum fw_way way)
{
    return way == FW_IPTABLES_LEGACY ? IPTABLES_LEGACY : IPTABLES_ANY;
}

enum rk_code fw_way_build(enum fw_way way, const struct fw_opts *o,
                          const Management__NetworkMap *map, struct rk_arena *keep,
                          struct fw_domain_sets *sets, struct rk_buf *out, struct fw_stats *stats,
                          struct rk_err *err)
{
    enum rk_code rc;

    if (way == FW_NFTABLES)
        return fw_text_build(o, map, keep, sets, out, stats, err);
    rk_buf_addz(out, PART_4);
    rc = fw_iptables_build(o, 4, map, keep, sets, out, stats, err);
    if (rc || !o->v6.ip.family)
        return rc;
    rk_buf_addz(out, PART_6);
    return fw_iptables_build(o, 6, map, keep, sets, out, stats, err);
}

void fw_way_add(enum fw_way way, struct rk_str table, const struct fw_domain_sets *sets,
                struct rk_str domain, const struct rk_ip *ip, struct rk_buf *out)
{
    if (way == FW_NFTABLES) {
        fw_text_add(table, sets, domain, ip, out);
        return;
    }
    rk_buf_addz(out, ip->family == 4 ? PART_4 : PART_6);
    fw_iptables_add(table, sets, domain, ip, out);
}

static void chain_of(const struct fw_place *p, const struct fw_jump *j, char out[64])
{
    (void)snprintf(out, 64, "%.*s-%s", RK_STR_ARG(rk_str_sub(p->table, 0, 24)), j->suffix);
}

/* The chains stand by now. */
static enum rk_code see_to_jumps(const struct fw_place *p, bool v6, struct rk_err *err)
{
    const struct fw_jump *j;
    char chain[64];

    for (size_t i = 0; (j = fw_iptables_jump(i)); i++) {
        enum rk_code rc;

        chain_of(p, j, chain);
        rc = iptables_jump(v6, kind_of(p->way), j->table, j->from, chain,
                           j->by_iface ? p->iface : NULL, err);
        if (rc)
            return rc;
    }
    return RK_OK;
}

static enum rk_code run_parts(const struct fw_place *p, const char *text, struct rk_err *err)
{
    const char *at = strstr(text, PART);

    while (at) {
        bool v6 = at[sizeof PART - 1] == '6';
        const char *begin = at + sizeof PART_4 - 1;
        enum rk_code rc;

        at = strstr(begin, PART);
        rc = iptables_restore(v6, kind_of(p->way),
                              at ? rk_str_of(begin, (size_t)(at - begin)) : rk_str_z(begin), err);
        if (rc)
            return rc;
    }
    return RK_OK;
}

enum rk_code fw_way_run(const struct fw_place *p, const char *text, bool whole, struct rk_err *err)
{
    enum rk_code rc;

    if (p->way == FW_NFTABLES)
        return firewall_run(text, err);
    rc = run_parts(p, text, err);
    for (int v6 = 0; v6 <= (int)p->v6 && whole && !rc; v6++)
        rc = see_to_jumps(p, v6, err);
    return rc;
}

static enum rk_code remove_iptables(const struct fw_place *p, bool v6, struct rk_err *err)
{
    static const char *const tables[] = {"filter", "mangle", "nat"};
    struct rk_str prefix;
    const struct fw_jump *j;
    enum rk_code rc = RK_OK, one;
    char chain[64];
    int n;

    for (size_t i = 0; (j = fw_iptables_jump(i)); i++) {
        chain_of(p, j, chain);
        iptables_unjump(v6, kind_of(p->way), j->table, j->from, chain,
                        j->by_iface ? p->iface : NULL);
    }
    n = snprintf(chain, sizeof chain, "%.*s-", RK_STR_ARG(rk_str_sub(p->table, 0, 24)));
    prefix = rk_str_of(chain, (size_t)n);
    for (size_t i = 0; i < RK_ARRAY_LEN(tables); i++) {
        one = iptables_drop_chains(v6, kind_of(p->way), tables[i], prefix, err);
        rc = one ? one : rc;
    }
    return rc;
}

enum rk_code fw_way_remove(const struct fw_place *p, struct rk_err *err)
{
    enum rk_code rc = RK_OK, one;
    struct rk_buf text;

    if (p->way == FW_OWN)
        return RK_OK; /* it went with the device */
    if (p->way != FW_NFTABLES) {
        for (int v6 = 0; v6 < 2; v6++) {
            one = remove_iptables(p, v6, err);
            if (one && one != RK_PRECONDITION) /* no program any more: its rules are beyond us */
                rc = one;
        }
        return rc;
    }
    rk_buf_init(&text, 4096);
    rc = fw_text_remove(p->table, &text, err);
    rk_buf_addc(&text, '\0');
    if (rc == RK_OK)
        rc = firewall_run(text.p, err);
    rk_buf_done(&text);
    return rc;
}
