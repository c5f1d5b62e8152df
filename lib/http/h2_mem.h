/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of nghttp2's sessions. Each has a buffer of 16 KiB into which it packs the frame that it
 * is sending, and nothing that is worth keeping between two turns: the sessions of a loop share
 * one.
 *
 *   h2_mem_init ─▶ nghttp2_session_…_new3 (takes the shared buffer for its own) ─▶ h2_mem_made
 *   … nghttp2_session_mem_send, all of its output copied before another session of the loop sends …
 *   nghttp2_session_del ─▶ h2_mem_done
 *
 * One thing does outlive a turn: the head of a DATA frame that the io did not take
 * (NGHTTP2_ERR_WOULDBLOCK). h2_mem_keep and h2_mem_restore carry it over.
 * Loop thread.
 */
#ifndef RK_HTTP_H2_MEM_H
#define RK_HTTP_H2_MEM_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/loop.h"

#define H2_MEM_FRAME_HEAD 9

struct h2_mem_shared;

struct h2_mem { /* embedded in the session; stays in place */
    nghttp2_mem ng;
    struct h2_mem_shared *shared; /* reference */
    bool making;                  /* the session is being made */
    bool taken;                   /* … and has the shared buffer */
    uint8_t *kept_at;             /* where `kept` belongs; NULL: nothing is kept */
    uint8_t kept[H2_MEM_FRAME_HEAD];
};

/** Only sessions of servers share: that of a client has its preface in the buffer from the start.
 */
void h2_mem_init(struct h2_mem *m, const struct rk_loop *loop, bool server);
void h2_mem_made(struct h2_mem *m);
void h2_mem_done(struct h2_mem *m); /* accepts one that was never made */

/** The frame head at `at` is not sent yet and must be there at the next send. */
void h2_mem_keep(struct h2_mem *m, const uint8_t *at);
/** Before each send. */
void h2_mem_restore(struct h2_mem *m);

#endif
