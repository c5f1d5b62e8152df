/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is registered at the signal service: key text → stream. Shared by all loops, in shards with a
 * lock each. The newest registration of a key wins. Any thread.
 */
#ifndef RK_SIGNAL_REGISTRY_H
#define RK_SIGNAL_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct sig_registry;
struct sig_stream;

struct sig_registry *sig_registry_new(void);
void sig_registry_free(struct sig_registry *r); /* empty by then; accepts NULL */

/** Enter a stream under its key, with a reference; returns the one it replaces, with that one's
 *  reference, or NULL. */
struct sig_stream *sig_registry_add(struct sig_registry *r, struct sig_stream *s);

/** Take a stream out (and drop the reference) if it is still the one with its key. */
bool sig_registry_remove(struct sig_registry *r, struct sig_stream *s);

/** The stream of a key with a reference, or NULL. */
struct sig_stream *sig_registry_find(struct sig_registry *r, struct rk_str key);

/** Registrations. */
size_t sig_registry_size(const struct sig_registry *r);

#endif
