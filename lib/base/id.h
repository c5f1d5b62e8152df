/* SPDX-License-Identifier: BSD-3-Clause */
/* Identifiers: xid (20 characters, time-ordered, as the official server makes them) and UUIDv4. */
#ifndef RK_BASE_ID_H
#define RK_BASE_ID_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

#define RK_XID_LEN  20
#define RK_UUID_LEN 36

/** New xid: 4 bytes time, 3 machine, 2 process, 3 counter, in lower-case base32hex. Any thread. */
void rk_xid(char out[RK_XID_LEN + 1]);
struct rk_str rk_xid_new(struct rk_arena *a);

/** Random UUID (version 4) in lower case. Any thread. */
void rk_uuid(char out[RK_UUID_LEN + 1]);
struct rk_str rk_uuid_new(struct rk_arena *a);

#endif
