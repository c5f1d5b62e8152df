/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus between the signal services of several processes: see bus.h. */
#include "config.h"

#include "server/bus.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/enc.h"
#include "lib/base/id.h"
#include "lib/base/list.h"
#include "lib/base/num.h"
#include "management/engine/cluster.h"
#include "management/store/db.h"
#include "server/bus_frame.h"
#include "signal/app.h"

/* Bytes that wait for the sender: a database that stands for a second under full load. */
#define QUEUE_MAX ((size_t)32 << 20)
/* Payloads of one statement, and processes that one statement tells. */
#define PAYLOADS_MAX 16
#define OTHERS_MAX   15
#define LOOK_MS      500 /* who else lives, while nothing is sent */
#define RETRY_MS     500
#define LOG_EVERY_MS 60000
/* A parcel is fetched at once, or its message is worth nothing any more. */
#define PARCEL_KEEP_US ((int64_t)60 * 1000000)

/* Every payload to every channel; empty ones are not sent. Nothing of it is worth a wait for the
 * disk. */
static const char SQL_NOTIFY[] =
    "SELECT count(pg_notify(c, p)), set_config('synchronous_commit', 'off', false) FROM (VALUES "
    "($1::text), ($2), ($3), ($4), ($5), ($6), ($7), "
    "($8), ($9), ($10), ($11), ($12), ($13), ($14), ($15)) AS channels (c), (VALUES ($16::text), "
    "($17), ($18), ($19), ($20), ($21), ($22), ($23), ($24), ($25), ($26), ($27), ($28), ($29), "
    "($30), ($31)) AS payloads (p) WHERE c <> '' AND p <> ''";
static const char SQL_PARCEL_ADD[] = "INSERT INTO signal_parcel (id, at, body) VALUES ($1, $2, $3)";
static const char SQL_PARCEL_GET[] = "SELECT body FROM signal_parcel WHERE id = $1";
static const char SQL_PARCEL_OLD[] = "DELETE FROM signal_parcel WHERE at < $1";

struct item { /* in the queue */
    struct rk_list link;
    enum bus_kind kind;
    size_t n;
    char bytes[];
};

struct bus {
    struct sig_bus sig;
    struct mgmt *m;
    struct sig_app *app;
    struct rk_log *log;
    pthread_t sender, receiver;
    bool runs;
    int wake_fd;           /* eventfd: stop, for the receiver */
    pthread_mutex_t lock;  /* guards the next four */
    pthread_cond_t filled; /* monotonic clock */
    struct rk_list queue;
    size_t queued;
    bool stop;
    _Atomic bool alone; /* nobody else lives */
    /* sender */
    struct db *out;
    uint64_t number;
    int64_t swept_ms;
    struct rk_log_gate out_gate, in_gate;
    struct rk_metric *sent, *received, *delivered, *dropped, *notifications, *waiting;
};

static struct bus *bus_from(struct sig_bus *s)
{
    return rk_container_of(s, struct bus, sig);
}

/* ---- loop threads */

static bool queue_put(struct bus *b, enum bus_kind kind, struct rk_str head, struct rk_str body)
{
    struct item *it = rk_malloc(sizeof *it + head.n + body.n);
    bool fits;

    it->kind = kind;
    it->n = head.n + body.n;
    memcpy(it->bytes, head.p, head.n);
    memcpy(it->bytes + head.n, body.p, body.n);
    (void)pthread_mutex_lock(&b->lock);
    fits = !b->stop && b->queued + it->n <= QUEUE_MAX;
    if (fits) {
        rk_list_push_back(&b->queue, &it->link);
        b->queued += it->n;
        (void)pthread_cond_signal(&b->filled);
    }
    rk_metric_set(b->waiting, (int64_t)b->queued);
    (void)pthread_mutex_unlock(&b->lock);
    if (!fits) {
        rk_metric_add(b->dropped, 1);
        free(it);
    }
    return fits;
}

static bool on_send(struct sig_bus *s, struct rk_str body)
{
    struct bus *b = bus_from(s);

    return !atomic_load(&b->alone) && queue_put(b, BUS_MESSAGE, RK_STR(""), body);
}

static void on_registered(struct sig_bus *s, struct rk_str key, int64_t number)
{
    struct bus *b = bus_from(s);
    char head[8];

    if (atomic_load(&b->alone))
        return;
    for (unsigned i = 0; i < sizeof head; i++)
        head[i] = (char)((uint64_t)number >> (56 - 8 * i));
    (void)queue_put(b, BUS_REGISTERED, rk_str_of(head, sizeof head), key);
}

