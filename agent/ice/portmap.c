/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop's side of port mapping: when to ask, and what became of it; see portmap.h. */
#include "config.h"

#include "agent/ice/portmap.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ice/portmap_router.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define RENEW_MAX_MS (10 * 60000) /* a router that was restarted has forgotten us */
#define RENEW_MIN_MS 30000
#define AGAIN_MS     60000        /* after a refusal or a loss */
#define SELDOM_MS    (15 * 60000) /* where no router does it */

/* One question, of a thread of its own. Who of both sides leaves last frees it. */
struct job {
    struct portmap_ask ask;
    struct portmap_answer answer;
    struct rk_err err;
    struct rk_task done;
    pthread_mutex_t lock;  /* guards the next */
    struct portmap *owner; /* NULL: nobody waits for it */
};

struct portmap {
    struct rk_loop *loop;
    struct rk_log *log;
    struct portmap_user *user;
    uint16_t port;
    uint8_t nonce[PORTMAP_NONCE_SIZE];
    struct rk_ip gateway, own;  /* gateway family 0: none */
    struct job *job;            /* under way */
    bool again;                 /* the network changed meanwhile */
    struct portmap_answer have; /* method NONE: nothing */
    bool told;                  /* that no router does it */
    struct rk_timer *timer;
};

static void ask(struct portmap *p);

/* ---- jobs */

static void job_free(struct job *j)
{
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

static void *job_run(void *arg)
{
    struct job *j = arg;
    bool mine;

    if (portmap_router_ask(&j->ask, &j->answer, &j->err))
        j->answer = (struct portmap_answer){0};
    (void)pthread_mutex_lock(&j->lock);
    mine = !j->owner;
    if (!mine)
        rk_loop_post(j->owner->loop, &j->done);
    (void)pthread_mutex_unlock(&j->lock);
    if (mine) {
        if (j->answer.method) { /* nobody would ever take it back */
            j->ask.method = j->answer.method;
            j->ask.wanted = j->answer.outside.port;
            portmap_router_forget(&j->ask);
        }
        job_free(j);
    }
    return NULL;
}

static void *forget_run(void *arg)
{
    struct job *j = arg;

    portmap_router_forget(&j->ask);
    job_free(j);
    return NULL;
}

static struct job *job_new(const struct portmap *p)
{
    struct job *j = rk_calloc(1, sizeof *j);

    (void)pthread_mutex_init(&j->lock, NULL);
    j->ask = (struct portmap_ask){.gateway = p->gateway,
                                  .own = p->own,
                                  .port = p->port,
                                  .wanted = p->have.method ? p->have.outside.port : p->port,
                                  .method = p->have.method};
    memcpy(j->ask.nonce, p->nonce, sizeof p->nonce);
    return j;
}

/* Detached: it may wait for a router, and the end of the program must not. */
static bool start_thread(void *(*run)(void *), struct job *j)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    bool ok;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the loop's */
    ok = pthread_create(&thread, &attr, run, j) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    if (!ok)
        job_free(j);
    return ok;
}

/* ---- answers */

static void on_timer(void *arg)
{
    ask(arg);
}

static void lose(struct portmap *p)
{
    if (!p->have.method)
        return;
    rk_log(p->log, RK_INFO, "the router's port is lost");
    p->have = (struct portmap_answer){0};
    p->user->mapped(p->user, &(struct rk_addr){0});
}

static void take(struct portmap *p, const struct job *j)
{
    bool news = !rk_addr_eq(&p->have.outside, &j->answer.outside) || !p->have.method;
    char text[RK_ADDR_TEXT];

    p->have = j->answer;
    p->told = false;
    rk_timer_start(p->loop, &p->timer,
                   rk_max_i64(RENEW_MIN_MS, rk_min_i64(RENEW_MAX_MS, j->answer.lifetime_s * 500)),
                   on_timer, p);
    if (!news)
        return;
    rk_log(p->log, RK_INFO, "the router has given us a port",
           kv_z("by", portmap_method_name(p->have.method)),
           kv_str("address", rk_addr_format(&p->have.outside, text)));
    p->user->mapped(p->user, &p->have.outside);
}

static void on_done(struct rk_task *t)
{
    struct job *j = rk_container_of(t, struct job, done);
    struct portmap *p = j->owner;
    bool had;

    if (!p) { /* closed meanwhile */
        job_free(j);
        return;
    }
    had = p->have.method != PORTMAP_NONE;
    p->job = NULL;
    if (p->again) {
        p->again = false;
        job_free(j);
        ask(p);
        return;
    }
    if (j->answer.method) {
        take(p, j);
    } else {
        lose(p);
        if (!p->told)
            rk_log(p->log, RK_INFO, "no port of the router", KV_ERR(&j->err));
        p->told = true;
        rk_timer_start(p->loop, &p->timer, had ? AGAIN_MS : SELDOM_MS, on_timer, p);
    }
    job_free(j);
}

static void ask(struct portmap *p)
{
    if (p->job) {
        p->again = true;
        return;
    }
    rk_timer_cancel(&p->timer);
    if (p->gateway.family != 4)
        return;
    p->job = job_new(p);
    p->job->owner = p;
    p->job->done.run = on_done;
    if (!start_thread(job_run, p->job)) {
        p->job = NULL;
        rk_timer_start(p->loop, &p->timer, AGAIN_MS, on_timer, p);
    }
}

/* ---- life */

struct portmap *portmap_open(struct rk_loop *loop, struct rk_log *log, uint16_t port,
                             struct portmap_user *user)
{
    struct portmap *p = rk_calloc(1, sizeof *p);

    p->loop = loop;
    p->log = log;
    p->port = port;
    p->user = user;
    rk_secret_random(p->nonce, sizeof p->nonce);
    return p;
}

void portmap_network(struct portmap *p, const struct rk_ip *gateway, const struct rk_ip *own)
{
    if (!rk_ip_eq(&p->gateway, gateway) || !rk_ip_eq(&p->own, own))
        lose(p); /* it was the other router's */
    p->gateway = *gateway;
    p->own = *own;
    ask(p);
}

void portmap_close(struct portmap *p)
{
    if (!p)
        return;
    rk_timer_cancel(&p->timer);
    if (p->job) {
        (void)pthread_mutex_lock(&p->job->lock);
        p->job->owner = NULL; /* its thread, or on_done when that is on its way, frees it */
        (void)pthread_mutex_unlock(&p->job->lock);
    }
    if (p->have.method == PORTMAP_NATPMP) /* now, for the program may end */
        (void)forget_run(job_new(p));
    else if (p->have.method)
        (void)start_thread(forget_run, job_new(p));
    free(p);
}
