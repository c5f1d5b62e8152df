/* SPDX-License-Identifier: BSD-3-Clause */
/* Making way in other people's chains; see firewall_others.h. */
#include "config.h"

#include "agent/os/firewall_others.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/os/firewall.h"
#include "agent/os/iptables.h"
#include "agent/os/nl.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/num.h"

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 2
#endif

#define CHAINS_MAX 4096
#define TAG_BYTES  48
#define TEXT_MAX   ((size_t)1 << 20)

enum { TAG_IN, TAG_OUT, TAGS };

struct chain { /* a base chain of somebody else that filters */
    uint8_t family;
    bool forward;
    bool locked; /* its table belongs to one process */
    const char *table, *name;
    bool has[TAGS];
    uint64_t handle[TAGS];
};

struct look {
    struct nl_sock *nl;
    struct rk_arena *mem;
    struct rk_str own;
    char tag[TAGS][TAG_BYTES];
    struct chain *v;
    size_t n, cap;
};

/* ---- the kernel's answers */

static const char *text_attr(struct rk_arena *mem, const struct nlmsghdr *h, uint16_t type)
{
    const struct nlattr *a;

    NL_FOR_EACH (a, h, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(a) == type && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
            return rk_arena_dupz(mem, rk_str_z(mnl_attr_get_str(a)));
    }
    return NULL;
}

static uint32_t be32_nested(const struct nlmsghdr *h, uint16_t outer, uint16_t inner, uint32_t none)
{
    const struct nlattr *a, *b;

    NL_FOR_EACH (a, h, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(a) != outer)
            continue;
        NL_FOR_EACH_NESTED (b, a) {
            if (mnl_attr_get_type(b) == inner && mnl_attr_validate(b, MNL_TYPE_U32) == 0)
                return ntohl(mnl_attr_get_u32(b));
        }
    }
    return none;
}

struct reader {
    struct nl_reader r;
    struct look *l;
    struct chain *chain;
};

/* Another agent of this host, ours or the official one, minds its own chains. */
static bool is_agents(const char *chain)
{
    return strncmp(chain, "netbird-", 8) == 0;
}

static bool may_filter(uint8_t family)
{
    return family == NFPROTO_IPV4 || family == NFPROTO_IPV6 || family == NFPROTO_INET;
}

static enum rk_code on_chain(struct nl_reader *r, const struct nlmsghdr *h,
                             struct rk_err *err RK_UNUSED)
{
    struct look *l = rk_container_of(r, struct reader, r)->l;
    const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
    uint32_t hook = be32_nested(h, NFTA_CHAIN_HOOK, NFTA_HOOK_HOOKNUM, UINT32_MAX);
    struct chain c = {.family = m->nfgen_family, .forward = hook == NF_INET_FORWARD};
    const char *type;

    if (!may_filter(c.family) || (hook != NF_INET_FORWARD && hook != NF_INET_LOCAL_IN))
        return RK_OK;
    type = text_attr(l->mem, h, NFTA_CHAIN_TYPE);
    c.table = text_attr(l->mem, h, NFTA_CHAIN_TABLE);
    c.name = text_attr(l->mem, h, NFTA_CHAIN_NAME);
    if (!type || strcmp(type, "filter") != 0 || !c.table || !c.name || l->n == CHAINS_MAX ||
        rk_str_eqz(l->own, c.table) || is_agents(c.name))
        return RK_OK;
    l->v = rk_arena_grow(l->mem, l->v, l->n, &l->cap, sizeof *l->v);
    l->v[l->n++] = c;
    return RK_OK;
}

static enum rk_code on_table(struct nl_reader *r, const struct nlmsghdr *h,
                             struct rk_err *err RK_UNUSED)
{
    struct look *l = rk_container_of(r, struct reader, r)->l;
    const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
    const char *name = text_attr(l->mem, h, NFTA_TABLE_NAME);
    const struct nlattr *a;
    uint32_t flags = 0;

    NL_FOR_EACH (a, h, sizeof *m) {
        if (mnl_attr_get_type(a) == NFTA_TABLE_FLAGS && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
            flags = ntohl(mnl_attr_get_u32(a));
    }
    for (size_t i = 0; name && flags & NFT_TABLE_F_OWNER && i < l->n; i++)
        if (l->v[i].family == m->nfgen_family && strcmp(l->v[i].table, name) == 0)
            l->v[i].locked = true;
    return RK_OK;
}

/* Our comment is found wherever it stands: nft keeps it beside the rule, iptables as a match. */
static enum rk_code on_rule(struct nl_reader *r, const struct nlmsghdr *h,
                            struct rk_err *err RK_UNUSED)
{
    struct reader *rd = rk_container_of(r, struct reader, r);
    const struct nlattr *a;
    uint64_t handle = 0;

