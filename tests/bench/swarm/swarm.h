/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swarm: simulates N agents against a management server, ours or an official one, and measures.
 *
 *   main.c    options, one scenario, one JSON line
 *   api.c     REST: owner, groups, setup keys, policies of a shape
 *   fleet.c   the agents on their loops: enrol, connect, sync, listen
 *   run.c     the scenarios
 *   stat.c    percentiles, the server's CPU and memory
 *   limit.c   speed of the unavoidable part: sealing
 */
#ifndef SWARM_H
#define SWARM_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/cfg.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "tests/lib/wire_agent.h"

#define SWARM_MAX  200000
#define LOOPS_MAX  16
#define GROUPS_MAX 10000
#define HUBS       5
#define NS_PER_S   1e9

enum shape { SHAPE_ALL, SHAPE_HUB, SHAPE_GROUPS };

struct options { /* open; see main.c */
    struct rk_str scenario, shape, url, setup_key, api_token, ca_file;
    int64_t agents, loops, parallel, rounds, server_pid, settle_ms, timeout_s;
    bool verify, components, upgrade;
    bool newcomer; /* the last agent joins later, into plan_newcomer_group() */
};

/* ---- api.c */

struct api { /* open */
    char host[128];
    uint16_t port;
    bool tls;
    struct tls_ctx *tls_ctx;
    char token[160];
};

/** Split the URL; with tls make a client context. Exits with a message on bad input. */
void api_open(struct api *a, const struct options *o);
/** One request on a connection of its own; ends the program when there is no answer. *answer (may
 *  be NULL) is owned by the caller. */
int api_call(struct api *a, const char *method, const char *path, json_t *body, json_t **answer);
/** As above, and ends the program unless the status is 200. */
json_t *api_must(struct api *a, const char *method, const char *path, json_t *body);

struct plan { /* what a shape needs; open */
    enum shape shape;
    size_t n_groups;          /* setup keys: 1, hubs and spokes, or one per group */
    char key[GROUPS_MAX][64]; /* setup key of a group */
    char policy[64];          /* id of the policy that push edits */
    json_t *body[2];          /* two forms of it */
    int form;
};

/** Make the owner where there is none, then groups, keys and policies of the shape. */
void plan_make(struct api *a, const struct options *o, struct plan *p);
/** Group (index into key) of agent i, and whether an edit of `policy` changes its map. */
size_t plan_group(const struct plan *p, size_t i);
bool plan_affected(const struct plan *p, size_t i);
/** Whether a new member of the last group (of the spokes) changes the map of agent i. */
bool plan_meets_newcomer(const struct plan *p, size_t i);
/** Group that a newcomer joins. */
size_t plan_newcomer_group(const struct plan *p);
/** Edit the policy: the other form. */
void plan_edit(struct api *a, struct plan *p);

/* ---- fleet.c */

enum agent_goal { GOAL_LOGIN, GOAL_SYNC };

struct agent {
    struct wire_agent w;
    struct fleet *f;
    struct lane *lane;
    uint32_t i;
    bool registered, active;
    _Atomic bool has_map;
    _Atomic bool wanted;     /* takes part in the round */
    _Atomic uint64_t serial; /* of the newest map */
    _Atomic uint64_t bytes;  /* received on Sync */
    _Atomic int64_t done_ns; /* when the goal, or the first map of the round, was reached; 0: not */
    struct rk_timer *again;
};

struct lane { /* one loop; its thread's own */
    enum agent_goal goal;
    struct rk_loop *loop;
    struct fleet *f;
    size_t index;
    size_t next, end; /* agents still to start: next, next + lanes, … below end */
    size_t open;      /* started and not at their goal */
    size_t parallel;
    size_t n_down;
    uint64_t dice;
};

struct fleet { /* open for reading */
    const struct options *o;
    struct api *api;
    struct plan *plan;
    struct agent *agents;
    size_t n;
    struct lane lanes[LOOPS_MAX];
    size_t n_lanes;
    _Atomic bool stopping; /* connections that go down stay down */
    _Atomic size_t done;
    _Atomic int64_t start_ns, last_ns; /* of the run or round; of the last message */
    _Atomic uint64_t base_serial;      /* maps with a larger one end the round */
    _Atomic bool round;
    _Atomic uint64_t bytes, messages, rejects, lost, bad;
};

/** n agents, none connected. Ends the program on failure. */
void fleet_open(struct fleet *f, const struct options *o, struct api *a, struct plan *p, size_t n);
/** Bring agents [from, to) to a goal, `parallel` at a time (0: all at once), and wait. Streams stay
 *  open. False after the timeout. */
bool fleet_run(struct fleet *f, enum agent_goal goal, size_t from, size_t to, size_t parallel);
/** As above inside a round, without waiting: what the agents reach adds to the round. */
void fleet_run_more(struct fleet *f, enum agent_goal goal, size_t from, size_t to);
/** A round: the first map newer than what is there now counts, of agents that are wanted. Returns
 * how many are. */
size_t fleet_round_begin(struct fleet *f, bool (*wanted)(const struct plan *p, size_t i));
bool fleet_wait(struct fleet *f, size_t n); /* until n are done; false after the timeout */
void fleet_disconnect(struct fleet *f);     /* all, and wait */
/** Wait until nothing was received for ms. */
void fleet_quiet(struct fleet *f, int64_t ms);
void fleet_close(struct fleet *f);
int64_t now_ns(void);

/* ---- stat.c */

struct usage { /* of the server process; zero without --server-pid */
    double cpu_s;
    long rss_kb, peak_kb;
};
void usage_reset_peak(int64_t pid);
struct usage usage_of(int64_t pid);
/** Seconds from start of the agents that reached the goal; sorted. Owned: free. */
double *times_of(const struct fleet *f, size_t *n);
double percentile(const double *sorted, size_t n, double p);

/* ---- limit.c */

/** Bytes per second that one core seals. */
double limit_seal_speed(void);

/* ---- run.c */

/** Run o->scenario and print one JSON line. Exit status. */
int scenario_run(const struct options *o);

#endif
