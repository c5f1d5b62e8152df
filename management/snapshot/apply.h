/* SPDX-License-Identifier: BSD-3-Clause */
/* Building blocks of snapshots that apply.c makes and snapshot.c frees and reads. */
#ifndef MGMT_NETMAP_APPLY_H
#define MGMT_NETMAP_APPLY_H

#include "management/snapshot/state.h"

struct hash_item { /* entry of the indexes by key, label and address */
    uint64_t hash;
    uint32_t peer;
};

void grp_list_unref(struct grp_list *l); /* accepts NULL */
void failing_unref(struct failing *f);   /* accepts NULL */
void dns_name_unref(struct dns_name *d); /* accepts NULL */

#endif
