/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the firewall has to do that takes long (many rules, listings of them, programs of iptables)
 * on a thread of its own: the loop keeps peers and servers alive meanwhile. One at a time.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/host_priv.h"
#include "agent/os/firewall.h"
#include "lib/base/trim.h"

/* The firewall libraries take so much more for a text of this length that it is worth giving back.
 */
#define TRIM_BYTES ((size_t)256 << 10)

static void set_text(struct fw_job *j)
{
    if (firewall_generation(&j->before, NULL))
        j->before = 0;
    RK_IGNORE(fw_way_run(&j->place, j->text, true, &j->text_err));
}

static void take_picture(struct fw_job *j)
{
    if (firewall_generation(&j->set, NULL))
        j->set = 0;
    j->listed = firewall_picture(j->place.table, j->place.v6, &j->picture, NULL) == RK_OK;
    if (firewall_generation(&j->after, NULL))
        j->after = 0;
}

static void run(struct rk_work *w, struct db *db RK_UNUSED)
{
    struct fw_job *j = rk_container_of(w, struct fw_job, work);

    if (j->text)
        set_text(j);
    if (j->look && !j->text_err.code)
        take_picture(j);
    if (j->others)
        RK_IGNORE(firewall_others_open(j->iface, j->place.table, j->place.v6, &j->opened,
                                       &j->others_err));
    if (j->text && strlen(j->text) > TRIM_BYTES)
        rk_trim_heap();
}

static void done(struct rk_work *w, enum rk_code rc RK_UNUSED)
{
    struct fw_job *j = rk_container_of(w, struct fw_job, work);

    if (j->h) {
        j->h->f.job = NULL;
        host_firewall_done(j->h, j);
    }
    free(j->text);
    free(j);
}

void host_fw_job_start(struct host *h, char *text, bool look, bool others)
{
    struct fw_job *j = rk_calloc(1, sizeof *j);
    struct rk_err err = {0};

    j->h = h;
    j->text = text;
    j->look = look;
    j->others = others;
    (void)snprintf(j->table, sizeof j->table, "%.*s", RK_STR_ARG(h->o.daemon->nft_table));
    (void)snprintf(j->iface, sizeof j->iface, "%s", host_iface(h));
    j->place = (struct fw_place){.way = h->f.way,
                                 .table = rk_str_z(j->table),
                                 .iface = j->iface,
                                 .v6 = h->v6.ip.family != 0};
    j->work = (struct rk_work){.run = run, .done = done, .loop = h->o.loop};
    if ((h->f.pool || !rk_pool_new(&h->f.pool, 1, 2, NULL, &err)) &&
        !rk_pool_submit(h->f.pool, &j->work)) {
        h->f.job = j;
        return;
    }
    /* no thread to be had: as if there was none */
    run(&j->work, NULL);
    host_firewall_done(h, j);
    free(j->text);
    free(j);
}

void host_fw_job_stop(struct host *h)
{
    if (h->f.job)
        h->f.job->h = NULL;
    h->f.job = NULL;
    rk_pool_free(h->f.pool);
    h->f.pool = NULL;
}
