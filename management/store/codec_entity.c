/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole entities from their journal form: the way back from store_json(), see store.h. */
#include "config.h"

#include "lib/crypto/vault.h"
#include "management/store/codec.h"
#include "management/store/store.h"

struct reading {
    struct store *s;
    const struct codec *k;
    struct rk_str id;
    void *out;
    size_t n; /* columns that were found */
};

/* The column of that name; the first guess is the one behind the last, for we wrote them in order.
 */
static const struct col *col_find(const struct codec *k, struct rk_str name, size_t *table,
                                  size_t *next)
{
    for (int round = 0; round < 2; round++) {
        for (size_t t = *table, i = *next; t < k->n_tables; t++, i = 0)
            for (; i < k->tables[t].n_cols; i++)
                if (rk_str_eqz(name, k->tables[t].cols[i].name)) {
                    *table = t;
                    *next = i + 1;
                    return &k->tables[t].cols[i];
                }
        *table = *next = 0;
    }
    return NULL;
}

/* Child rows name their owner; their JSON, which stands inside of it, does not. */
static void owner_set(const struct col *c, void *base, struct rk_str id)
{
    char *items = AT(base, c->off, char *);
    size_t n = AT(base, c->off_n, size_t);

    for (size_t i = 0; c->off_owner && i < n; i++)
        AT(items + i * c->elem, c->off_owner, struct rk_str) = id;
}

static enum rk_code col_read(struct reading *rd, struct json_pull *r, const struct col *c,
                             const char *table, struct rk_err *err)
{
    struct rk_str context;

    rd->n++;
    if (!codec_json_read(r, rd->out, c))
        return RK_OK; /* the reader keeps the fault */
    if (c->type == C_CHILDREN)
        owner_set(c, rd->out, rd->id);
    if (c->type != C_SEALED || AT(rd->out, c->off, struct rk_str).n == 0)
        return RK_OK;
    context = codec_seal_context(rd->s->mem, table, c->name, rd->id);
    return vault_open(rd->s->vault, rd->s->mem, context, AT(rd->out, c->off, struct rk_str),
                      &AT(rd->out, c->off, struct rk_str), err);
}

static enum rk_code cols_read(struct reading *rd, struct rk_str json, struct rk_err *err)
{
    struct json_pull r = json_pull_of(json, rd->s->mem);
    size_t table = 0, next = 0;
    enum rk_code rc = RK_OK;
    struct rk_str key;

    r.stored = true;
    json_pull_enter(&r, '{');
    while (rc == RK_OK && json_pull_key(&r, &key)) {
        const struct col *c = col_find(rd->k, key, &table, &next);

        if (c)
            rc = col_read(rd, &r, c, rd->k->tables[table].name, err);
        else
            json_pull_skip(&r); /* the id, or a column that only a newer program knows */
    }
    if (rc == RK_OK && !json_pull_done(&r))
        rc = rk_fail(err, RK_INTERNAL, "journal: %s of %.*s cannot be read",
                     entity_kind_text(rd->k->kind), RK_STR_ARG(rd->id));
    return rc;
}

bool store_same_sealed(const struct vault *v, enum entity_kind kind, struct rk_str id,
                       struct rk_str column, struct rk_str a, struct rk_str b)
{
    struct rk_arena *mem = rk_arena_new_wiping(2 * VAULT_PLAIN_MAX + 64 * 1024);
    const struct codec *k = codec_of(kind);
    size_t table = 0, next = 0;
    const struct col *c = k ? col_find(k, column, &table, &next) : NULL;
    struct rk_str context, plain[2];
    bool same = false;

    if (c && c->type == C_SEALED && v) {
        context = codec_seal_context(mem, k->tables[table].name, c->name, id);
        same = !vault_open(v, mem, context, a, &plain[0], NULL) &&
               !vault_open(v, mem, context, b, &plain[1], NULL) && rk_str_eq(plain[0], plain[1]);
    }
    rk_arena_free(mem);
    return same;
}

enum rk_code store_from_json(struct store *s, struct rk_str account_id, enum entity_kind kind,
                             struct rk_str id, struct rk_str json, const void *before,
                             const void **out, struct rk_err *err)
{
    const struct codec *k = codec_of(kind);
    struct reading rd = {.s = s, .k = k, .id = id, .out = rk_arena_alloc(s->mem, k->size)};
    size_t n_cols = 0;
    enum rk_code rc;

    memset(rd.out, 0, k->size);
    for (size_t t = 0; t < k->n_tables; t++)
        n_cols += k->tables[t].n_cols;
    rc = cols_read(&rd, json, err);
    if (rc == RK_OK && rd.n != n_cols)
        rc = rk_fail(err, RK_PRECONDITION, "journal: %s of %.*s was written by another version",
                     entity_kind_text(kind), RK_STR_ARG(id));
    if (rc)
        return rc;
    if (k->off_id != CODEC_NO_FIELD)
        AT(rd.out, k->off_id, struct rk_str) = id;
    store_set_account(kind, rd.out, account_id);
    if (kind == ENT_PEER && before) { /* presence goes its own way */
        struct peer_status *to = &((struct peer *)rd.out)->status;
        const struct peer_status *from = &((const struct peer *)before)->status;

        to->connected = from->connected;
        to->last_seen_us = from->last_seen_us;
        to->session_token = from->session_token;
    }
    *out = rd.out;
    return RK_OK;
}
