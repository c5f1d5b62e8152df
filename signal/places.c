/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has how many places; see places.h. */
#include "config.h"

#include "signal/places.h"

#include <stdlib.h>

struct sig_conn {
    struct rk_list link; /* sig_places.conns */
    struct rk_list places;
    size_t n;
    const void *id;
};

/* The pointer itself is the key. */
static struct rk_str key_of(const void *const *id)
{
    return rk_str_of(id, sizeof *id);
}

static struct sig_conn *find(const struct sig_places *p, const void *id)
{
    return rk_map_get(&p->by_id, key_of(&id));
}

void sig_places_init(struct sig_places *p)
{
    rk_list_init(&p->conns);
    rk_map_init(&p->by_id, true);
}

void sig_places_done(struct sig_places *p)
{
    rk_map_done(&p->by_id);
}

void sig_places_enter(struct sig_places *p, const void *id, struct sig_place *place)
{
    struct sig_conn *c = find(p, id);

    if (!c) {
        c = rk_calloc(1, sizeof *c);
        c->id = id;
        rk_list_init(&c->places);
        rk_list_push_back(&p->conns, &c->link);
        (void)rk_map_put(&p->by_id, key_of(&c->id), c);
    }
    c->n++;
    place->conn = c;
    rk_list_push_back(&c->places, &place->link);
}

void sig_places_leave(struct sig_places *p, struct sig_place *place)
{
    struct sig_conn *c = place->conn;

    if (!c)
        return;
    place->conn = NULL;
    rk_list_remove(&place->link);
    if (--c->n)
        return;
    (void)rk_map_del(&p->by_id, key_of(&c->id));
    rk_list_remove(&c->link);
    free(c);
}

size_t sig_places_of(const struct sig_places *p, const void *id)
{
    const struct sig_conn *c = find(p, id);

    return c ? c->n : 0;
}

struct sig_place *sig_places_victim(const struct sig_places *p, const void *id)
{
    const struct sig_conn *most = NULL;

    RK_LIST_FOR_EACH (node, &p->conns) {
        const struct sig_conn *c = rk_container_of(node, struct sig_conn, link);

        if (!most || c->n > most->n)
            most = c;
    }
    if (!most || most->n <= sig_places_of(p, id) + 2)
        return NULL;
    return rk_container_of(most->places.next, struct sig_place, link);
}
