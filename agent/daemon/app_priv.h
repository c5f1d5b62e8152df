/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the daemon, for agent/daemon/ only.
 *
 *   calls.c  what commands ask          jobs.c  what takes its time: one at a time
 *   flows.c  logging in, out, longer    app.c   start, run loop, end
 */
#ifndef RK_AGENT_APP_PRIV_H
#define RK_AGENT_APP_PRIV_H

#include "agent/client/login.h"
#include "agent/config/profiles.h"
#include "agent/control/server.h"
#include "agent/daemon/app.h"
#include "agent/daemon/bundle_job.h"
#include "agent/daemon/runloop.h"
#include "agent/dns/resolver.h"
#include "lib/base/loop_uv.h"

enum job_kind {
    JOB_NONE,
    JOB_UP,
    JOB_LOGIN,
    JOB_DOWN,
    JOB_LOGOUT,
    JOB_SSO,
    JOB_SELECT, /* another profile */
    JOB_EXTEND
};
enum job_step { STEP_STOP, STEP_ENROL, STEP_RUN };

struct job {
    enum job_kind kind;
    enum job_step step;
    struct ctl_req *req; /* NULL: nobody waits for the answer (any more) */
    char *setup_key;     /* wiped; NULL: none */
    char *token;         /* of a person; wiped; NULL: none */
    bool for_ever;       /* of the daemon itself: it waits for its server as long as it takes */
    struct rk_timer *timer;
    struct rk_arena *mem;   /* of ref; NULL: the active profile is meant */
    struct profile_ref ref; /* another profile */
    struct profile *next;   /* the same, loaded; owned */
    json_t *flows;          /* of JOB_SSO: what is known so far */
};

struct app {
    const struct daemon_opts *o;
    struct profiles *profiles;
    struct profile *profile; /* the active one; owned */
    char *profile_name;
    struct rk_log *log;
    struct rk_loop *loop;
    struct nl_sock *route;
    struct state *state;
    struct tls_ctx *tls;
    struct dns_resolver *resolver;
    struct ctl_user ctl_user;
    struct ctl_server *ctl;
    uv_signal_t sig_int, sig_term;
    struct runloop_user run_user;
    struct runloop *run;
    enum agent_status shown; /* while there is no run loop */
    struct rk_err shown_err;
    struct job job;
    struct mgmt_client *mgc; /* of a login or logout under way */
    struct login_user login_user;
    struct login *login;
    struct mgmt_client_call_user call_user;
    struct mgmt_client_call *call;
    struct rk_timer *trim; /* memory that is not needed now */
    int64_t trim_ms;       /* until then, when it was started */
    struct rk_timer *watchdog;
    struct events events;
    struct sync_keep keep;
    struct bundle_job_user bundle_user;
    struct bundle_job *bundle; /* that management has asked for */
    bool connected;            /* the run loop was, once */
    bool foreground;           /* see app_opts */
    struct rk_err end_err;     /* why the foreground ends */
    bool quitting;
};

/* ---- app.c */

bool app_marks(const struct app *a); /* else routing is legacy */

void app_begin_quit(struct app *a);
/* The connection will not come (back) by itself. */
void app_end_foreground(struct app *a, const struct rk_err *err);
enum rk_code app_start_run(struct app *a, struct rk_err *err);
/* A profile takes the place of the active one, whose run loop has ended. next is taken. */
enum rk_code app_switch(struct app *a, const struct profile_ref *ref, struct profile *next,
                        struct rk_err *err);

/* ---- jobs.c */

void job_begin(struct app *a, struct ctl_req *r, enum job_kind kind, const json_t *args);
void job_advance(struct app *a); /* the next thing that it needs */
void job_done(struct app *a, json_t *result);
void job_fail(struct app *a, const struct rk_err *err);
/* What to do, behind a text that has room for it. */
void job_hint(struct rk_err *err, const char *what);
/* The profile that the job is about. */
struct profile *job_profile(struct app *a);

/* ---- flows.c */

void flow_login(struct app *a);
void flow_logout(struct app *a);
void flow_sso(struct app *a);
void flow_extend(struct app *a);

/* ---- calls.c */

extern const struct ctl_ops CALLS_OPS;

#endif
