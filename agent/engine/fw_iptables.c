/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a network map to iptables-restore's input; see fw_iptables.h. Chains, all "<table>-…":
 *
 *   filter  in   INPUT, by our interface: answers, drops, accepts, drop
 *           fwd  FORWARD: local mark, answers, routed traffic by its sources, drop
 *           d…, a…  what holds for one list of sources: drops, accepts
 *   mangle  pre, post, mss  marks, size of segments        nat  nat, rdr, out
 *   n…a n…d n…m n…b  one list of domains: its addresses accepted, dropped, marked on the way there
 *           and back
 */
#include "config.h"

#include "agent/engine/fw_iptables.h"

#include <stdio.h>

#include "agent/dns/forwarder.h"
#include "agent/engine/fw_rules.h"
#include "lib/base/num.h"

struct building {
    const struct fw_opts *o;
    struct rk_buf *out;
    const struct fw_rules *r;
    const struct fw_domain_sets *sets;
    uint8_t family;
    bool served;
};

static const struct fw_jump JUMPS[] = {
    {"filter", "INPUT", "in", true},        {"filter", "FORWARD", "fwd", false},
    {"mangle", "PREROUTING", "pre", false}, {"mangle", "POSTROUTING", "post", false},
    {"mangle", "FORWARD", "mss", false},    {"nat", "PREROUTING", "rdr", false},
    {"nat", "POSTROUTING", "nat", false},   {"nat", "OUTPUT", "out", false},
};

const struct fw_jump *fw_iptables_jump(size_t i)
{
    return i < RK_ARRAY_LEN(JUMPS) ? &JUMPS[i] : NULL;
}

#define ANSWERS "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"

/* ---- pieces */

/* "-A <table>-<suffix> " */
static void rule(struct building *b, const char *suffix)
{
    rk_buf_printf(b->out, "-A %.*s-%s ", RK_STR_ARG(b->o->table), suffix);
}

static void put_chain(struct building *b, const char *suffix)
{
    rk_buf_printf(b->out, ":%.*s-%s - [0:0]\n", RK_STR_ARG(b->o->table), suffix);
}

static void put_proto(struct building *b, uint8_t proto, uint16_t lo, uint16_t hi)
{
    if (proto == FW_ALL)
        return;
    if (proto == FW_ICMP) {
        rk_buf_addz(b->out, b->family == 4 ? "-p icmp " : "-p ipv6-icmp ");
        return;
    }
    rk_buf_printf(b->out, "-p %s ", proto == FW_TCP ? "tcp" : "udp");
    if (hi && lo == hi)
        rk_buf_printf(b->out, "--dport %u ", lo);
    else if (hi)
        rk_buf_printf(b->out, "--dport %u:%u ", lo, hi);
}

static void put_net(struct building *b, const char *flag, const struct rk_prefix *p)
{
    char text[RK_ADDR_TEXT];

    if (p->bits)
        rk_buf_printf(b->out, "%s %.*s ", flag, RK_STR_ARG(rk_prefix_format(p, text)));
}

static void put_ip(struct building *b, const char *flag, const struct rk_ip *ip)
{
    char text[RK_ADDR_TEXT];

    rk_buf_printf(b->out, "%s %.*s ", flag, RK_STR_ARG(rk_ip_format(ip, text)));
}

/* Jump to a chain of ours. */
static void jump(struct building *b, const char *suffix)
{
    rk_buf_printf(b->out, "-j %.*s-%s\n", RK_STR_ARG(b->o->table), suffix);
}

static void names_chain(const struct fw_domain_set *s, char what, char out[24])
{
    (void)snprintf(out, 24, "n%s%c", s->name + 3, what); /* "nbd000001" */
}

/* ---- addresses of domains */

struct names_kind {
    char letter;
    const char *table, *flag, *then;
};

static const struct names_kind NAMES_KINDS[] = {
    {'a', "filter", "-d", "-j ACCEPT"},
    {'d', "filter", "-d", "-j DROP"},
    {'m', "mangle", "-d", "-j MARK --set-mark 0x1bd21"},
    {'b', "mangle", "-s", "-j MARK --set-mark 0x1bd22"},
};

static void put_names_chains(struct building *b, const char *table)
{
    char chain[24];

    for (size_t i = 0; b->o->by_name && i < b->sets->n; i++)
        for (size_t k = 0; k < RK_ARRAY_LEN(NAMES_KINDS); k++) {
            if (NAMES_KINDS[k].table[0] != table[0])
                continue;
            names_chain(&b->sets->items[i], NAMES_KINDS[k].letter, chain);
            put_chain(b, chain);
        }
}