static int64_t on_number(struct sig_bus *s)
{
    return cluster_session(bus_from(s)->m);
}

static const struct sig_bus_ops OPS = {on_send, on_registered, on_number};

/* ---- sender */

struct shipment { /* of one statement; texts in the arena */
    struct rk_arena *mem;
    struct rk_buf raw;
    struct db_val args[OTHERS_MAX + PAYLOADS_MAX];
    size_t n_others, n_payloads;
    size_t n; /* messages */
};

static void others_find(struct bus *b, struct shipment *s)
{
    struct cluster_nodes nodes = cluster_list(b->m, s->mem);

    for (size_t i = 0; i < RK_ARRAY_LEN(s->args); i++)
        s->args[i] = db_textz("");
    for (size_t i = 0; i < nodes.n && s->n_others < OTHERS_MAX; i++) {
        char *channel;

        if (nodes.v[i].self)
            continue;
        channel = rk_arena_alloc(s->mem, CLUSTER_CHANNEL_TEXT);
        cluster_channel(nodes.v[i].id, channel);
        s->args[s->n_others++] = db_textz(channel);
    }
    atomic_store(&b->alone, s->n_others == 0);
}

static void payload_end(struct bus *b, struct shipment *s)
{
    if (s->raw.n > BUS_HEAD)
        s->args[OTHERS_MAX + s->n_payloads++] =
            db_text(rk_base64_encode(s->mem, rk_buf_str(&s->raw)));
    rk_buf_clear(&s->raw);
    bus_payload_begin(&s->raw, ++b->number);
}

/* Put what is too large for a payload into the table, and its id into the frame. */
static enum rk_code parcel_make(struct bus *b, struct shipment *s, struct rk_str *body,
                                struct rk_err *err)
{
    char *id = rk_arena_alloc(s->mem, RK_XID_LEN + 1);
    enum rk_code rc;

    rk_xid(id);
    rc = db_exec(b->out, err, NULL, SQL_PARCEL_ADD,
                 DB_ARGS(db_textz(id), db_i64(rk_unix_us()), db_blob(*body)));
    *body = rk_str_z(id);
    return rc;
}

/* false: the shipment is full, the item waits for the next one. */
static bool item_pack(struct bus *b, struct shipment *s, struct item *it, struct rk_err *err)
{
    struct rk_str body = rk_str_of(it->bytes, it->n);
    enum bus_kind kind = it->kind;

    if (body.n > BUS_FRAME_MAX) {
        if (s->n_payloads + 1 == PAYLOADS_MAX)
            return false;
        kind = BUS_PARCEL;
        if (parcel_make(b, s, &body, err))
            return true; /* lost, and said by the caller */
    }
    if (!bus_payload_add(&s->raw, kind, body)) {
        if (s->n_payloads + 1 == PAYLOADS_MAX)
            return false;
        payload_end(b, s);
        (void)bus_payload_add(&s->raw, kind, body); /* an empty one takes it */
    }
    s->n++;
    return true;
}

static enum rk_code parcels_sweep(struct bus *b, struct rk_err *err)
{
    if (rk_mono_ms() - b->swept_ms < PARCEL_KEEP_US / 1000)
        return RK_OK;
    b->swept_ms = rk_mono_ms();
    return db_exec(b->out, err, NULL, SQL_PARCEL_OLD,
                   DB_ARGS(db_i64(rk_unix_us() - PARCEL_KEEP_US)));
}

static enum rk_code ship(struct bus *b, struct shipment *s, struct rk_err *err)
{
    int64_t told = 0;
    enum rk_code rc = db_get_i64(b->out, &told, err, SQL_NOTIFY, s->args, RK_ARRAY_LEN(s->args));

    if (rc == RK_OK) {
        rk_metric_add(b->sent, (int64_t)s->n);
        rk_metric_add(b->notifications, told);
        rc = parcels_sweep(b, err);
    }
    return rc;
}

static void complain(struct bus *b, struct rk_log_gate *gate, const char *what,
                     const struct rk_err *err)
{
    rk_log_every(gate, LOG_EVERY_MS, b->log, rk_log_failure_level(b->log, err), what, KV_ERR(err));
}

