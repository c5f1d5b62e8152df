/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crowd HOST PORT AGENTS SETUP_KEY: agents that stay connected whatever happens, and know what they
 * were told. Reads lines: "dump" prints one line of JSON with the state of all agents, "count M"
 * how many hold a map with marker M and when the last one got it (monotonic clock), "shuffle" lets
 * all connect anew, "quit" ends.
 *
 *   agents: name, key, ip, serial, marker (the last of the names in the map's DNS domains that
 *           start with "m"), relays (as told, with commas between), peers (remote peers in the
 * map), up (holds a stream with a map) backwards: maps with a smaller serial than the agent has
 * seen moved: agents whose address changed       refused: answers that official clients take for
 * good
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/base/num.h"
#include "schema/pb_arena.h"
#include "tests/lib/wire_agent.h"

#define AGENTS_MAX 20000
#define AGAIN_MS   400 /* at most; a random time */

struct agent {
    struct wire_agent w;
    struct crowd *crowd;
    char name[32];
    bool registered, up;
    char ip[64], marker[64], relays[256];
    uint64_t serial;
    int64_t marked_us; /* when the marker became what it is */
    size_t peers;
    struct rk_timer *again;
};

struct crowd { /* loop thread */
    struct rk_loop *loop;
    const char *host, *key;
    uint16_t port;
    struct agent *agents;
    size_t n, n_down;
    bool stopping;
    int64_t backwards, moved, refused, lost;
    char last_refusal[200];
    uint64_t dice;
};

static void agent_start(struct agent *a);

static struct agent *agent_of(struct wire_agent *w)
{
    return rk_container_of(w, struct agent, w);
}

/* ---- what it was told */

static void marker_read(struct agent *a, const Management__DNSConfig *dns)
{
    char before[sizeof a->marker];

    memcpy(before, a->marker, sizeof before);
    a->marker[0] = 0;
    for (size_t g = 0; dns && g < dns->n_nameservergroups; g++)
        for (size_t d = 0; d < dns->nameservergroups[g]->n_domains; d++)
            if (dns->nameservergroups[g]->domains[d][0] == 'm')
                (void)snprintf(a->marker, sizeof a->marker, "%s",
                               dns->nameservergroups[g]->domains[d]);
    if (strcmp(before, a->marker) != 0 || !a->up)
        a->marked_us = rk_mono_us();
}

static void map_read(struct agent *a, const Management__NetworkMap *m)
{
    if (m->serial < a->serial)
        a->crowd->backwards++;
    a->serial = m->serial > a->serial ? m->serial : a->serial;
    if (m->peerconfig) {
        if (a->ip[0] && strcmp(a->ip, m->peerconfig->address) != 0)
            a->crowd->moved++;
        (void)snprintf(a->ip, sizeof a->ip, "%s", m->peerconfig->address);
    }
    a->peers = m->n_remotepeers;
    marker_read(a, m->dnsconfig);
    a->up = true;
}

static void relays_read(struct agent *a, const Management__RelayConfig *r)
{
    size_t n = 0;

    a->relays[0] = 0;
    for (size_t i = 0; i < r->n_urls && n < sizeof a->relays; i++)
        n +=
            (size_t)snprintf(a->relays + n, sizeof a->relays - n, "%s%s", i ? "," : "", r->urls[i]);
}

static void on_update(struct wire_agent *w, struct rk_str plain, size_t wire_bytes)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const Management__SyncResponse *r =
        pb_unpack(mem, &management__sync_response__descriptor, plain, NULL);

    (void)wire_bytes;
    if (r && r->netbirdconfig && r->netbirdconfig->relay)
        relays_read(agent_of(w), r->netbirdconfig->relay);
    if (r && r->networkmap)
        map_read(agent_of(w), r->networkmap);
}

/* ---- staying connected */

static void on_again(void *arg)
{
    agent_start(arg);
}

static void later(struct agent *a)
{
    struct crowd *c = a->crowd;

    a->up = false;
    if (c->stopping)
        return;
    c->dice = c->dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    if (!a->again)
        rk_timer_start(c->loop, &a->again, 20 + (int64_t)(c->dice >> 33) % AGAIN_MS, on_again, a);
}

static void go_on(struct agent *a)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    enum rk_code rc =
        a->registered
            ? wire_agent_sync(&a->w, wire_sync_request(mem, a->name), NULL)
            : wire_agent_call(&a->w, "Login", wire_login(mem, a->crowd->key, a->name), false, NULL);

    if (rc)
        wire_agent_close(&a->w);
}

static void refusal(struct agent *a, const char *call, int status, struct rk_str text)
{
    struct crowd *c = a->crowd;

    if (status != GRPC_NOT_FOUND && status != GRPC_PERMISSION_DENIED &&
        status != GRPC_UNAUTHENTICATED && status != GRPC_INVALID_ARGUMENT &&
        status != GRPC_UNIMPLEMENTED)
        return;
    c->refused++;
    (void)snprintf(c->last_refusal, sizeof c->last_refusal, "%s of %s: %d %.*s", call, a->name,
                   status, RK_STR_ARG(text));
}

static void on_reply(struct wire_agent *w, int status, struct rk_str plain, struct rk_str text)
{
    struct agent *a = agent_of(w);

    (void)plain;
    if (status == GRPC_OK) {
        a->registered = true;
        go_on(a);
        return;
    }
    refusal(a, "Login", status, text);
    wire_agent_close(w); /* on_down() tries again */
}

