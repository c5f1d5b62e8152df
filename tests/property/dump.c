/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints an account of the property test, for the reader of a failure. */
#include "config.h"

#include <stdio.h>

#include "tests/property/random.h"

static void print_list(const char *name, const struct str_list *l)
{
    if (l->n == 0)
        return;
    printf(" %s=", name);
    for (size_t i = 0; i < l->n; i++)
        printf("%s%.*s", i ? "," : "", RK_STR_ARG(l->v[i]));
}

static void print_ref(const char *name, const struct resource_ref *r)
{
    if (r->id.n)
        printf(" %s=%s:%.*s", name, resource_type_text(r->type), RK_STR_ARG(r->id));
}

static void print_rule(const struct rule *r)
{
    printf("      rule %.*s %s%s %s", RK_STR_ARG(r->id), rule_protocol_text(r->protocol),
           r->bidirectional ? " both" : "", r->enabled ? "" : "disabled");
    print_list("src", &r->sources);
    print_ref("src", &r->source_resource);
    print_list("dst", &r->destinations);
    print_ref("dst", &r->destination_resource);
    print_list("ports", &r->ports);
    printf(" ranges=%zu\n", r->n_ranges);
}

static void print_groups(const struct account_data *d)
{
    for (size_t i = 0; i < d->n_groups; i++) {
        const struct group *g = &d->groups[i];

        printf("    group %.*s (%.*s):", RK_STR_ARG(g->id), RK_STR_ARG(g->name));
        for (size_t k = 0; k < d->n_group_peers; k++)
            if (rk_str_eq(d->group_peers[k].group_id, g->id))
                printf(" %.*s", RK_STR_ARG(d->group_peers[k].peer_id));
        for (size_t k = 0; k < g->n_resources; k++)
            printf(" [%.*s]", RK_STR_ARG(g->resources[k].id));
        printf("\n");
    }
}

void random_print(const struct account_data *d)
{
    for (size_t i = 0; i < d->n_peers; i++) {
        const struct peer *p = &d->peers[i];
        char text[RK_ADDR_TEXT];

        printf("    peer %.*s %s%s%s %.*s\n", RK_STR_ARG(p->id), rk_ip_format(&p->ip, text).p,
               p->status.requires_approval ? " unapproved" : "",
               p->proxy_embedded ? " embedded" : "", RK_STR_ARG(p->meta.version));
    }
    print_groups(d);
    for (size_t i = 0; i < d->n_policies; i++) {
        printf("    policy %.*s seq=%d %s", RK_STR_ARG(d->policies[i].id), (int)d->policies[i].seq,
               d->policies[i].enabled ? "" : "disabled");
        print_list("posture", &d->policies[i].posture_checks);
        printf("\n");
        for (size_t k = 0; k < d->policies[i].n_rules; k++)
            print_rule(&d->policies[i].rules[k]);
    }
    for (size_t i = 0; i < d->n_routes; i++) {
        const struct route *r = &d->routes[i];

        printf("    route %.*s net_id=%.*s %s peer=%.*s", RK_STR_ARG(r->id), RK_STR_ARG(r->net_id),
               r->enabled ? "" : "disabled", RK_STR_ARG(r->peer));
        print_list("peer_groups", &r->peer_groups);
        print_list("groups", &r->groups);
        print_list("acl", &r->access_control_groups);
        printf("\n");
    }
    for (size_t i = 0; i < d->n_resources; i++)
        printf("    resource %.*s of %.*s %s\n", RK_STR_ARG(d->resources[i].id),
               RK_STR_ARG(d->resources[i].network_id), d->resources[i].enabled ? "" : "disabled");
    for (size_t i = 0; i < d->n_routers; i++) {
        const struct router *r = &d->routers[i];

        printf("    router %.*s of %.*s %s peer=%.*s", RK_STR_ARG(r->id), RK_STR_ARG(r->network_id),
               r->enabled ? "" : "disabled", RK_STR_ARG(r->peer));
        print_list("peer_groups", &r->peer_groups);
        printf("\n");
    }
}