    NL_FOR_EACH (a, h, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(a) == NFTA_RULE_HANDLE && mnl_attr_validate(a, MNL_TYPE_U64) == 0)
            handle = be64toh(mnl_attr_get_u64(a));
    }
    for (int i = 0; i < TAGS; i++) {
        const char *tag = rd->l->tag[i];

        if (!memmem(mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h), tag, strlen(tag) + 1))
            continue;
        rd->chain->has[i] = true;
        rd->chain->handle[i] = handle;
    }
    return RK_OK;
}

static enum rk_code dump(struct look *l, uint16_t type, uint8_t family, struct reader *rd,
                         struct rk_err *err)
{
    struct nlmsghdr *h = nl_begin(l->nl, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_DUMP);
    struct nfgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);

    m->nfgen_family = family;
    m->version = NFNETLINK_V0;
    if (rd->chain) {
        mnl_attr_put_strz(h, NFTA_RULE_TABLE, rd->chain->table);
        mnl_attr_put_strz(h, NFTA_RULE_CHAIN, rd->chain->name);
    }
    return nl_ask(l->nl, h, &rd->r, "other firewalls", err);
}

static enum rk_code look_at_chains(struct look *l, struct rk_err *err)
{
    struct reader chains = {.r.message = on_chain, .l = l},
                  tables = {.r.message = on_table, .l = l};
    enum rk_code rc = nl_open(NETLINK_NETFILTER, &l->nl, err);

    if (rc)
        return rc;
    rc = dump(l, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, &chains, err);
    if (rc == RK_OK && l->n)
        rc = dump(l, NFT_MSG_GETTABLE, NFPROTO_UNSPEC, &tables, err);
    return rc;
}

static void look_at_rules(struct look *l, struct chain *c)
{
    struct reader rd = {.r.message = on_rule, .l = l, .chain = c};

    RK_IGNORE(dump(l, NFT_MSG_GETRULE, c->family, &rd, NULL)); /* it may be gone by now */
}

static void look_init(struct look *l, const char *iface, struct rk_str own)
{
    static const char *const words[TAGS] = {"in", "out"};

    *l = (struct look){.own = own, .mem = rk_arena_new(0)};
    for (int i = 0; i < TAGS; i++)
        (void)snprintf(l->tag[i], TAG_BYTES, "rook-%s-%s", iface, words[i]);
}

static void look_done(struct look *l)
{
    nl_close(l->nl);
    rk_arena_free(l->mem);
}

/* ---- making and removing */

/* Names that nft's own language can say as they are. */
static bool sayable(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
            return false;
    return isalpha((unsigned char)name[0]);
}

/* Those that the programs of iptables keep; they never look at others. */
static bool of_iptables(const struct chain *c)
{
    return c->family != NFPROTO_INET && strcmp(c->table, "filter") == 0;
}

/* Their other tables do not drop by policy, and nobody writes filters there. */
static bool passed_over(const struct chain *c)
{
    static const char *const names[] = {"nat", "mangle", "raw", "security"};

    for (size_t i = 0; c->family != NFPROTO_INET && i < RK_ARRAY_LEN(names); i++)
        if (strcmp(c->table, names[i]) == 0)
            return true;
    return false;
}

static const char *family_word(uint8_t family)
{
    return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

static enum rk_code run(struct rk_buf *text, struct rk_err *err)
{
    enum rk_code rc;

    rk_buf_addc(text, '\0');
    rc = text->full ? rk_fail(err, RK_LIMIT, "too many chains") : firewall_run(text->p, err);
    rk_buf_clear(text);
    return rc;
}

/* The rule of each direction: in front goes what comes in, for it is in every chain. */
static enum rk_code add_rules(const struct look *l, const struct chain *c, const char *iface,
                              struct firewall_others *out, struct rk_err *err)
{
    enum rk_code rc = RK_OK, one;
    struct rk_buf text;

    rk_buf_init(&text, TEXT_MAX);
    for (int i = 0; i < (c->forward ? TAGS : 1); i++) {
        if (c->has[i])
            continue;
        rk_buf_printf(&text, "insert rule %s %s %s %s \"%s\" %scounter accept comment \"%s\"\n",
                      family_word(c->family), c->table, c->name, i ? "oifname" : "iifname", iface,
                      i ? "ct state established,related " : "", l->tag[i]);
        one = run(&text, err);
        rc = one ? one : rc;
        out->added += !one;
    }
    rk_buf_done(&text);
    return rc;
}

static enum rk_code add_iptables(const struct look *l, const struct chain *c, const char *iface,
                                 const char *program, struct firewall_others *out,
                                 struct rk_err *err)
{
    enum rk_code rc = RK_OK, one;

    for (int i = 0; i < (c->forward ? TAGS : 1); i++) {
        if (c->has[i])
            continue;
        one = iptables_way(program, c->name, iface, i == TAG_OUT, l->tag[i], true, err);
        rc = one ? one : rc;
        out->added += !one;
    }
    return rc;
}

static enum rk_code open_chain(const struct look *l, const struct chain *c, const char *iface,
                               struct firewall_others *out, struct rk_err *err)
{
    const char *program = iptables_find(c->family == NFPROTO_IPV6, IPTABLES_NFT);

    if (c->locked || !sayable(c->table) || !sayable(c->name)) {
        out->locked++;
        (void)snprintf(out->locked_name, sizeof out->locked_name, "%s", c->table);
        return RK_OK;
    }
    if (of_iptables(c) && program)
        return add_iptables(l, c, iface, program, out, err);
    return add_rules(l, c, iface, out, err);
}

/* The tables of the kernel's older filter, which nftables does not see. */
static enum rk_code open_legacy(const struct look *l, const char *iface, bool v6,
                                struct firewall_others *out, struct rk_err *err)
{
    const char *program = iptables_find(v6, IPTABLES_LEGACY);
    static const char *const names[] = {"INPUT", "FORWARD"};
    enum rk_code rc = RK_OK, one;

    if (!iptables_legacy_used(v6) || !program)
        return RK_OK;
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < (f ? TAGS : 1); i++) {
            if (iptables_has_way(program, names[f], iface, i == TAG_OUT, l->tag[i]))
                continue;
            one = iptables_way(program, names[f], iface, i == TAG_OUT, l->tag[i], true, err);
            rc = one ? one : rc;
            out->added += !one;
        }
    return rc;
}