static void on_sync_ended(struct wire_agent *w, int status, struct rk_str text)
{
    refusal(agent_of(w), "Sync", status, text);
    agent_of(w)->up = false;
    wire_agent_close(w);
}

static void on_ready(struct wire_agent *w)
{
    go_on(agent_of(w));
}

static void on_down(struct wire_agent *w, const struct rk_err *why)
{
    struct agent *a = agent_of(w);

    (void)why;
    a->crowd->n_down++;
    a->crowd->lost += a->up;
    later(a);
}

static const struct wire_agent_ops OPS = {.ready = on_ready,
                                          .reply = on_reply,
                                          .update = on_update,
                                          .sync_ended = on_sync_ended,
                                          .down = on_down};

static void agent_start(struct agent *a)
{
    struct rk_err err = {0};

    a->w.ops = &OPS;
    a->w.loop = a->crowd->loop;
    a->w.host = a->crowd->host;
    a->w.port = a->crowd->port;
    if (wire_agent_connect(&a->w, &err))
        later(a);
    else
        a->crowd->n_down--;
}

/* ---- lines */

static void dump(void *arg)
{
    const struct crowd *c = arg;
    json_t *list = json_array(), *all;

    for (size_t i = 0; i < c->n; i++) {
        const struct agent *a = &c->agents[i];

        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:I,s:s,s:s,s:I,s:b,s:b}", "name", a->name, "key",
                            a->w.key_text, "ip", a->ip, "serial", (json_int_t)a->serial, "marker",
                            a->marker, "relays", a->relays, "peers", (json_int_t)a->peers, "up",
                            a->up, "registered", a->registered));
    }
    all = json_pack("{s:o,s:I,s:I,s:I,s:I,s:s}", "agents", list, "backwards",
                    (json_int_t)c->backwards, "moved", (json_int_t)c->moved, "refused",
                    (json_int_t)c->refused, "lost", (json_int_t)c->lost, "last_refusal",
                    c->last_refusal);
    (void)json_dumpf(all, stdout, JSON_COMPACT);
    (void)putchar('\n');
    (void)fflush(stdout);
    json_decref(all);
}

struct counting {
    const struct crowd *c;
    const char *marker;
};

static void count(void *arg)
{
    const struct counting *k = arg;
    const struct crowd *c = k->c;
    int64_t last = 0;
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++) {
        const struct agent *a = &c->agents[i];

        if (!a->up || strcmp(a->marker, k->marker) != 0)
            continue;
        n++;
        last = rk_max_i64(last, a->marked_us);
    }
    printf("{\"marked\":%zu,\"last_us\":%lld}\n", n, (long long)last);
    (void)fflush(stdout);
}

static void shuffle(void *arg)
{
    const struct crowd *c = arg;

    for (size_t i = 0; i < c->n; i++)
        wire_agent_close(&c->agents[i].w);
}

static void begin(void *arg)
{
    struct crowd *c = arg;

    for (size_t i = 0; i < c->n; i++)
        later(&c->agents[i]);
}

static void end(void *arg)
{
    struct crowd *c = arg;

    c->stopping = true;
    for (size_t i = 0; i < c->n; i++) {
        rk_timer_cancel(&c->agents[i].again);
        wire_agent_close(&c->agents[i].w);
    }
}

int main(int argc, char **argv)
{
    struct crowd c = {0};
    struct rlimit files;
    struct rk_err err = {0};
    char line[64];

    if (argc != 5) {
        (void)fprintf(stderr, "usage: crowd HOST PORT AGENTS SETUP_KEY\n");
        return 2;
    }
    c.host = argv[1];
    c.port = (uint16_t)strtoul(argv[2], NULL, 10);
    c.n = c.n_down = strtoul(argv[3], NULL, 10);
    c.key = argv[4];
    if (c.n == 0 || c.n > AGENTS_MAX || rk_loop_new(&c.loop, &err) ||
        rk_loop_start(c.loop, "agents", &err)) {
        (void)fprintf(stderr, "crowd: %s\n", err.msg[0] ? err.msg : "bad number of agents");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    c.agents = rk_calloc(c.n, sizeof *c.agents);
    for (size_t i = 0; i < c.n; i++) {
        c.agents[i].crowd = &c;
        (void)snprintf(c.agents[i].name, sizeof c.agents[i].name, "crowd-%05zu", i);
        rk_key_generate(&c.agents[i].w.private_key);
    }
    rk_loop_call(c.loop, begin, &c);
    while (fgets(line, sizeof line, stdin) && strncmp(line, "quit", 4) != 0) {
        struct counting k = {&c, line + strlen("count ")};

        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "dump"))
            rk_loop_call(c.loop, dump, &c);
        else if (!strcmp(line, "shuffle"))
            rk_loop_call(c.loop, shuffle, &c);
        else if (!strncmp(line, "count ", strlen("count ")))
            rk_loop_call(c.loop, count, &k);
    }
    rk_loop_call(c.loop, end, &c);
    rk_loop_stop(c.loop);
    rk_loop_join(c.loop);
    rk_loop_free(c.loop);
    free(c.agents);
    return 0;
}
