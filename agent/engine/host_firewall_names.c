/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of domain routes that this host serves: they open the firewall one by one. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/host_priv.h"

static int by_ip(const void *a, const void *b)
{
    return rk_ip_cmp(a, b);
}

void host_fw_names_clear(struct host_firewall *f)
{
    for (size_t i = 0; i < f->n_names; i++) {
        free(f->names[i].domain);
        free(f->names[i].ips);
    }
    free(f->names);
    f->names = NULL;
    f->n_names = f->n_ips = 0;
}

static bool in_sets(const struct fw_domain_sets *s, const char *domain)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->items[i].n; j++)
            if (rk_str_eqz(s->items[i].domains[j], domain))
                return true;
    return false;
}

/* What the map no longer routes is forgotten. */
void host_fw_names_prune(struct host_firewall *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->n_names; i++) {
        if (in_sets(&f->sets, f->names[i].domain)) {
            f->names[kept++] = f->names[i];
            continue;
        }
        f->n_ips -= f->names[i].n;
        free(f->names[i].domain);
        free(f->names[i].ips);
    }
    f->n_names = kept;
}

static struct host_name *name_of(struct host_firewall *f, struct rk_str domain)
{
    struct host_name *name;

    for (size_t i = 0; i < f->n_names; i++)
        if (rk_str_eqz(domain, f->names[i].domain))
            return &f->names[i];
    f->names = rk_realloc(f->names, f->n_names + 1, sizeof *f->names);
    name = &f->names[f->n_names++];
    *name = (struct host_name){.domain = rk_str_dupz(domain)};
    return name;
}

static void name_add(struct host_firewall *f, struct host_name *name, const struct rk_ip *ip)
{
    size_t at = name->n;

    if (name->n == name->cap) {
        name->cap = name->cap ? name->cap * 2 : 4;
        name->ips = rk_realloc(name->ips, name->cap, sizeof *name->ips);
    }
    while (at && rk_ip_cmp(&name->ips[at - 1], ip) > 0)
        at--;
    memmove(&name->ips[at + 1], &name->ips[at], (name->n - at) * sizeof *name->ips);
    name->ips[at] = *ip;
    name->n++;
    f->n_ips++;
}

enum rk_code host_resolved(struct host *h, struct rk_str domain, const struct rk_ip *ip,
                           struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *key = rk_str_dupz(domain);
    struct host_firewall *f = &h->f;
    struct host_name *name;
    enum rk_code rc = RK_OK;

    if (!h->up || !f->by_name || !in_sets(&f->sets, key) || (ip->family == 6 && !h->v6.ip.family))
        return RK_OK;
    name = name_of(f, domain);
    if (name->n && bsearch(ip, name->ips, name->n, sizeof *ip, by_ip))
        return RK_OK;
    if (f->n_ips == HOST_NAMES_MAX)
        return rk_fail(err, RK_LIMIT, "more than %d addresses of domain routes", HOST_NAMES_MAX);
    if (f->way == FW_OWN) {
        name_add(f, name, ip);
        return host_filter_again(h, err);
    }
    rc = host_fw_open_name(h, domain, ip, err);
    if (rc == RK_OK)
        name_add(f, name, ip);
    return rc;
}

const struct fw_name *host_fw_names_list(const struct host_firewall *f, struct rk_arena *mem)
{
    struct fw_name *out = rk_new_n(mem, struct fw_name, f->n_names + 1);

    for (size_t i = 0; i < f->n_names; i++)
        out[i] = (struct fw_name){
            .domain = rk_str_z(f->names[i].domain), .ips = f->names[i].ips, .n = f->names[i].n};
    return out;
}