static void put_name_ip(struct building *b, const struct fw_domain_set *s, const char *table,
                        const struct rk_ip *ip)
{
    char chain[24];

    for (size_t k = 0; k < RK_ARRAY_LEN(NAMES_KINDS); k++) {
        if (NAMES_KINDS[k].table[0] != table[0])
            continue;
        names_chain(s, NAMES_KINDS[k].letter, chain);
        rule(b, chain);
        put_ip(b, NAMES_KINDS[k].flag, ip);
        rk_buf_printf(b->out, "%s\n", NAMES_KINDS[k].then);
    }
}

static void put_names(struct building *b, const char *table)
{
    for (size_t i = 0; b->o->by_name && i < b->sets->n; i++)
        for (size_t j = 0; j < b->o->n_names; j++)
            for (size_t k = 0; k < b->o->names[j].n; k++)
                if (b->o->names[j].ips[k].family == b->family &&
                    fw_set_has(&b->sets->items[i], b->o->names[j].domain))
                    put_name_ip(b, &b->sets->items[i], table, &b->o->names[j].ips[k]);
}

/* ---- filter */

/* local: the copies in mangle that mark what may reach this host. */
static void put_peer_rules(struct building *b, bool local)
{
    static const char *const mark = "-m addrtype --dst-type LOCAL -j MARK --set-mark 0x1bd20";

    for (size_t i = 0; i < b->r->n_peer; i++) {
        const struct fw_peer_rule *r = &b->r->peer[i];

        if (r->family != b->family || (local && r->drop))
            continue;
        rule(b, local ? "pre" : "in");
        if (local)
            rk_buf_printf(b->out, "-i %.*s ", RK_STR_ARG(b->o->iface));
        if (!r->any)
            put_ip(b, "-s", &r->src);
        put_proto(b, r->proto, r->port_lo, r->port_hi);
        rk_buf_printf(b->out, "%s\n", local ? mark : r->drop ? "-j DROP" : "-j ACCEPT");
    }
    if (!b->r->open || b->o->block_inbound)
        return;
    rule(b, local ? "pre" : "in");
    if (local)
        rk_buf_printf(b->out, "-i %.*s ", RK_STR_ARG(b->o->iface));
    rk_buf_printf(b->out, "%s\n", local ? mark : "-j ACCEPT");
}

static void sources_chain(size_t i, bool drop, char out[24])
{
    (void)snprintf(out, 24, "%c%06zu", drop ? 'd' : 'a', i);
}

static bool in_family(const struct building *b, const struct fw_route_rule *r)
{
    return r->family == b->family;
}

/* One chain per list of sources and verdict, in the rules' order. */
static bool begins_sources(const struct building *b, size_t i)
{
    const struct fw_route_rule *r = &b->r->route[i];

    return in_family(b, r) && (!i || b->r->route[i - 1].sources != r->sources ||
                               b->r->route[i - 1].drop != r->drop || !in_family(b, r - 1));
}

static void put_route_rule(struct building *b, const struct fw_route_rule *r)
{
    char chain[24], names[24];

    sources_chain(r->sources, r->drop, chain);
    rule(b, chain);
    if (!r->names)
        put_net(b, "-d", &r->dst);
    put_proto(b, r->proto, r->port_lo, r->port_hi);
    if (r->names) {
        names_chain(r->names, r->drop ? 'd' : 'a', names);
        jump(b, names);
    } else {
        rk_buf_addz(b->out, r->drop ? "-j DROP\n" : "-j ACCEPT\n");
    }
}

static void put_sources(struct building *b, size_t i)
{
    const struct fw_route_rule *r = &b->r->route[i];
    const struct fw_sources *s = &b->r->sources[r->sources];
    char chain[24];

    sources_chain(r->sources, r->drop, chain);
    for (size_t k = 0; k < s->n || (k == 0 && !s->n); k++) {
        rule(b, "fwd");
        rk_buf_printf(b->out, "-i %.*s ", RK_STR_ARG(b->o->iface));
        if (s->n)
            put_net(b, "-s", &s->v[k]);
        jump(b, chain);
    }
}

static void put_routes(struct building *b)
{
    char chain[24];

    for (size_t i = 0; b->o->block_lan && i < b->o->n_lan; i++) {
        if (b->o->lan[i].ip.family != b->family)
            continue;
        rule(b, "fwd");
        rk_buf_printf(b->out, "-i %.*s ", RK_STR_ARG(b->o->iface));
        put_net(b, "-d", &b->o->lan[i]);
        rk_buf_addz(b->out, "-j DROP\n");
    }
    for (size_t i = 0; i < b->r->n_route; i++) {
        if (begins_sources(b, i))
            put_sources(b, i);
        if (in_family(b, &b->r->route[i]))
            put_route_rule(b, &b->r->route[i]);
    }
    for (size_t i = 0; b->r->legacy_routes && i < b->r->n_served; i++) {
        const struct fw_served *s = &b->r->served[i];

        if (s->family != b->family)
            continue;
        rule(b, "fwd");
        rk_buf_printf(b->out, "-i %.*s ", RK_STR_ARG(b->o->iface));
        if (s->names) {
            names_chain(s->names, 'a', chain);
            jump(b, chain);
        } else {
            put_net(b, "-d", &s->dst);
            rk_buf_addz(b->out, "-j ACCEPT\n");
        }
    }
}

