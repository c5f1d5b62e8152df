/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network map as a list of text lines, one per fact, sorted: the form in which the engine's maps
 * and those of the naive builder are compared. Order, which agents ignore, is gone.
 */
#ifndef RK_TESTS_PROPERTY_LINES_H
#define RK_TESTS_PROPERTY_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "schema/gen/management.pb-c.h"

struct lines {
    struct rk_arena *mem;
    char **v;
    size_t n, cap;
};

void lines_add(struct lines *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lines_sort(struct lines *l);
bool lines_eq(const struct lines *a, const struct lines *b);

/** Prints what is in one list only. */
void lines_print_diff(const char *name_a, const struct lines *a, const char *name_b,
                      const struct lines *b);

/** The line of a peer's own configuration. */
void lines_add_config(struct lines *l, const Management__PeerConfig *c);

/** Lines of a decoded map. */
void lines_of_map(struct lines *l, const Management__NetworkMap *m);

#endif
