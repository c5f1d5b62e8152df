/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of struct host, for agent/engine/host*.c only. */
#ifndef RK_AGENT_ENGINE_HOST_PRIV_H
#define RK_AGENT_ENGINE_HOST_PRIV_H

#include "agent/engine/fw_rules.h"
#include "agent/engine/fw_text.h"
#include "agent/engine/host.h"
#include "agent/engine/host_firewall_way.h"
#include "agent/os/firewall_others.h"
#include "agent/os/netmon.h"
#include "agent/os/route.h"
#include "agent/os/sleep.h"
#include "agent/os/sysctl.h"
#include "lib/base/arena.h"
#include "lib/base/pool.h"

/* Addresses that names have resolved to, all together: far above what people use in a day. */
#define HOST_NAMES_MAX 65536
/* Addresses of ours and of peers that keep their own way in legacy routing. */
#define HOST_BYPASS_MAX 1024

struct host_routes {
    bool on;               /* networks behind peers are reached */
    bool stale;            /* the table may hold guards of an earlier engine */
    struct route_set *set; /* NULL before the first map */
    struct routed *now;    /* what kernel and device were told, sorted */
    size_t n_now;
    struct rk_ip *bypass; /* legacy only; sorted */
    size_t n_bypass;
    struct rk_timer *timer;
    int presence; /* socket that tells other agents that the rules are in use; -1: none */
};

struct host_name { /* see struct fw_name */
    char *domain;
    struct rk_ip *ips; /* sorted */
    size_t n, cap;
};

struct fw_job;

struct host_firewall {
    enum fw_way way;
    bool stands;           /* a first text was carried out */
    char *text;            /* what stands, or is on its way to the kernel */
    struct rk_pool *pool;  /* one thread, for what would hold the loop; NULL: not needed yet */
    struct fw_job *job;    /* on it, or NULL */
    bool text_later;       /* text is newer than what the job carries */
    bool names_later;      /* names have resolved since it began */
    bool look_later;       /* somebody changed the ruleset since */
    bool others;           /* there were chains of others */
    unsigned locked;       /* of them, that cannot be changed */
    size_t skipped;        /* rules of the map that are left out, as was told */
    uint32_t others_seen;  /* generation when they were looked at; 0: not */
    uint64_t picture;      /* of the kernel's listing after we set it; 0: unknown */
    uint32_t generation;   /* of the whole ruleset when that was taken; 0: unsure */
    uint32_t expected;     /* its generation after our last change */
    unsigned unsure;       /* changes of ours that others were in the way of */
    int64_t look_after_ms; /* listing is dear: not again before */
    struct rk_timer *look_timer;
    bool by_name; /* see struct fw_opts */
    uint16_t names_redirect;
    struct rk_arena *mem;  /* of sets and rules */
    struct fw_rules rules; /* FW_OWN only */
    const struct rk_prefix *lan;
    size_t n_lan;
    bool told_masquerade;
    struct fw_domain_sets sets;
    struct host_name *names; /* sorted by domain */
    size_t n_names, n_ips;
    bool forwarding;
};

struct host {
    struct host_opts o;
    struct host_user *user;
    bool up, told_lost;
    uint32_t ifindex;
    struct rk_prefix v4, v6;
    char own_text[RK_KEY_TEXT + 1];
    struct sysctls sysctls;
    struct netmon_user mon_user;
    struct netmon *mon;
    unsigned pending; /* NETMON_… that wait for their turn */
    int64_t mend_at_ms, last_mend_ms;
    int64_t mend_wait_ms;
    struct rk_timer *mend_timer;
    rk_timer_fn *on_mend;    /* of host.c */
    uint64_t network;        /* addresses and default routes, as a number */
    int64_t moving_since_ms; /* 0: not */
    struct rk_timer *move_timer;
    struct sleep_user sleep_user;
    struct sleep_watch *sleep;
    struct host_routes r;
    struct host_firewall f;
};

static inline const char *host_iface(const struct host *h)
{
    return h->o.settings->interface_name.p;
}

/* host_common.c */
void host_save_sysctls(struct host *h);
/** Log it, and tell the owner for people. */
__attribute__((format(printf, 2, 3))) void host_trouble(struct host *h, const char *format, ...);
/** Compare and mend parts (NETMON_…) on a later turn. */
void host_mend_soon(struct host *h, unsigned kinds);

/* host_routes.c */
void host_routes_up(struct host *h);
void host_routes_down(struct host *h, bool keep);
enum rk_code host_routes_load(struct host *h, const Management__NetworkMap *map,
                              struct rk_err *err) RK_MUST;
/** Put back missing rules and routes; how many. */
size_t host_rules_mend(struct host *h);
size_t host_routes_mend(struct host *h);
/** Latencies change without news: choose again if somebody is clearly nearer now. */
void host_routes_look(struct host *h);
void host_bypass_again(struct host *h); /* the default route has changed */
void host_relax_rp_filter(struct host *h);

/* host_firewall.c */
enum rk_code host_firewall_up(struct host *h, struct rk_err *err) RK_MUST;
void host_firewall_down(struct host *h);
enum rk_code host_firewall_set(struct host *h, const Management__NetworkMap *map,
                               struct rk_err *err) RK_MUST;
/** Put back what others have changed; true when something was. */
bool host_firewall_mend(struct host *h);
/** A job came back with its part of this; job is lent. */
void host_firewall_done(struct host *h, const struct fw_job *job);
/** Let packets to an address of a domain through, now or with the job that is out. */
enum rk_code host_fw_open_name(struct host *h, struct rk_str domain, const struct rk_ip *ip,
                               struct rk_err *err) RK_MUST;

/* host_firewall_names.c */
void host_fw_names_clear(struct host_firewall *f);
void host_fw_names_prune(struct host_firewall *f); /* what the map no longer routes is forgotten */
const struct fw_name *host_fw_names_list(const struct host_firewall *f, struct rk_arena *mem);

/* host_filter.c: FW_OWN */
enum rk_code host_filter_set(struct host *h, const struct fw_opts *o,
                             const Management__NetworkMap *map, struct fw_stats *stats,
                             struct rk_err *err) RK_MUST;
/** The same rules, with what names have resolved to since. */
enum rk_code host_filter_again(struct host *h, struct rk_err *err) RK_MUST;

/* host_firewall_job.c: what would hold the loop, on a thread; one after the other. */
struct fw_job { /* open; of the thread until it comes back */
    struct rk_work work;
    struct host *h; /* NULL: gone */
    /* what to do, in this order */
    char *text;  /* owned; NULL: nothing to set */
    bool look;   /* take a picture of our tables */
    bool others; /* make way in chains of others */
    /* of what, and what came out */
    struct fw_place place; /* its texts are the next two */
    char table[64], iface[32];
    struct rk_err text_err, others_err;
    uint32_t before, set, after; /* generations: before text, behind it, behind the picture */
    bool listed;
    uint64_t picture;
    struct firewall_others opened;
};

/** Start it; host_firewall_done follows. text is taken. */
void host_fw_job_start(struct host *h, char *text, bool look, bool others);
/** Wait for the one that is out; none comes back after this. */
void host_fw_job_stop(struct host *h);

#endif