static void put_filter(struct building *b)
{
    char chain[24];

    rk_buf_addz(b->out, "*filter\n");
    put_chain(b, "in");
    put_chain(b, "fwd");
    put_names_chains(b, "filter");
    for (size_t i = 0; i < b->r->n_route; i++) {
        if (!begins_sources(b, i))
            continue;
        sources_chain(b->r->route[i].sources, b->r->route[i].drop, chain);
        put_chain(b, chain);
    }
    rule(b, "in");
    rk_buf_addz(b->out, ANSWERS);
    put_peer_rules(b, false);
    for (int tcp = 0; b->family == 4 && b->r->names_asked && tcp < 2; tcp++) {
        rule(b, "in");
        rk_buf_printf(b->out, "-p %s -m multiport --dports %u,%u -j ACCEPT\n", tcp ? "tcp" : "udp",
                      DNS_FORWARD_OLD_PORT, b->o->names_port);
    }
    rule(b, "in");
    rk_buf_addz(b->out, "-j DROP\n");
    rule(b, "fwd");
    rk_buf_addz(b->out, "-m mark --mark 0x1bd20 -j ACCEPT\n");
    rule(b, "fwd");
    rk_buf_printf(b->out, "-i %.*s " ANSWERS, RK_STR_ARG(b->o->iface));
    rule(b, "fwd");
    rk_buf_printf(b->out, "-o %.*s " ANSWERS, RK_STR_ARG(b->o->iface));
    if (b->served)
        put_routes(b);
    rule(b, "fwd");
    rk_buf_printf(b->out, "-i %.*s -j DROP\n", RK_STR_ARG(b->o->iface));
    put_names(b, "filter");
    rk_buf_addz(b->out, "COMMIT\n");
}

/* ---- mangle */

static void put_masquerade_marks(struct building *b)
{
    struct rk_prefix clients = rk_prefix_masked(b->family == 4 ? &b->o->v4 : &b->o->v6);
    char chain[24];

    for (size_t i = 0; i < b->r->n_served; i++) {
        const struct fw_served *s = &b->r->served[i];

        if (s->family != b->family || !s->masquerade)
            continue;
        for (int back = 0; back < 2; back++) {
            rule(b, "pre");
            rk_buf_printf(b->out, "%s-i %.*s -m conntrack --ctstate NEW ", back ? "! " : "",
                          RK_STR_ARG(b->o->iface));
            put_net(b, back ? "-d" : "-s", &clients);
            if (s->names) {
                names_chain(s->names, back ? 'b' : 'm', chain);
                jump(b, chain);
                continue;
            }
            put_net(b, back ? "-s" : "-d", &s->dst);
            rk_buf_printf(b->out, "-j MARK --set-mark 0x%x\n",
                          back ? FW_MARK_MASQ_BACK : FW_MARK_MASQ);
        }
    }
}

static void put_mangle(struct building *b)
{
    uint32_t mss = b->o->mtu_bytes - (b->family == 4 ? 40 : 60);

    rk_buf_addz(b->out, "*mangle\n");
    put_chain(b, "pre");
    put_chain(b, "post");
    put_chain(b, "mss");
    put_names_chains(b, "mangle");
    rule(b, "pre");
    rk_buf_printf(b->out, "-i %.*s -m conntrack --ctstate NEW -j CONNMARK --set-mark 0x%x\n",
                  RK_STR_ARG(b->o->iface), FW_CT_IN);
    put_masquerade_marks(b);
    put_peer_rules(b, true);
    rule(b, "post");
    rk_buf_printf(b->out, "-o %.*s -m conntrack --ctstate NEW -j CONNMARK --set-mark 0x%x\n",
                  RK_STR_ARG(b->o->iface), FW_CT_OUT);
    rule(b, "mss");
    rk_buf_printf(b->out,
                  "-o %.*s -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss %u:65535 -j TCPMSS "
                  "--set-mss %u\n",
                  RK_STR_ARG(b->o->iface), mss + 1, mss);
    put_names(b, "mangle");
    rk_buf_addz(b->out, "COMMIT\n");
}

/* ---- nat */