/* Everything of the list, in as many statements as it takes. */
static void list_send(struct bus *b, struct rk_list *list)
{
    while (!rk_list_empty(list)) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
        struct shipment s = {.mem = mem};
        struct rk_err err = {0};

        rk_buf_init(&s.raw, BUS_RAW_MAX);
        others_find(b, &s);
        payload_end(b, &s);
        while (!rk_list_empty(list)) {
            struct item *it = rk_container_of(list->next, struct item, link);

            if (!item_pack(b, &s, it, &err))
                break;
            rk_list_remove(&it->link);
            free(it);
        }
        payload_end(b, &s);
        rk_buf_done(&s.raw);
        if (s.n_others && s.n_payloads && !err.code)
            (void)ship(b, &s, &err);
        if (err.code) {
            rk_metric_add(b->dropped, (int64_t)s.n);
            complain(b, &b->out_gate, "signal messages were not sent to other processes", &err);
        }
    }
}

static void until_ms(struct timespec *ts, int64_t in_ms)
{
    (void)clock_gettime(CLOCK_MONOTONIC, ts);
    ts->tv_sec += (time_t)(in_ms / 1000);
    ts->tv_nsec += (long)(in_ms % 1000) * 1000000;
    if (ts->tv_nsec >= 1000000000) {
        ts->tv_sec++;
        ts->tv_nsec -= 1000000000;
    }
}

/* What waits, at the latest after LOOK_MS (perhaps nothing). false: the end. */
static bool queue_take(struct bus *b, struct rk_list *out)
{
    struct timespec end;
    bool go;

    until_ms(&end, LOOK_MS);
    (void)pthread_mutex_lock(&b->lock);
    while (rk_list_empty(&b->queue) && !b->stop)
        if (pthread_cond_timedwait(&b->filled, &b->lock, &end))
            break;
    rk_list_splice(out, &b->queue);
    b->queued = 0;
    go = !b->stop;
    (void)pthread_mutex_unlock(&b->lock);
    rk_metric_set(b->waiting, 0);
    return go;
}

static void *sender_main(void *arg)
{
    struct bus *b = arg;
    struct rk_list list;

    rk_list_init(&list);
    while (queue_take(b, &list)) {
        if (rk_list_empty(&list)) {
            RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
            struct shipment s = {.mem = mem};

            others_find(b, &s);
        }
        list_send(b, &list);
    }
    for (struct rk_list *it; (it = rk_list_pop_front(&list)) != NULL;)
        free(rk_container_of(it, struct item, link));
    return NULL;
}

/* ---- receiver */

static void message_take(struct bus *b, struct rk_str body)
{
    rk_metric_add(b->received, 1);
    if (sig_app_deliver(b->app, body))
        rk_metric_add(b->delivered, 1);
}

static enum rk_code parcel_take(struct bus *b, struct db *db, struct rk_arena *mem,
                                struct rk_str id, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_PARCEL_GET, DB_ARGS(db_text(id)));

    if (rc == RK_OK && db_next(rows))
        message_take(b, db_col_blob(rows, 0, mem));
    return rc ? rc : db_end(rows, err);
}

static enum rk_code payload_take(struct bus *b, struct db *db, struct rk_arena *mem,
                                 struct rk_str text, struct rk_err *err)
{
    struct bus_frame f;
    struct rk_rd rd, head;
    enum rk_code rc = bus_payload_open(mem, text, &rd, err);

    while (rc == RK_OK && bus_payload_next(&rd, &f))
        switch (f.kind) {
        case BUS_MESSAGE:
            message_take(b, f.body);
            break;
        case BUS_REGISTERED:
            head = rk_rd_of(f.body);
            if (f.body.n > 8) {
                int64_t number = (int64_t)rk_rd_u64(&head);

                sig_app_elsewhere(b->app, rk_rd_rest(&head), number);
            }
            break;
        case BUS_PARCEL:
            rc = parcel_take(b, db, mem, f.body, err);
            break;
        }
    return rc;
}

static bool stopping(const struct bus *b, int wait_ms)
{
    struct pollfd p = {.fd = b->wake_fd, .events = POLLIN};

    return poll(&p, 1, wait_ms) > 0;
}

static enum rk_code listen_some(struct bus *b, struct db *db, struct rk_err *err)
{
    enum rk_code rc = RK_OK;
    bool got = true;

