/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz the reader of network files: what it accepts is printed and read again as the same tree, and
 * goes through the schema and into objects. */
#include "config.h"

#include <stdlib.h>

#include "lib/base/arena.h"
#include "management/wanted/set.h"
#include "tests/fuzz/fuzz.h"

static void again(struct rk_arena *mem, const struct want_node *tree)
{
    struct want_node *same = NULL;
    struct rk_buf text;

    rk_buf_init(&text, (size_t)64 << 20);
    want_print(tree, &text);
    if (!text.full && text.n <= WANT_MAX_BYTES &&
        (want_parse(mem, rk_buf_str(&text), &same, NULL) || !want_eq(tree, same)))
        abort();
    rk_buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct want_node *tree = NULL;
    struct want_set *set;
    struct rk_err err;

    if (want_parse(mem, rk_str_of((const char *)data, size), &tree, &err) || !tree ||
        tree->type != WANT_MAP || want_schema_check(want_schema_new(mem), mem, tree, &err))
        return 0;
    again(mem, tree);
    RK_IGNORE(want_file(mem, want_copy(mem, tree), &set, &err));
    return 0;
}
