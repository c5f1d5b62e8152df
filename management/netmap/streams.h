/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying the encoded fragments of a set of peers: whole pages and runs at once. */
#ifndef MGMT_NETMAP_STREAMS_H
#define MGMT_NETMAP_STREAMS_H

#include "lib/base/buf.h"
#include "management/snapshot/state.h"

/** Bytes that the fragments of the peers take. */
size_t streams_size(const struct snapshot *s, enum stream_kind k, const struct bits *peers);

/** Append the fragments of the peers in index order. */
void streams_put(const struct snapshot *s, enum stream_kind k, const struct bits *peers,
                 struct rk_buf *out);

#endif