enum rk_code firewall_others_open(const char *iface, struct rk_str own, bool with_ipv6,
                                  struct firewall_others *out, struct rk_err *err)
{
    struct look l;
    enum rk_code rc, one;

    *out = (struct firewall_others){0};
    look_init(&l, iface, own);
    rc = look_at_chains(&l, err);
    for (size_t i = 0; i < l.n; i++) {
        if (passed_over(&l.v[i]) || (l.v[i].family == NFPROTO_IPV6 && !with_ipv6))
            continue;
        look_at_rules(&l, &l.v[i]);
        one = open_chain(&l, &l.v[i], iface, out, err);
        rc = one ? one : rc;
    }
    for (int v6 = 0; v6 <= (int)with_ipv6; v6++) {
        one = open_legacy(&l, iface, v6, out, err);
        rc = one ? one : rc;
    }
    look_done(&l);
    return rc;
}

static enum rk_code close_chain(const struct chain *c, struct rk_err *err)
{
    enum rk_code rc = RK_OK;
    struct rk_buf text;

    rk_buf_init(&text, TEXT_MAX);
    for (int i = 0; i < TAGS; i++)
        if (c->has[i])
            rk_buf_printf(&text, "delete rule %s %s %s handle %llu\n", family_word(c->family),
                          c->table, c->name, (unsigned long long)c->handle[i]);
    if (text.n)
        rc = run(&text, err);
    rk_buf_done(&text);
    return rc;
}

static void close_legacy(const struct look *l, const char *iface, bool v6)
{
    const char *program = iptables_find(v6, IPTABLES_LEGACY);
    static const char *const names[] = {"INPUT", "FORWARD"};

    for (int f = 0; program && iptables_legacy_used(v6) && f < 2; f++)
        for (int i = 0; i < (f ? TAGS : 1); i++)
            while (iptables_has_way(program, names[f], iface, i == TAG_OUT, l->tag[i]) &&
                   !iptables_way(program, names[f], iface, i == TAG_OUT, l->tag[i], false, NULL))
                ;
}

enum rk_code firewall_others_close(const char *iface, struct rk_err *err)
{
    struct look l;
    enum rk_code rc, one;

    look_init(&l, iface, (struct rk_str){0});
    rc = look_at_chains(&l, err);
    for (size_t i = 0; i < l.n; i++) {
        if (passed_over(&l.v[i]) || l.v[i].locked || !sayable(l.v[i].table) ||
            !sayable(l.v[i].name))
            continue;
        for (bool more = true; more;) { /* also what was made twice */
            l.v[i].has[TAG_IN] = l.v[i].has[TAG_OUT] = false;
            look_at_rules(&l, &l.v[i]);
            more = l.v[i].has[TAG_IN] || l.v[i].has[TAG_OUT];
            one = more ? close_chain(&l.v[i], err) : RK_OK;
            more = more && !one;
            rc = one ? one : rc;
        }
    }
    close_legacy(&l, iface, false);
    close_legacy(&l, iface, true);
    look_done(&l);
    return rc;
}

bool firewall_others_exist(struct rk_str own)
{
    struct look l;
    bool any;

    look_init(&l, "", own);
    any = look_at_chains(&l, NULL) == RK_OK && l.n > 0;
    look_done(&l);
    return any || iptables_legacy_used(false) || iptables_legacy_used(true);
}
