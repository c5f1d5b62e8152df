/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libuv behind struct rk_loop, for the few files that open handles of their own (sockets, pipes,
 * signals): the only header that includes <uv.h>. Handles are closed by who opened them, before the
 * loop ends. Loop thread.
 */
#ifndef RK_BASE_LOOP_UV_H
#define RK_BASE_LOOP_UV_H

#include <uv.h>

#include "lib/base/loop.h"

uv_loop_t *rk_loop_uv(struct rk_loop *l);
struct rk_loop *rk_loop_of(uv_loop_t *uv);

#endif
