/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of struct engine, for agent/engine/ only. */
#ifndef RK_AGENT_ENGINE_PRIV_H
#define RK_AGENT_ENGINE_PRIV_H

#include "agent/client/relay_client.h"
#include "agent/client/signal_client.h"
#include "agent/dns/service.h"
#include "agent/engine/engine.h"
#include "agent/engine/host.h"
#include "agent/engine/peers.h"
#include "agent/engine/recorder.h"
#include "agent/ice/mux.h"
#include "agent/ice/portmap.h"
#include "agent/peer/conn.h"
#include "agent/ssh/ssh_files.h"
#include "agent/wg/device.h"
#include "lib/base/arena.h"
#include "lib/crypto/hash.h"

enum engine_phase { ENGINE_NEW, ENGINE_STARTING, ENGINE_RUNNING, ENGINE_STOPPING, ENGINE_STOPPED };

/* The addresses of this agent, as management gave them. */
struct overlay {
    char *text; /* "100.92.3.7/16", compared as text */
    struct rk_prefix v4;
    struct rk_prefix v6; /* family 0: none */
    char *fqdn;
};

struct engine {
    struct engine_opts o;
    struct engine_user *user;
    enum engine_phase phase;
    struct rk_log *log;
    bool over;                  /* ended() was told */
    bool torn_down;             /* only the device is left to close */
    bool another_follows;       /* see host_down */
    struct rk_arena *login_mem; /* wiping */
    const Management__LoginResponse *login;
    struct rk_log_gate signal_gate, mgmt_gate;
    struct rk_key own_key;
    char own_text[RK_KEY_TEXT + 1];

    struct overlay addr;
    struct rk_prefix configured_v6; /* as given; addr.v6 is cleared where the host has no IPv6 */
    int64_t session_expires_ms;     /* 0: never or unknown */
    struct rk_timer *session_timer; /* warns before */

    struct peers_user peers_user;
    struct peers *peers;  /* remote peers and the WireGuard device */
    uint16_t wg_port;     /* of the device */
    struct wg_port *port; /* shared with ICE; NULL: not; lent by the device */

    struct ice_mux *mux;
    struct portmap_user portmap_user;
    struct portmap *portmap; /* NULL: not wanted */
    struct signal_client_user signal_client_user;
    struct signal_client *scl;
    char *signal_url;
    struct relay_client_user relay_client_user;
    struct relay_client *rcl;
    struct peer_conn_env *env;

    struct mgmt_client_stream_user sync_user, job_user;
    struct mgmt_client_stream *sync, *job;
    bool mgmt_up;
    struct rk_err mgmt_err;
    uint64_t serial;
    bool lazy;
    struct rk_arena *checks_mem;
    struct rk_str *checks; /* paths that management asks about, sorted */
    size_t n_checks;
    struct mgmt_client_call_user meta_user;
    struct mgmt_client_call *meta_call;
    struct rk_timer *posture_timer;
    uint8_t meta_digest[HASH_SHA256_SIZE]; /* of what management was told last */

    struct host_user host_user;
    struct host *host; /* rules, routes, firewall of this machine */
    struct dns_service_user names_user;
    struct dns_service *names; /* NULL until the device is up */
    bool names_by_peer;        /* names of networks are asked of the peer that routes them */
    uint16_t names_port;       /* there; 0: the usual one */
    struct ssh_files *ssh;     /* host keys for ssh of this host; NULL until the link is up */
    struct recorder *recorder; /* traffic events; NULL until the addresses are there */
    struct rk_timer *timer;    /* reconcile, and the steps of starting and stopping */
};

/* tell.c */
void engine_end(struct engine *e, const struct rk_err *why);
void engine_changed(struct engine *e);
/* reconcile.c */
void engine_reconcile_start(struct engine *e);
/** The device did not take something: compare and correct it soon. */
void engine_reconcile_soon(struct engine *e);

/* map.c: one message of the Sync stream, in the order that agent.md 3.3 gives. */
void engine_apply_sync(struct engine *e, struct rk_str plain);
/** Take address, IPv6 address and name out of a peer configuration. RK_BAD_REQUEST. */
enum rk_code engine_overlay_of(const Management__PeerConfig *pc, bool no_ipv6, struct overlay *out,
                               struct rk_err *err) RK_MUST;
void engine_overlay_done(struct overlay *o);
enum rk_code engine_apply_config(struct engine *e, const Management__NetbirdConfig *nc,
                                 struct rk_err *err);
void engine_apply_session(struct engine *e, const Google__Protobuf__Timestamp *t);
/** The posture paths of a message; true when they differ from the known ones (which they replace).
 */
bool engine_apply_checks(struct engine *e, Management__Checks **checks, size_t n);
/* posture.c: what management knows about this host; look: send it if it has changed */
void engine_posture_start(struct engine *e);
void engine_posture_look(struct engine *e);
void engine_posture_sent(struct engine *e, const Management__PeerSystemMeta *meta);
void engine_posture_stop(struct engine *e);
/* job.c */
void engine_jobs_start(struct engine *e);

/* names.c */
void engine_names_config(struct engine *e, const Management__NetbirdConfig *nc);
enum rk_code engine_names_up(struct engine *e, struct rk_err *err) RK_MUST;
enum rk_code engine_names_apply(struct engine *e, const Management__NetworkMap *map,
                                struct rk_err *err) RK_MUST;
/** Who carries which network has changed. */
void engine_names_carried(struct engine *e);
void engine_names_down(struct engine *e);
json_t *engine_names_json(const struct engine *e); /* owned by the caller */

#endif
