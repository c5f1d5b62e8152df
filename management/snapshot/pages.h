/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of peers and their encoded fragments; see state.h. */
#ifndef MGMT_NETMAP_PAGES_H
#define MGMT_NETMAP_PAGES_H

#include "management/snapshot/state.h"

struct gset *gset_ref(struct gset *g);
void gset_unref(struct gset *g);                               /* accepts NULL */
struct gset *gset_with(const struct gset *old, uint32_t g);    /* old may be NULL */
struct gset *gset_without(const struct gset *old, uint32_t g); /* old may be NULL */

struct page_list *page_list_ref(struct page_list *l);
void page_list_unref(struct page_list *l); /* accepts NULL */

/** Page i for writing by this edit; the list grows by one when i is its length. *l may move. */
struct page *pages_own(struct page_list **l, uint64_t owner, uint32_t i);

/** Put a row (reference taken over; NULL: free the slot) and group set into a slot. */
void page_set(struct page *p, unsigned slot, struct row *row);
void page_set_groups(struct page *p, unsigned slot, struct gset *groups);

struct derive_env {
    struct rk_str domain;        /* effective DNS domain */
    const uint32_t *ipv6_groups; /* group indexes enabled for IPv6, any order */
    size_t n_ipv6_groups;
    bool ipv6; /* some group, even an unknown one, is enabled: embedded peers count */
};

/** Make the fragments of all stale slots anew. */
void page_derive(struct page *p, const struct derive_env *env);

#endif