static void put_forward(struct building *b, const struct fw_forward *f)
{
    char text[RK_ADDR_TEXT];

    (void)rk_ip_format(&f->to, text);
    for (uint32_t i = 0; i <= (uint32_t)(f->port_hi - f->port_lo); i++) {
        rule(b, "rdr");
        rk_buf_printf(b->out, "! -i %.*s -m addrtype --dst-type LOCAL ", RK_STR_ARG(b->o->iface));
        if (f->to_lo == f->port_lo) { /* all at once */
            put_proto(b, f->proto, f->port_lo, f->port_hi);
            rk_buf_printf(b->out, "-j DNAT --to-destination %s\n", text);
            return;
        }
        put_proto(b, f->proto, (uint16_t)(f->port_lo + i), (uint16_t)(f->port_lo + i));
        rk_buf_printf(b->out,
                      b->family == 4 ? "-j DNAT --to-destination %s:%u\n"
                                     : "-j DNAT --to-destination [%s]:%u\n",
                      text, f->to_lo + i);
    }
}

static void put_nat(struct building *b)
{
    char text[RK_ADDR_TEXT];

    rk_buf_addz(b->out, "*nat\n");
    put_chain(b, "rdr");
    put_chain(b, "nat");
    put_chain(b, "out");
    for (size_t i = 0; i < b->r->n_forward; i++)
        if (b->r->forward[i].to.family == b->family)
            put_forward(b, &b->r->forward[i]);
    rule(b, "nat");
    rk_buf_printf(b->out, "-m mark --mark 0x%x ! -o lo -j MASQUERADE\n", FW_MARK_MASQ);
    rule(b, "nat");
    rk_buf_printf(b->out, "-m mark --mark 0x%x -o %.*s -j MASQUERADE\n", FW_MARK_MASQ_BACK,
                  RK_STR_ARG(b->o->iface));
    for (size_t i = 0; i < b->r->n_forward; i++) {
        const struct fw_forward *f = &b->r->forward[i];

        if (f->to.family != b->family)
            continue;
        rule(b, "nat");
        rk_buf_printf(b->out, "-o %.*s -m conntrack --ctstate DNAT ", RK_STR_ARG(b->o->iface));
        put_ip(b, "-d", &f->to);
        put_proto(b, f->proto, f->to_lo, (uint16_t)(f->to_lo + (f->port_hi - f->port_lo)));
        rk_buf_addz(b->out, "-j MASQUERADE\n");
    }
    (void)rk_ip_format(&b->o->v4.ip, text);
    for (int tcp = 0; b->o->names_redirect && b->family == 4 && tcp < 2; tcp++) {
        rule(b, "out");
        rk_buf_printf(b->out, "-d %s -p %s --dport 53 -j DNAT --to-destination %s:%u\n", text,
                      tcp ? "tcp" : "udp", text, b->o->names_redirect);
    }
    rk_buf_addz(b->out, "COMMIT\n");
}

/* ---- all of it */

enum rk_code fw_iptables_build(const struct fw_opts *o, uint8_t family,
                               const Management__NetworkMap *map, struct rk_arena *keep,
                               struct fw_domain_sets *sets, struct rk_buf *out,
                               struct fw_stats *stats, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct fw_rules rules;
    struct building b = {.o = o, .out = out, .r = &rules, .sets = sets, .family = family};
    enum rk_code rc = fw_rules_read(o, map, mem, keep, sets, &rules, stats, err);

    if (rc)
        return rc;
    b.served = map && o->serve_routes;
    if (!fw_plain_name(o->iface) || !fw_plain_name(o->table) || o->table.n > 16)
        return rk_fail(err, RK_INVALID, "\"%.*s\" cannot stand in names of chains",
                       RK_STR_ARG(rk_str_sub(o->table, 0, 40)));
    put_filter(&b);
    put_mangle(&b);
    put_nat(&b);
    return out->full ? rk_fail(err, RK_LIMIT, "firewall rules are too long") : RK_OK;
}

void fw_iptables_add(struct rk_str table, const struct fw_domain_sets *sets, struct rk_str domain,
                     const struct rk_ip *ip, struct rk_buf *out)
{
    static const char *const tables[] = {"filter", "mangle"};
    struct fw_opts o = {.table = table};
    struct building b = {.o = &o, .out = out, .family = ip->family};
    bool any = false;

    for (size_t i = 0; i < sets->n; i++)
        any = any || fw_set_has(&sets->items[i], domain);
    for (size_t t = 0; any && t < RK_ARRAY_LEN(tables); t++) {
        rk_buf_printf(out, "*%s\n", tables[t]);
        for (size_t i = 0; i < sets->n; i++)
            if (fw_set_has(&sets->items[i], domain))
                put_name_ip(&b, &sets->items[i], tables[t], ip);
        rk_buf_addz(out, "COMMIT\n");
    }
}
