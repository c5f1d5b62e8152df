/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a mutation did to one account, as a list of changed entities: made by the engine while the
 * transaction runs, read by snap_apply() and netmap_affected() after its commit.
 */
#ifndef MGMT_DOMAIN_CHANGE_H
#define MGMT_DOMAIN_CHANGE_H

#include "management/domain/types.h"

/* Borrowed: before and after point at the struct that enum entity_kind names, and live at least
 * until the reader returns (readers copy). One entity may appear several times; order counts. */
struct change {
    enum entity_kind kind;
    struct rk_str id;   /* ENT_GROUP_PEER: the group's id */
    const void *before; /* NULL: created. The engine may leave it NULL for an update too. */
    const void *after;  /* NULL: deleted (for ENT_GROUP_PEER `before` then says which member) */
};

#endif
