/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What management knows about this host: files and processes that its posture checks ask for, and
 * the rest of the metadata. Looked at again and again, and sent when it has changed: a check that
 * held at login need not hold an hour later.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/client/meta.h"
#include "agent/engine/engine_priv.h"
#include "lib/crypto/hash.h"
#include "schema/pb_arena.h"

#define CHECKS_MAX 1024

/* How often: soon where somebody asks for files and processes. */
#define LOOK_CHECKS_MS 20000
#define LOOK_MS        600000

static int by_text(const void *a, const void *b)
{
    return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

bool engine_apply_checks(struct engine *e, Management__Checks **checks, size_t n)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str *list = rk_new_n(mem, struct rk_str, CHECKS_MAX);
    size_t count = 0;
    bool same;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < checks[i]->n_files && count < CHECKS_MAX; j++)
            list[count++] = rk_arena_dup(mem, rk_str_z(checks[i]->files[j]));
    qsort(list, count, sizeof *list, by_text);
    same = count == e->n_checks;
    for (size_t i = 0; same && i < count; i++)
        same = rk_str_eq(list[i], e->checks[i]);
    if (same) {
        rk_arena_free(mem);
        return false;
    }
    rk_arena_free(e->checks_mem);
    e->checks_mem = mem;
    e->checks = list;
    e->n_checks = count;
    return true;
}

static const struct mgmt_client_call_ops META_OPS;

static void digest_of(const Management__PeerSystemMeta *meta, uint8_t out[HASH_SHA256_SIZE])
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str packed = {0};

    RK_IGNORE(pb_pack(mem, &meta->base, &packed, NULL)); /* no ceiling: cannot fail */
    hash_sha256(packed, out);
}

void engine_posture_sent(struct engine *e, const Management__PeerSystemMeta *meta)
{
    digest_of(meta, e->meta_digest);
}

static void meta_done(struct mgmt_client_call_user *u, int status RK_UNUSED,
                      struct rk_str plain RK_UNUSED, const struct rk_err *err)
{
    struct engine *e = rk_container_of(u, struct engine, meta_user);

    e->meta_call = NULL;
    if (!err)
        return;
    memset(e->meta_digest, 0, sizeof e->meta_digest); /* again at the next look */
    rk_log(e->log, RK_WARN, "metadata for posture checks not delivered", KV_ERR(err));
}

static const struct mgmt_client_call_ops META_OPS = {.done = meta_done};

static void look(void *arg)
{
    engine_posture_look(arg);
}

void engine_posture_look(struct engine *e)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    Management__SyncMetaRequest r = MANAGEMENT__SYNC_META_REQUEST__INIT;
    uint8_t digest[HASH_SHA256_SIZE];

    if (e->phase != ENGINE_RUNNING)
        return;
    rk_timer_start(e->o.loop, &e->posture_timer, e->n_checks ? LOOK_CHECKS_MS : LOOK_MS, look, e);
    r.meta = meta_build(mem, e->o.route, e->o.profile, e->checks, e->n_checks);
    digest_of(r.meta, digest);
    if (memcmp(digest, e->meta_digest, sizeof digest) == 0)
        return;
    memcpy(e->meta_digest, digest, sizeof digest);
    mgmt_client_call_cancel(e->meta_call);
    e->meta_user.ops = &META_OPS;
    e->meta_call = mgmt_client_call(e->o.mgc, MGMT_CLIENT_SYNC_META, &r.base, &e->meta_user);
}

void engine_posture_start(struct engine *e)
{
    rk_timer_start(e->o.loop, &e->posture_timer, e->n_checks ? LOOK_CHECKS_MS : LOOK_MS, look, e);
}

void engine_posture_stop(struct engine *e)
{
    rk_timer_cancel(&e->posture_timer);
    mgmt_client_call_cancel(e->meta_call);
    e->meta_call = NULL;
}