    while (rc == RK_OK && got) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
        struct rk_str text = {0};
        struct rk_err bad = {0};

        rc = db_wait_notify(db, 1000, b->wake_fd, mem, &got, &text, err);
        if (rc == RK_OK && got && payload_take(b, db, mem, text, &bad))
            complain(b, &b->in_gate, "a message of another process was not read", &bad);
    }
    return rc;
}

static void *receiver_main(void *arg)
{
    struct bus *b = arg;
    char channel[CLUSTER_CHANNEL_TEXT];
    struct db *db = NULL;
    bool listening = false;

    cluster_channel(rk_str_z(cluster_self(b->m)), channel);
    while (!stopping(b, 0)) {
        struct rk_err err = {0};
        enum rk_code rc = db ? RK_OK : mgmt_db_open(b->m, &db, &err);

        if (rc == RK_OK && !listening)
            rc = db_listen(db, channel, &err);
        listening = rc == RK_OK;
        if (rc == RK_OK)
            rc = listen_some(b, db, &err);
        if (rc == RK_OK)
            continue;
        listening = false;
        complain(b, &b->in_gate, "messages of other processes are not heard", &err);
        (void)stopping(b, RETRY_MS);
    }
    db_close(db);
    return NULL;
}

/* ---- life */

static void metrics_init(struct bus *b, struct rk_metrics *m)
{
    static const char help[] = "Signal messages between processes.";
    const char *name = "signal_bus_messages_total";

    b->sent = rk_metric_counter(m, name, "type=\"sent\"", help);
    b->received = rk_metric_counter(m, name, "type=\"received\"", help);
    b->delivered = rk_metric_counter(m, name, "type=\"delivered\"", help);
    b->dropped = rk_metric_counter(m, name, "type=\"dropped\"", help);
    b->notifications = rk_metric_counter(m, "signal_bus_notifications_total", NULL,
                                         "Notifications that carried them.");
    b->waiting = rk_metric_gauge(m, "signal_bus_waiting_bytes", NULL,
                                 "Bytes of signal messages that wait for the database.");
}

struct bus *bus_new(struct mgmt *m, struct rk_log *log, struct rk_metrics *metrics)
{
    struct bus *b = rk_calloc(1, sizeof *b);
    pthread_condattr_t attr;

    b->sig.ops = &OPS;
    b->m = m;
    b->log = log;
    b->alone = true;
    b->wake_fd = -1;
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&b->filled, &attr);
    (void)pthread_condattr_destroy(&attr);
    rk_list_init(&b->queue);
    metrics_init(b, metrics);
    return b;
}

struct sig_bus *bus_of_signal(struct bus *b)
{
    return &b->sig;
}

enum rk_code bus_start(struct bus *b, struct sig_app *app, struct rk_err *err)
{
    enum rk_code rc;

    b->app = app;
    b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (b->wake_fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "eventfd");
    rc = mgmt_db_open(b->m, &b->out, err);
    if (rc)
        return rc;
    if (pthread_create(&b->sender, NULL, sender_main, b))
        return rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    if (pthread_create(&b->receiver, NULL, receiver_main, b)) {
        (void)pthread_mutex_lock(&b->lock);
        b->stop = true;
        (void)pthread_cond_signal(&b->filled);
        (void)pthread_mutex_unlock(&b->lock);
        (void)pthread_join(b->sender, NULL);
        return rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    }
    b->runs = true;
    return RK_OK;
}

void bus_stop(struct bus *b)
{
    uint64_t one = 1;

    if (!b || !b->runs)
        return;
    b->runs = false;
    (void)pthread_mutex_lock(&b->lock);
    b->stop = true;
    (void)pthread_cond_signal(&b->filled);
    (void)pthread_mutex_unlock(&b->lock);
    if (write(b->wake_fd, &one, sizeof one) < 0)
        rk_log(b->log, RK_WARN, "the receiver of the bus was not woken");
    (void)pthread_join(b->sender, NULL);
    (void)pthread_join(b->receiver, NULL);
}

void bus_free(struct bus *b)
{
    if (!b)
        return;
    bus_stop(b);
    for (struct rk_list *it; (it = rk_list_pop_front(&b->queue)) != NULL;)
        free(rk_container_of(it, struct item, link));
    db_close(b->out);
    if (b->wake_fd >= 0)
        (void)close(b->wake_fd);
    (void)pthread_cond_destroy(&b->filled);
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}
