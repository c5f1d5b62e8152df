/* SPDX-License-Identifier: BSD-3-Clause */
/* Time in HTTP/2 sessions: pings, idle connections, streams that do not come forward; see h2.h. */
#include "config.h"

#include "lib/base/num.h"
#include "lib/http/h2_stream.h"

static void tick(void *arg);

void h2_watch_arm(struct h2_session *s)
{
    int64_t next = INT64_MAX, now = rk_loop_now_ms(s->loop);
    bool may_ping = s->opts.ping_after_ms && (s->opts.server || s->n_streams);

    if (s->timer_taken)
        return;
    if (s->pinging)
        next = s->ping_sent_ms + s->opts.ping_timeout_ms;
    else if (s->opts.ping_after_ms)
        next = (may_ping ? s->last_rx_ms : now) + s->opts.ping_after_ms;
    if (s->opts.idle_timeout_ms)
        next = rk_min_i64(next, (s->n_streams ? now : s->idle_since_ms) + s->opts.idle_timeout_ms);
    if (s->look_ms)
        next = rk_min_i64(next, s->look_ms);
    if (next != INT64_MAX)
        rk_timer_start(s->loop, &s->timer, rk_max_i64(next - now, 1), tick, s);
}

void h2_watch_look(struct h2_session *s, int64_t in_ms)
{
    int64_t at = rk_loop_now_ms(s->loop) + in_ms;

    if (s->over || (s->look_ms && s->look_ms <= at))
        return;
    s->look_ms = at;
    h2_watch_arm(s);
}

/* What the peer owes is late. */
static void late(struct h2_stream *st)
{
    st->late_ms = 0;
    if (st->reset || !st->user)
        return;
    if (st->user->ops->late)
        st->user->ops->late(st->user, st);
    else
        h2_stream_reset(st, NGHTTP2_CANCEL);
}

/* Bytes wait and hardly any of them leave: the peer does not want them. */
static void look_stalled(struct h2_stream *st, int64_t now, int64_t patience)
{
    if (st->moved >= H2_STALL_BYTES) {
        st->moved = 0;
        st->stall_ms = now;
    } else if (now - st->stall_ms >= patience) {
        h2_stream_reset(st, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

/* The connection itself takes nothing. */
static void look_io(struct h2_session *s, int64_t now, int64_t patience)
{
    size_t taken = s->io_handed - rk_min_size(s->io->ops->queued(s->io), s->io_handed);

    if (taken > s->io_taken || !s->io_stall_ms)
        s->io_stall_ms = now;
    s->io_taken = taken;
    if (now - s->io_stall_ms >= patience)
        h2_session_over(s, RK_TIMEOUT, "the peer takes no data");
}

static void look(struct h2_session *s, int64_t now)
{
    bool hurry = s->user->ops->hurry && s->user->ops->hurry(s->user);
    int64_t patience = s->opts.stall_timeout_ms / (hurry ? 8 : 1), next = INT64_MAX;

    s->look_ms = 0;
    RK_LIST_FOR_EACH_SAFE (node, &s->streams) {
        struct h2_stream *st = rk_container_of(node, struct h2_stream, link);

        if (st->late_ms && now >= st->late_ms)
            late(st);
        else if (st->late_ms)
            next = rk_min_i64(next, st->late_ms);
        if (st->queued && !st->reset && patience) {
            look_stalled(st, now, patience);
            next = rk_min_i64(next, now + H2_TICK_MS);
        }
    }
    if (patience && s->io->ops->queued(s->io)) {
        look_io(s, now, patience);
        next = rk_min_i64(next, now + H2_TICK_MS);
    } else {
        s->io_stall_ms = 0;
    }
    if (next != INT64_MAX && !s->over && !s->look_ms)
        s->look_ms = next;
}

static void tick(void *arg)
{
    struct h2_session *s = arg;
    int64_t now = rk_loop_now_ms(s->loop);
    bool may_ping = s->opts.ping_after_ms && (s->opts.server || s->n_streams);

    if (s->pinging && now - s->ping_sent_ms >= s->opts.ping_timeout_ms) {
        h2_session_over(s, RK_UNAVAILABLE, "no answer to ping");
        return;
    }
    if (s->look_ms && now >= s->look_ms)
        look(s, now);
    if (s->over)
        return;
    if (!s->pinging && may_ping && now - s->last_rx_ms >= s->opts.ping_after_ms) {
        s->pinging = true;
        s->ping_sent_ms = now;
        (void)nghttp2_submit_ping(s->ng, NGHTTP2_FLAG_NONE, NULL);
        h2_session_kick(s);
    }
    if (s->opts.idle_timeout_ms && !s->n_streams &&
        now - s->idle_since_ms >= s->opts.idle_timeout_ms) {
        h2_session_shutdown(s);
        return;
    }
    h2_watch_arm(s);
}
