/* SPDX-License-Identifier: BSD-3-Clause */
/* Open-addressing hash table with linear probing; see map.h. */
#include "config.h"

#include "lib/base/map.h"

#include <stdlib.h>

#define EMPTY   0u
#define DELETED 1u
#define LIVE    (UINT64_C(1) << 63)

void rk_map_init(struct rk_map *m, bool borrowed_keys)
{
    *m = (struct rk_map){.borrowed_keys = borrowed_keys};
}

static void key_free(const struct rk_map *m, struct rk_map_slot *s)
{
    if (!m->borrowed_keys) {
        void *p;

        memcpy(&p, &s->key.p, sizeof p); /* our own copy: constness is for the readers */
        free(p);
    }
}

void rk_map_done(struct rk_map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].hash & LIVE)
            key_free(m, &m->slots[i]);
    free(m->slots);
    rk_map_init(m, m->borrowed_keys);
}

static uint64_t hash_of(struct rk_str key)
{
    return rk_str_hash(key) | LIVE;
}

static struct rk_map_slot *find(const struct rk_map *m, struct rk_str key, uint64_t hash)
{
    size_t mask = m->cap - 1;

    if (!m->cap)
        return NULL;
    for (size_t i = (size_t)hash & mask; m->slots[i].hash != EMPTY; i = (i + 1) & mask)
        if (m->slots[i].hash == hash && rk_str_eq(m->slots[i].key, key))
            return &m->slots[i];
    return NULL;
}

/* Make room so that one more entry leaves a third of the slots empty. */
static void reserve(struct rk_map *m)
{
    struct rk_map_slot *old = m->slots;
    size_t old_cap = m->cap, cap = 16;

    if (old_cap && (m->used + 1) * 3 <= old_cap * 2)
        return;
    while ((m->n + 1) * 2 > cap)
        cap *= 2;
    m->slots = rk_calloc(cap, sizeof *m->slots);
    m->cap = cap;
    m->used = m->n;
    for (size_t j = 0; j < old_cap; j++) {
        size_t i = (size_t)old[j].hash & (cap - 1);

        if (!(old[j].hash & LIVE))
            continue;
        while (m->slots[i].hash != EMPTY)
            i = (i + 1) & (cap - 1);
        m->slots[i] = old[j];
    }
    free(old);
}

void *rk_map_get(const struct rk_map *m, struct rk_str key)
{
    struct rk_map_slot *s = m->n ? find(m, key, hash_of(key)) : NULL;

    return s ? s->value : NULL;
}

void *rk_map_put(struct rk_map *m, struct rk_str key, void *value)
{
    uint64_t hash = hash_of(key);
    struct rk_map_slot *s = find(m, key, hash);
    size_t i;

    if (s) {
        void *was = s->value;

        s->value = value;
        if (m->borrowed_keys)
            s->key = key;
        return was;
    }
    reserve(m);
    for (i = (size_t)hash & (m->cap - 1); m->slots[i].hash & LIVE; i = (i + 1) & (m->cap - 1))
        ;
    m->used += m->slots[i].hash == EMPTY;
    if (!m->borrowed_keys)
        key.p = rk_str_dupz(key);
    m->slots[i] = (struct rk_map_slot){hash, key, value};
    m->n++;
    return NULL;
}

void *rk_map_del(struct rk_map *m, struct rk_str key)
{
    struct rk_map_slot *s = m->n ? find(m, key, hash_of(key)) : NULL;
    void *value;

    if (!s)
        return NULL;
    value = s->value;
    key_free(m, s);
    *s = (struct rk_map_slot){.hash = DELETED};
    m->n--;
    return value;
}

bool rk_map_next(const struct rk_map *m, size_t *pos, struct rk_str *key, void **value)
{
    for (; *pos < m->cap; ++*pos) {
        const struct rk_map_slot *s = &m->slots[*pos];

        if (s->hash & LIVE) {
            if (key)
                *key = s->key;
            if (value)
                *value = s->value;
            ++*pos;
            return true;
        }
    }
    return false;
}
