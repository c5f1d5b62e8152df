/* SPDX-License-Identifier: BSD-3-Clause */
/* What an agent says about its host, from the wire to the domain. Any thread. */
#ifndef MGMT_RPC_META_H
#define MGMT_RPC_META_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "management/domain/peer.h"
#include "schema/gen/management.pb-c.h"

/* Limits of one record. Real agents stay far below: they are there so that one cannot make every
 * other one's maps, and our memory, large. */
#define META_TEXT_MAX        1024 /* bytes of one text */
#define META_ADDRESSES_MAX   1024 /* interface addresses that are kept; a host of many containers */
#define META_FILES_MAX       4096 /* reported files that are kept */
#define META_ADDRESSES_BYTES 65536 /* of them together; those behind are not kept */
#define META_FILES_BYTES     32768 /* bytes of their paths together; those behind are not kept */

/**
 * NULL m gives a record without anything in it (agents before 0.28.0), which means "not sent".
 * Addresses that are no prefixes and flags 11 to 15, which no agent sends, are dropped.
 * Errors: RK_INVALID for a text beyond META_TEXT_MAX. arena; texts are borrowed from m.
 */
enum rk_code rpc_meta(struct rk_arena *mem, const Management__PeerSystemMeta *m,
                      struct peer_meta *out, struct rk_err *err) RK_MUST;

#endif
