/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of struct wgo. Files: own.c (life, configuration, the loop's side), control.c (handshakes
 * and timers), worker.c (threads, TUN to network), receive.c (network to TUN), filter.c (what may
 * come in, where asked for), batch.c (what is handed over), socket.c (UDP).
 */
#ifndef RK_AGENT_WG_OWN_OWN_PRIV_H
#define RK_AGENT_WG_OWN_OWN_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "agent/wg/core/core.h"
#include "agent/wg/core/proto.h"
#include "agent/wg/own/filter.h"
#include "agent/wg/own/own.h"
#include "agent/wg/own/segment.h"
#include "lib/base/list.h"
#include "lib/base/map.h"

#define WGO_WORKERS_MAX 4
#define WGO_BATCH_BYTES ((size_t)192 << 10)
#define WGO_BATCH_MSGS  64
#define WGO_SPARE_MAX   4   /* batches kept for use again */
#define WGO_QUEUED_MAX  24  /* batches on their way to a thread; beyond it they are dropped */
#define WGO_OTHERS_MAX  512 /* datagrams that wait for the loop */
#define WGO_OTHER_BYTES 2048
#define WGO_RING        256 /* handshake messages that wait for control */
#define WGO_LOAD_AT     32  /* waiting: ask for cookies from here on, and a second longer */
#define WGO_LOAD_MS     1000
#define WGO_QUIET_MS    5000 /* after that the memory of a burst is given back */
#define WGO_LARGE       4096 /* bytes at once: a burst */
#define WGO_TUN_BYTES   ((size_t)65536 + 64)
#define WGO_RX_SLOTS    8
#define WGO_RX_BYTES    ((size_t)65536)

/* Datagrams of one length to one place, back to back in a batch: one message for the kernel. */
struct wgo_msg {
    struct wgc_endpoint to; /* or from, on the way in */
    uint32_t off, n;        /* bytes in the batch */
    uint32_t seg;           /* of each datagram; the last may be shorter */
    uint32_t count;
    bool ended; /* the last is shorter: nothing may follow */
};

struct wgo_batch {
    struct rk_list link;
    size_t used, n_msgs, n_ways;
    struct wgo_msg msgs[WGO_BATCH_MSGS];
    uint8_t bytes[WGO_BATCH_BYTES];
};

struct wgo_note { /* one datagram on its own, malloc'd */
    struct rk_list link;
    struct wgc_endpoint at; /* to or from */
    size_t n;
    uint8_t p[];
};

struct wgo_handshake {
    struct wgc_endpoint from;
    uint8_t n; /* at most WGC_INITIATION_SIZE */
    uint8_t p[WGC_INITIATION_SIZE];
};

struct wgo_sock {
    int fd;
    bool v4;     /* no IPv6 here; else it is of both families */
    bool no_gso; /* turned out not to work; of the worker that sends trains */
};

struct wgo_worker {
    struct wgo *d;
    size_t index;
    pthread_t thread;
    int wake; /* eventfd */
    int tun;
    struct wgo_sock *udp;
    struct wgc_crypt *crypt;
    struct wgo_batch *out;         /* being filled */
    struct wgc_hold held;          /* given back with the next lock */
    uint8_t *tun_bytes, *rx_bytes; /* whole pages */
    int64_t heavy_ms;              /* they were last filled beyond the first page; 0: not since */
    struct rk_list in;             /* batches of the loop; queue_lock */
};

struct wgo {
    struct wg_port port;
    struct rk_loop *loop;
    struct rk_log *log;
    size_t n_workers;
    int tun[WGO_WORKERS_MAX];
    struct wgo_sock udp[WGO_WORKERS_MAX];
    bool tun_udp; /* the kernel splits and joins UDP too */
    uint32_t mark;
    bool running;
    atomic_bool stop;
    struct wgo_worker worker[WGO_WORKERS_MAX];
    pthread_t control;

    pthread_mutex_t core_lock; /* guards the next three */
    struct wgc *core;
    struct wgc_user core_user;
    struct rk_list outbox; /* notes that the core wants sent */

    pthread_mutex_t queue_lock; /* guards the next block, and worker.in */
    pthread_cond_t control_bell;
    bool poked;
    struct wgo_handshake *ring; /* WGO_RING */
    size_t ring_at, ring_n;
    struct rk_list to_loop; /* batches */
    struct rk_list others;  /* notes */
    size_t n_to_loop, n_others, n_in;
    struct rk_list spare;
    size_t n_spare;
    bool rung, closing; /* bell is on its way to the loop; it shall free everything */
    struct rk_task bell;

