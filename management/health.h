/* SPDX-License-Identifier: BSD-3-Clause */
/* What /api/x/health says of the process: the body of /health, how long it runs, which servers
 * agents are told of, the processes of the database, and how far machines are behind changes. */
#ifndef MGMT_HEALTH_H
#define MGMT_HEALTH_H

#include "lib/base/arena.h"
#include "management/app.h"

struct mgmt_health { /* embedded in the app */
    struct rest_health rest;
    struct mgmt_app *app;
    void (*describe)(void *arg, bool ready, const char *why, struct rk_buf *out);
    void *arg;
    int64_t start_ms;   /* mono */
    struct rk_str told; /* JSON, arena of the app */
};

/** Copies what it needs of o. */
void mgmt_health_init(struct mgmt_health *h, struct mgmt_app *a, struct rk_arena *mem,
                      const struct mgmt_app_opts *o);

#endif
