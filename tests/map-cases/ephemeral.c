/* SPDX-License-Identifier: BSD-3-Clause */
/* Cases of the clean-up of ephemeral peers, by the real chore on a SQLite store with a clock of
 * ours. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/crypto/vault.h"
#include "management/engine/presence.h"
#include "management/ops/peer_ephemeral.h"
#include "management/snapshot/snapshot.h"
#include "tests/map-cases/suite.h"

#define START_US ((int64_t)1767268800 * 1000000)
#define LOOK_S   (EPHEMERAL_EVERY_MS / 1000)
#define END_S    3600

static _Atomic int64_t clock_us;

static int64_t now_us(void)
{
    return clock_us;
}

struct world {
    char dir[64];
    char url[128];
    struct vault *vault;
    struct mgmt *m;
    struct db *db;
};

static const struct rk_str PEER = {"peer-1", 6};

/* An account with one ephemeral peer that has just been registered. */
static bool world_open(struct world *w, struct rk_arena *mem, struct rk_err *err)
{
    struct actor sys = {.id = {"sys", 3}};
    struct account_data d = {.account = {.id = RK_STR("acc-1")}};
    struct peer *p = rk_new(mem, struct peer);
    struct mgmt_opts o = {.now_us = now_us};
    struct rk_key key;

    *w = (struct world){.dir = "/tmp/rookery-cases.XXXXXX"};
    if (!mkdtemp(w->dir))
        return false;
    (void)snprintf(w->url, sizeof w->url, "sqlite:%s/store.db", w->dir);
    *p = (struct peer){.id = PEER,
                       .account_id = d.account.id,
                       .key = RK_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                       .ip = rk_ip4(100, 64, 0, 1),
                       .name = PEER,
                       .dns_label = PEER,
                       .ephemeral = true,
                       .status = {.last_seen_us = START_US}};
    d.peers = p;
    d.n_peers = 1;
    settings_default(&d.settings);
    w->vault = vault_new();
    rk_key_generate(&key);
    o.vault = w->vault;
    o.store_url = w->url;
    return vault_add_key(w->vault, &key, err) == RK_OK && mgmt_open(&w->m, &o, err) == RK_OK &&
           mgmt_db_open(w->m, &w->db, err) == RK_OK &&
           mgmt_account_insert(w->m, &sys, &d, err) == RK_OK;
}

static void world_close(struct world *w)
{
    static const char *const FILES[] = {"store.db", "store.db-wal", "store.db-shm",
                                        "store.db.lock"};
    char path[128];

    db_close(w->db);
    mgmt_close(w->m);
    vault_free(w->vault);
    for (size_t i = 0; i < RK_ARRAY_LEN(FILES); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, FILES[i]);
        (void)unlink(path);
    }
    (void)rmdir(w->dir);
}

static bool is_there(struct world *w)
{
    const struct snapshot *s = NULL;
    struct rk_err err;
    bool there = mgmt_snapshot(w->m, RK_STR("acc-1"), &s, &err) == RK_OK && snap_peer(s, PEER);

    snap_unref(s);
    return there;
}

static bool event_at(struct world *w, const json_t *events, int64_t t)
{
    bool ok = true;

    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        struct rk_str what = tj_str(json_object_get(e, "event"));

        if (json_integer_value(json_object_get(e, "t_s")) != t)
            continue;
        if (rk_str_eqz(what, "connected"))
            ok &= presence_connect(w->m, PEER, t + 1);
        else if (rk_str_eqz(what, "disconnected")) /* of the connect before it */
            ok &= presence_disconnect(
                w->m, PEER,
                json_integer_value(json_object_get(json_array_get(events, i - 1), "t_s")) + 1);
    }
    return ok;
}

/* Second in which the peer goes, -1 for never, -2 on an error; the first look is at phase_s. */
static int64_t deleted_at(const json_t *events, int64_t phase_s)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_err err = {0};
    struct world w;
    int64_t gone = -1;
    bool ok;

    clock_us = START_US;
    ok = world_open(&w, mem, &err);
    for (int64_t t = 0; ok && gone < 0 && t < END_S; t++) {
        clock_us = START_US + t * 1000000;
        ok = event_at(&w, events, t);
        if (t % LOOK_S != phase_s % LOOK_S)
            continue;
        ok = ok && presence_flush(w.m, &err) == RK_OK &&
             ephemeral_clean(w.m, w.db, EPHEMERAL_LIFETIME_US, &err) == RK_OK;
        if (ok && !is_there(&w))
            gone = t;
    }
    if (!ok)
        printf("  %s\n", err.msg);
    world_close(&w);
    rk_arena_free(mem);
    return ok ? gone : -2;
}

bool judge_ephemeral(const json_t *one)
{
    const json_t *events = json_object_get(one, "events");
    const json_t *range = json_object_get(json_object_get(one, "expect"), "deleted_at_s");
    bool ok = true;

    for (int64_t phase = 0; phase < LOOK_S; phase += 29) {
        int64_t t = deleted_at(events, phase);

        if (json_is_null(range) ? t == -1
                                : t >= json_integer_value(json_array_get(range, 0)) &&
                                      t <= json_integer_value(json_array_get(range, 1)))
            continue;
        printf("  deleted at %d s\n", (int)t);
        ok = false;
    }
    return ok;
}