    struct wgo_filter *_Atomic filter; /* NULL: everything passes */

    _Atomic int64_t control_until; /* when control looks at the timers again; mono */

    /* loop thread */
    struct rk_map ways; /* number → struct wg_way */
    uint32_t next_way;
    struct wgo_batch *filling; /* for workers */
    struct rk_task flush;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* batch.c */
/** Ring the loop's bell; queue_lock is held. */
void wgo_ring(struct wgo *d);
struct wgo_batch *wgo_batch_take(struct wgo *d); /* a spare or a new one, empty */
void wgo_batch_give(struct wgo *d, struct wgo_batch *b);
void wgo_batch_free(struct wgo_batch *b);       /* accepts NULL */
void wgo_batches_free(struct rk_list *batches); /* all of a list */
void wgo_spares_free(struct wgo *d);            /* those kept for use again */
/** Room for a datagram of up to n bytes, or NULL when it is full. Any thread. */
uint8_t *wgo_batch_room(struct wgo_batch *b, size_t n);
/** The datagram written there has n bytes and goes to `to`. */
void wgo_batch_added(struct wgo_batch *b, const struct wgc_endpoint *to, size_t n);
/** Hand over; false (nothing taken) when too many are on their way. */
bool wgo_batch_to_loop(struct wgo *d, struct wgo_batch *b);
bool wgo_batch_to_worker(struct wgo *d, struct wgo_worker *w, struct wgo_batch *b);
struct wgo_note *wgo_note_new(const struct wgc_endpoint *at, struct rk_str bytes);
/** A datagram that is not WireGuard's, for the loop. */
void wgo_other_to_loop(struct wgo *d, const struct wgc_endpoint *from, struct rk_str bytes);
void wgo_list_free(struct rk_list *notes);

/* own.c */
/** The clock of the core: it goes on while the machine sleeps, as the remote's does. */
int64_t wgo_now_ms(void);
void wgo_lock(struct wgo *d);
/** Unlock the core, then send what it wanted sent, and wake control if a timer comes earlier. Not
 *  for hot paths' lookups only: it costs no more there. */
void wgo_unlock(struct wgo *d);

/* control.c */
void *wgo_control_run(void *arg);
void wgo_control_poke(struct wgo *d);
void wgo_handshake_put(struct wgo *d, const struct wgc_endpoint *from, struct rk_str msg);

/* worker.c */
enum rk_code wgo_worker_init(struct wgo_worker *w, struct wgo *d, size_t index,
                             struct rk_err *err) RK_MUST;
void wgo_worker_done(struct wgo_worker *w);
void wgo_worker_wake(struct wgo_worker *w);
void *wgo_worker_run(void *arg);

/* receive.c */
/** Datagrams back to back, of seg bytes each but the last: open, check, deliver. */
void wgo_receive(struct wgo_worker *w, uint8_t *p, size_t n, size_t seg,
                 const struct wgc_endpoint *from);

/* socket.c */
/** n sockets on one port (0: the kernel chooses), which nobody else can join. *port out. */
enum rk_code wgo_sockets_open(struct wgo_sock *v, size_t n, uint16_t *port, uint32_t mark,
                              struct rk_err *err) RK_MUST;
void wgo_sockets_mark(const struct wgo_sock *v, size_t n, uint32_t mark);
/** Send all messages of a batch that go by UDP. */
void wgo_socket_send(struct wgo_sock *s, const struct wgo_batch *b);
/** One datagram. */
bool wgo_socket_send_one(const struct wgo_sock *s, const struct wgc_endpoint *to, struct rk_str d);
/** Datagrams back to back, seg bytes each (0: one). */
bool wgo_socket_send_train(const struct wgo_sock *s, const struct wgc_endpoint *to, struct rk_str d,
                           size_t seg);

struct wgo_rx {
    struct wgc_endpoint from;
    uint8_t *p;
    size_t n, seg;
};
/** Receive into WGO_RX_SLOTS slots of WGO_RX_BYTES. Returns how many. */
size_t wgo_socket_receive(const struct wgo_sock *s, uint8_t *bytes,
                          struct wgo_rx out[WGO_RX_SLOTS]);

#endif
