/* SPDX-License-Identifier: BSD-3-Clause */
/* See refusal.h. */
#include "config.h"

#include "management/export/refusal.h"

#include "lib/base/num.h"

#define TRIES       3  /* of one event alone, before those behind it are looked at */
#define LOOKS       20 /* at those behind it, each time */
#define WAIT_MS     1000
#define WAIT_MAX_MS 60000

static bool is_refusal(enum rk_code rc)
{
    return rc == RK_PRECONDITION;
}

bool refusal_waits(const struct refusal *f, int64_t now_ms)
{
    return f->looks > 0 && now_ms < f->try_at_ms;
}

/* All, or else ever less of the beginning; after a refusal the first one alone. */
static enum rk_code bring_some(const struct refusal *f, struct receiver *to, struct rk_arena *mem,
                               const struct export_line *v, size_t n, size_t *over,
                               struct rk_err *err)
{
    size_t some = f->looks ? 1 : n;
    enum rk_code rc = to->bring(to, mem, v, some, err);

    while (is_refusal(rc) && some > 1) {
        some /= 2;
        rc = to->bring(to, mem, v, some, err);
    }
    *over = rc ? 0 : some;
    return rc;
}

/* One behind the first that is taken: *at. RK_NOT_FOUND: none of those that were looked at. */
static enum rk_code find_taken(struct refusal *f, struct receiver *to, struct rk_arena *mem,
                               const struct export_line *v, size_t n, size_t *at,
                               struct rk_err *err)
{
    if (f->next < 1 || f->next >= n)
        f->next = 1;
    for (int i = 0; i < LOOKS && f->next < n; i++, f->next++) {
        enum rk_code rc = to->bring(to, mem, &v[f->next], 1, err);

        if (is_refusal(rc))
            continue;
        *at = f->next;
        return rc;
    }
    return RK_NOT_FOUND;
}

static void give_up(const struct export_line *l, struct rk_log *log, const struct rk_err *why)
{
    char at[RK_TIME_TEXT];

    rk_log(log, RK_WARN, "an event is refused for good and left out",
           kv_z("kind", l->audit ? "audit" : "traffic"), kv_str("id", l->id),
           kv_str("at", rk_time_format_us(l->at_us, at)), KV_ERR(why));
}

/* Those before `end` once more, one by one: what is refused still is given up. */
static enum rk_code settle(struct receiver *to, struct rk_arena *mem, const struct export_line *v,
                           size_t end, struct rk_log *log, struct refusal_taken *taken,
                           struct rk_err *err)
{
    for (size_t i = 0; i < end; i++) {
        struct rk_err why = {0};
        enum rk_code rc = to->bring(to, mem, &v[i], 1, &why);

        if (rc && !is_refusal(rc))
            return rk_fail(err, rc, "%s", why.msg);
        if (rc) {
            taken->lost++;
            give_up(&v[i], log, &why);
        }
        taken->over = i + 1;
    }
    taken->over = end + 1;
    return RK_OK;
}

enum rk_code refusal_bring(struct refusal *f, struct receiver *to, struct rk_arena *mem,
                           const struct export_line *v, size_t n, struct rk_log *log,
                           struct refusal_taken *taken, struct rk_err *err)
{
    size_t at = 0;
    enum rk_code rc;

    *taken = (struct refusal_taken){0};
    rc = bring_some(f, to, mem, v, n, &taken->over, err);
    if (is_refusal(rc) && f->looks >= TRIES) {
        enum rk_code found = find_taken(f, to, mem, v, n, &at, err);

        if (found == RK_OK)
            rc = settle(to, mem, v, at, log, taken, err);
        else if (found != RK_NOT_FOUND)
            return found;
    }
    if (is_refusal(rc)) {
        f->try_at_ms =
            rk_mono_ms() + rk_min_i64((int64_t)WAIT_MS << rk_min_i64(f->looks, 6), WAIT_MAX_MS);
        f->looks++;
    } else if (taken->over) {
        *f = (struct refusal){0};
    }
    return rc;
}
