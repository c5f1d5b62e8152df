/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of an engine: start, run, stop; see engine.h. */
#include "config.h"

#include "agent/engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "agent/client/meta.h"
#include "agent/config/version.h"
#include "agent/engine/engine_priv.h"
#include "agent/os/link.h"
#include "agent/os/route.h"
#include "lib/base/num.h"
#include "schema/pb_arena.h"

#define LOGIN_MAX_BYTES ((size_t)4 << 20)
/* Prefixes that ICE is told of; beyond them a path through the tunnel itself may be tried. */
#define ENGINE_OVERLAY_MAX 256
#define LAZY_IDLE_MIN_MS   60000
#define PROTO_HTTPS        MANAGEMENT__HOST_CONFIG__PROTOCOL__HTTPS

static void tear_down(void *arg);

static void fail_start(struct engine *e, const struct rk_err *err)
{
    if (e->phase != ENGINE_STARTING)
        return;
    engine_stop(e, true);
    e->user->ops->started(e->user, err);
}

/* ---- signal and relay */

static void start_streams(struct engine *e);

static void maybe_running(struct engine *e)
{
    if (e->phase != ENGINE_STARTING || !e->env || !e->scl || !signal_client_is_ready(e->scl))
        return;
    e->phase = ENGINE_RUNNING;
    start_streams(e);
    e->user->ops->started(e->user, NULL);
}

/* One of management, signal and relay is back. They are restarted together more often than not, so
 * the others are tried at once. Agents come here at the random times of their own waits. */
static void hurry_all(struct engine *e)
{
    if (e->phase != ENGINE_RUNNING)
        return;
    mgmt_client_hurry(e->o.mgc);
    signal_client_hurry(e->scl);
    relay_client_hurry(e->rcl);
}

static void on_signal_ready(struct signal_client_user *u)
{
    struct engine *e = rk_container_of(u, struct engine, signal_client_user);

    rk_log(e->log, RK_INFO, "signal connected", kv_z("server", e->signal_url));
    hurry_all(e);
    if (e->env)
        peer_conn_env_signal_ready(e->env);
    maybe_running(e);
    engine_changed(e);
}

static void on_signal_down(struct signal_client_user *u, const struct rk_err *why)
{
    struct engine *e = rk_container_of(u, struct engine, signal_client_user);

    rk_log_every(&e->signal_gate, 10000, e->log, RK_WARN, "signal lost, reconnecting", KV_ERR(why));
    engine_changed(e);
}

static void on_signal_message(struct signal_client_user *u, const struct rk_key *from,
                              const struct signal_msg *msg)
{
    struct engine *e = rk_container_of(u, struct engine, signal_client_user);

    if (e->phase == ENGINE_STARTING || e->phase == ENGINE_RUNNING)
        peers_on_signal(e->peers, from, msg);
}

static const struct signal_client_user_ops SIGNAL_CLIENT_OPS = {
    .ready = on_signal_ready, .down = on_signal_down, .message = on_signal_message};

static enum rk_code open_signal(struct engine *e, struct rk_err *err)
{
    const Management__HostConfig *hc = e->login->netbirdconfig->signal;
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct signal_client_opts opts = {.loop = e->o.loop,
                                      .log = e->log,
                                      .tls = hc->protocol == PROTO_HTTPS ? e->o.tls : NULL,
                                      .fwmark = e->o.marks ? ROUTE_MARK_CONTROL : 0,
                                      .private_key = e->o.profile->private_key};
    bool tls;
    char *host;

    /* "host:port" without a scheme: let the URL reader split it */
    if (profile_url(mem, rk_arena_printf(mem, "http://%s", hc->uri), &tls, &host, &opts.port, err))
        return rk_wrap(err, "signal server of the login answer");
    opts.host = rk_str_z(host);
    free(e->signal_url);
    e->signal_url = rk_str_dupz(
        rk_arena_printf(mem, "%s://%s", hc->protocol == PROTO_HTTPS ? "https" : "http", hc->uri));
    e->signal_client_user.ops = &SIGNAL_CLIENT_OPS;
    return signal_client_open(&opts, &e->signal_client_user, &e->scl, err);
}

static void on_home_up(struct relay_client_user *u)
{
    struct engine *e = rk_container_of(u, struct engine, relay_client_user);

    hurry_all(e);
    if (e->env)
        peer_conn_env_relay_ready(e->env);
    engine_changed(e);
}

static void on_home_down(struct relay_client_user *u, const struct rk_err *why)
{
    (void)why; /* the client has logged it */
    engine_changed(rk_container_of(u, struct engine, relay_client_user));
}

static const struct relay_client_user_ops RELAY_CLIENT_OPS = {.home_up = on_home_up,
                                                              .home_down = on_home_down};

static enum rk_code open_relay(struct engine *e, struct rk_err *err)
{
    struct relay_client_opts opts = {.loop = e->o.loop,
                                     .log = e->log,
                                     .tls = e->o.tls,
                                     .fwmark = e->o.marks ? ROUTE_MARK_CONTROL : 0,
                                     .transport =
                                         relay_transport_mode_parse(e->o.daemon->relay_transport),
                                     .mtu_bytes = e->o.profile->settings.mtu_bytes,
                                     .own_key_text = rk_str_z(e->own_text)};

    e->relay_client_user.ops = &RELAY_CLIENT_OPS;
    return relay_client_open(&opts, &e->relay_client_user, &e->rcl, err);
}

static void open_ssh_files(struct engine *e)
{
    struct ssh_files_opts opts = {.state = e->o.state,
                                  .log = e->log,
                                  .folder = "/etc/ssh",
                                  .iface = e->o.profile->settings.interface_name.p,
                                  .off = e->o.daemon->disable_ssh_config,
                                  .force = e->o.daemon->force_ssh_config};

    ssh_files_free(e->ssh);
    e->ssh = ssh_files_new(&opts);
}

static void open_recorder(struct engine *e)
{
    struct recorder_opts opts = {.loop = e->o.loop,
                                 .log = e->log,
                                 .tls = e->o.tls,
                                 .fwmark = e->o.marks ? ROUTE_MARK_CONTROL : 0,
                                 .public_key = e->own_key,
                                 .overlay4 = e->addr.v4,
                                 .overlay6 = e->addr.v6};

    e->recorder = recorder_open(&opts);
}

/* ---- the host */

/* Where ICE must not go: the overlay, and in legacy routing what is routed into it. */
static void set_overlay(struct engine *e)
{
    struct rk_prefix list[ENGINE_OVERLAY_MAX] = {rk_prefix_masked(&e->addr.v4)};
    size_t n = 1;

    if (e->addr.v6.ip.family)
        list[n++] = rk_prefix_masked(&e->addr.v6);
    n += host_taken(e->host, &list[n], ENGINE_OVERLAY_MAX - n);
    ice_mux_set_overlay(e->mux, list, n);
}

static struct route_peer host_peer(struct host_user *u, const struct rk_key *key)
{
    return peers_route(rk_container_of(u, struct engine, host_user)->peers, key);
}

static void host_carry(struct host_user *u, const struct rk_key *key, const struct rk_prefix *p,
                       bool on)
{
    peers_carry(rk_container_of(u, struct engine, host_user)->peers, key, p, on);
}

static void host_carried(struct host_user *u)
{
    struct engine *e = rk_container_of(u, struct engine, host_user);
    struct rk_err err = {0};

    if (e->phase == ENGINE_RUNNING && !e->o.marks)
        set_overlay(e);
    if (e->phase == ENGINE_RUNNING && peers_flush(e->peers, &err))
        rk_log(e->log, RK_WARN, "allowed addresses are not set yet", KV_ERR(&err));
    if (e->phase == ENGINE_RUNNING)
        engine_names_carried(e);
}

static void host_lost(struct host_user *u, const struct rk_err *why)
{
    struct engine *e = rk_container_of(u, struct engine, host_user);

    if (e->phase == ENGINE_STARTING)
        fail_start(e, why);
    else
        engine_end(e, why);
}

/* ---- the router's port */

static void on_mapped(struct portmap_user *u, const struct rk_addr *outside)
{
    struct engine *e = rk_container_of(u, struct engine, portmap_user);

    ice_mux_set_router_port(e->mux, outside);
    if (outside->port && e->env)
        peer_conn_env_network_changed(e->env, false); /* who found no direct path may now */
}

static void ask_router(struct engine *e)
{
    static const struct rk_ip anywhere = {.family = 4, .b = {192, 0, 2, 1}}; /* RFC 5737 */
    struct kernel_route_lookup way = {0};

    if (!e->portmap)
        return;
    if (kernel_route_get(e->o.route, &anywhere, e->o.marks ? ROUTE_MARK_CONTROL : 0, &way, NULL))
        way = (struct kernel_route_lookup){0};
    portmap_network(e->portmap, &way.gateway, &way.source);
}

static void open_portmap(struct engine *e)
{
    if (e->o.daemon->disable_nat_mapper || e->o.daemon->force_relay)
        return;
    e->portmap_user.mapped = on_mapped;
    e->portmap = portmap_open(e->o.loop, e->log, ice_mux_port(e->mux), &e->portmap_user);
    ask_router(e);
}

/* Connections from addresses that are gone are made anew at once, and peers are offered the new
 * ones; what still works stays, tunnels above all. */
static void host_moved(struct host_user *u, bool slept)
{
    struct engine *e = rk_container_of(u, struct engine, host_user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct link_addr_list addrs = {0};
    struct rk_ip *own;
    size_t n = 0;

    if (e->phase != ENGINE_RUNNING || link_addrs(e->o.route, 0, mem, &addrs, NULL))
        return;
    own = rk_new_n(mem, struct rk_ip, addrs.n + 1);
    for (size_t i = 0; i < addrs.n && !slept; i++)
        own[n++] = addrs.items[i].prefix.ip;
    rk_log(e->log, RK_INFO, "the network of this host has changed");
    mgmt_client_network(e->o.mgc, own, n);
    signal_client_network(e->scl, own, n);
    relay_client_network(e->rcl, own, n);
    peer_conn_env_network_changed(e->env, slept);
    engine_posture_look(e);
    ask_router(e);
}

static void host_trouble(struct host_user *u, const char *text)
{
    struct engine *e = rk_container_of(u, struct engine, host_user);

    events_add(e->o.events, EVENT_WARNING, EVENT_SYSTEM, "%s", text);
}

static enum rk_code host_filter(struct host_user *u, const struct wgo_filter_rules *r,
                                struct rk_err *err)
{
    struct engine *e = rk_container_of(u, struct engine, host_user);

    return wg_device_filter(peers_device(e->peers), r, err);
}

static const struct host_ops HOST_OPS = {.peer = host_peer,
                                         .filter = host_filter,
                                         .trouble = host_trouble,
                                         .carry = host_carry,
                                         .carried = host_carried,
                                         .lost = host_lost,
                                         .moved = host_moved};

/* ---- the device */

/* Official agents leave all of it out when one cannot be understood; ours are checked as settings.
 */
static size_t external_ips(const struct settings *s, struct external_ip out[EXTERNAL_IPS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < s->external_ips.n && n < EXTERNAL_IPS_MAX; i++)
        n += external_ip_parse(rk_str_trim(s->external_ips.items[i]), &out[n], NULL) == RK_OK;
    return n;
}

static enum rk_code open_mux(struct engine *e, struct rk_err *err)
{
    const struct settings *s = &e->o.profile->settings;
    struct rk_str own = s->interface_name;
    struct external_ip outside[EXTERNAL_IPS_MAX];
    struct ice_mux_opts opts = {.loop = e->o.loop,
                                .log = e->log,
                                .fwmark = e->o.marks ? ROUTE_MARK_CONTROL : 0,
                                .disable_ipv6 = s->disable_ipv6,
                                .tls = e->o.tls,
                                .with_loopback = e->o.daemon->ice_loopback,
                                .blacklist = s->iface_blacklist.items,
                                .n_blacklist = s->iface_blacklist.n,
                                .own_ifaces = &own,
                                .n_own_ifaces = 1,
                                .external = outside,
                                .n_external = external_ips(s, outside)};
    enum rk_code rc;

    if (wg_device_share(peers_device(e->peers), s->disable_ipv6, &e->port, err))
        rk_log(e->log, RK_WARN, "WireGuard's port is not shared, packets take a detour",
               KV_ERR(err));
    opts.shared = e->port;
    rc = ice_mux_open(&opts, &e->mux, err);
    if (rc)
        return rk_wrap(err, "public UDP socket");
    set_overlay(e);
    return RK_OK;
}

/* "5" is five minutes, as official agents have it; below one minute it would only flap. */
static int64_t lazy_idle_ms(struct engine *e)
{
    struct rk_str text = e->o.daemon->lazy_idle;
    struct rk_err err = {0};
    int64_t ms;

    if (rk_parse_i64(text, 1, 7 * 24 * 60, &ms, NULL) == RK_OK)
        return ms * 60000;
    if (rk_parse_duration_ms(text, &ms, &err) == RK_OK && ms >= LAZY_IDLE_MIN_MS)
        return ms;
    rk_log(e->log, RK_WARN,
           "time until a lazy connection ends: at least a minute, using 15 minutes",
           kv_str("given", text));
    return 0;
}

static enum rk_code open_env(struct engine *e, struct rk_err *err)
{
    struct peer_conn_env_opts opts = {.loop = e->o.loop,
                                      .log = e->log,
                                      .mux = e->mux,
                                      .shared = e->port,
                                      .signal = e->scl,
                                      .relay = e->rcl,
                                      .own_key = e->own_key,
                                      .version = RK_STR(AGENT_WIRE_VERSION),
                                      .wg_addr = {rk_ip4(127, 0, 0, 1), e->wg_port},
                                      .mtu = (uint16_t)e->o.profile->settings.mtu_bytes,
                                      .force_relay = e->o.daemon->force_relay,
                                      .turn_only = e->o.daemon->turn_only,
                                      .idle_ms = lazy_idle_ms(e)};

    return peer_conn_env_new(&opts, &e->env, err);
}

/* The link goes up in the middle: only then is the device's port known. */
static enum rk_code bring_up(struct engine *e, struct rk_err *err)
{
    enum rk_code rc = peers_configure(e->peers, err);

    if (rc == RK_OK)
        rc = host_up(e->host, wg_device_ifindex(peers_device(e->peers)), &e->addr.v4, &e->addr.v6,
                     err);
    if (rc == RK_OK)
        rc = peers_port(e->peers, &e->wg_port, err);
    if (rc == RK_OK)
        rc = open_mux(e, err);
    if (rc == RK_OK)
        rc = open_env(e, err);
    if (rc)
        return rc;
    peers_up(e->peers, e->env, e->addr.v6.ip.family != 0);
    open_recorder(e);
    open_ssh_files(e);
    open_portmap(e);
    rc = engine_names_up(e, err);
    if (rc == RK_OK)
        rc = engine_apply_config(e, e->login->netbirdconfig, err);
    return rc;
}

static void on_device_opened(struct peers_user *u, const struct rk_err *failed)
{
    struct engine *e = rk_container_of(u, struct engine, peers_user);
    const struct wg_device *dev = peers_device(e->peers);
    struct rk_err err = {0};

    if (failed) {
        fail_start(e, failed);
        return;
    }
    if (bring_up(e, &err)) {
        (void)rk_wrap(&err, "interface %s", wg_device_name(dev));
        fail_start(e, &err);
        return;
    }
    rk_log(e->log, RK_INFO, "interface is up", kv_z("name", wg_device_name(dev)),
           kv_z("kind", wg_device_kind(dev)), kv_z("address", e->addr.text),
           kv_i64("port", ice_mux_port(e->mux)));
    if (relay_client_home(e->rcl, &(struct rk_str){0}, &(struct rk_ip){0}))
        peer_conn_env_relay_ready(e->env);
    maybe_running(e);
}

static void on_device_lost(struct peers_user *u, const struct rk_err *why)
{
    struct engine *e = rk_container_of(u, struct engine, peers_user);

    if (e->phase == ENGINE_STARTING)
        fail_start(e, why);
    else
        engine_end(e, why);
}

static void finish_stop(struct engine *e)
{
    struct engine_user *u = e->user;

    e->phase = ENGINE_STOPPED;
    u->ops->stopped(u);
}

static void on_device_closed(struct peers_user *u)
{
    struct engine *e = rk_container_of(u, struct engine, peers_user);

    if (e->torn_down)
        finish_stop(e);
}

/* ---- what the peers ask */

static void peers_choose(struct peers_user *u)
{
    host_routes_soon(rk_container_of(u, struct engine, peers_user)->host);
}

static void peers_changed(struct peers_user *u)
{
    engine_changed(rk_container_of(u, struct engine, peers_user));
}

static void peers_bypass(struct peers_user *u, const struct rk_ip *ip)
{
    host_bypass(rk_container_of(u, struct engine, peers_user)->host, ip);
}

static void peers_refused(struct peers_user *u)
{
    engine_reconcile_soon(rk_container_of(u, struct engine, peers_user));
}

static json_t *peers_networks(struct peers_user *u, const struct rk_key *key)
{
    return host_networks_of(rk_container_of(u, struct engine, peers_user)->host, key);
}

static const struct peers_ops PEERS_OPS = {.opened = on_device_opened,
                                           .lost = on_device_lost,
                                           .closed = on_device_closed,
                                           .choose = peers_choose,
                                           .changed = peers_changed,
                                           .bypass = peers_bypass,
                                           .refused = peers_refused,
                                           .networks = peers_networks};

/* ---- streams of management */

static const ProtobufCMessage *sync_hello(struct mgmt_client_stream_user *u, struct rk_arena *mem)
{
    struct engine *e = rk_container_of(u, struct engine, sync_user);
    Management__SyncRequest *r = rk_new(mem, Management__SyncRequest);

    management__sync_request__init(r);
    r->meta = meta_build(mem, e->o.route, e->o.profile, e->checks, e->n_checks);
    engine_posture_sent(e, r->meta);
    return &r->base;
}

static void sync_up(struct mgmt_client_stream_user *u)
{
    struct engine *e = rk_container_of(u, struct engine, sync_user);

    e->mgmt_up = true;
    e->mgmt_err = (struct rk_err){0};
    rk_log(e->log, RK_INFO, "management connected");
    hurry_all(e);
    engine_changed(e);
}

static void sync_message(struct mgmt_client_stream_user *u, struct rk_str plain)
{
    struct engine *e = rk_container_of(u, struct engine, sync_user);

    if (e->phase == ENGINE_RUNNING && !e->over)
        engine_apply_sync(e, plain);
}

static void sync_down(struct mgmt_client_stream_user *u, const struct rk_err *why)
{
    struct engine *e = rk_container_of(u, struct engine, sync_user);

    e->mgmt_up = false;
    e->mgmt_err = *why;
    rk_log_every(&e->mgmt_gate, 10000, e->log, RK_WARN, "management lost, reconnecting",
                 KV_ERR(why));
    engine_changed(e);
}

static void sync_refused(struct mgmt_client_stream_user *u, int status RK_UNUSED,
                         const struct rk_err *why)
{
    struct engine *e = rk_container_of(u, struct engine, sync_user);

    e->sync = NULL;
    e->mgmt_up = false;
    e->mgmt_err = *why;
    engine_end(e, why); /* the next login decides what this means */
}

static const struct mgmt_client_stream_ops SYNC_OPS = {.hello = sync_hello,
                                                       .up = sync_up,
                                                       .message = sync_message,
                                                       .down = sync_down,
                                                       .refused = sync_refused};

static void start_streams(struct engine *e)
{
    e->sync_user.ops = &SYNC_OPS;
    e->sync = mgmt_client_stream(e->o.mgc, MGMT_CLIENT_SYNC, &e->sync_user);
    engine_jobs_start(e);
    engine_posture_start(e);
    engine_reconcile_start(e);
}

/* ---- start and stop */

static void make_peers(struct engine *e)
{
    struct peers_opts o = {.loop = e->o.loop,
                           .log = e->log,
                           .route = e->o.route,
                           .state = e->o.state,
                           .profile = e->o.profile,
                           .daemon = e->o.daemon,
                           .events = e->o.events,
                           .own_key = e->own_key,
                           .mark = e->o.marks ? ROUTE_MARK_CONTROL : 0};

    e->peers_user.ops = &PEERS_OPS;
    e->peers = peers_new(&o, &e->peers_user);
}

enum rk_code engine_new(const struct engine_opts *opts, const Management__LoginResponse *login,
                        struct engine_user *user, struct engine **out, struct rk_err *err)
{
    struct engine *e = rk_calloc(1, sizeof *e);
    struct host_opts ho = {.loop = opts->loop,
                           .log = opts->log,
                           .route = opts->route,
                           .state = opts->state,
                           .settings = &opts->profile->settings,
                           .daemon = opts->daemon,
                           .marks = opts->marks};
    struct rk_str copy;
    enum rk_code rc;

    e->o = *opts;
    e->user = user;
    e->log = opts->log;
    rk_key_public(&opts->profile->private_key, &e->own_key);
    rk_key_format(&e->own_key, e->own_text);
    make_peers(e);
    ho.own_key = e->own_key;
    e->host_user.ops = &HOST_OPS;
    e->host = host_new(&ho, &e->host_user);
    e->login_mem = rk_arena_new_wiping(2 * LOGIN_MAX_BYTES);
    rc = pb_pack(e->login_mem, &login->base, &copy, err);
    if (rc == RK_OK) {
        e->login = pb_unpack(e->login_mem, &management__login_response__descriptor, copy, err);
        rc = e->login ? engine_overlay_of(e->login->peerconfig,
                                          opts->profile->settings.disable_ipv6, &e->addr, err)
                      : RK_BAD_REQUEST;
    }
    if (rc) {
        engine_free(e);
        return rc;
    }
    e->configured_v6 = e->addr.v6;
    (void)engine_apply_checks(e, e->login->checks, e->login->n_checks);
    engine_apply_session(e, e->login->sessionexpiresat);
    *out = e;
    return RK_OK;
}

static void step_start(void *arg)
{
    struct engine *e = arg;
    struct rk_err err = {0};

    if (e->phase != ENGINE_STARTING)
        return;
    /* signal and relay connect while the interface is made */
    if (open_signal(e, &err) || open_relay(e, &err)) {
        fail_start(e, &err);
        return;
    }
    peers_open(e->peers);
}

enum rk_code engine_start(struct engine *e, struct rk_err *err)
{
    if (e->phase == ENGINE_STOPPING || e->phase == ENGINE_STOPPED)
        return rk_fail(err, RK_PRECONDITION, "already stopped");
    if (e->phase != ENGINE_NEW)
        return rk_fail(err, RK_PRECONDITION, "already started");
    e->phase = ENGINE_STARTING;
    rk_timer_start(e->o.loop, &e->timer, 0, step_start, e);
    return RK_OK;
}

void engine_stop(struct engine *e, bool another_follows)
{
    if (e->phase != ENGINE_STOPPED)
        e->another_follows = another_follows;
    if (e->phase == ENGINE_NEW)
        e->phase = ENGINE_STOPPED;
    if (e->phase != ENGINE_STARTING && e->phase != ENGINE_RUNNING)
        return;
    e->phase = ENGINE_STOPPING; /* from here on every handler stands aside */
    peers_stop(e->peers);
    rk_timer_start(e->o.loop, &e->timer, 0, tear_down, e);
}

/* Each step copes with what was never made. */
static void tear_down(void *arg)
{
    struct engine *e = arg;

    engine_posture_stop(e);
    rk_timer_cancel(&e->session_timer);
    mgmt_client_stream_close(e->sync);
    mgmt_client_stream_close(e->job);
    e->sync = e->job = NULL;
    peers_clear(e->peers);
    peer_conn_env_free(e->env);
    e->env = NULL;
    recorder_close(e->recorder);
    e->recorder = NULL;
    ssh_files_free(e->ssh);
    e->ssh = NULL;
    engine_names_down(e); /* names first: the host must not ask us over a link that goes */
    host_down(e->host, e->another_follows);
    relay_client_close(e->rcl);
    e->rcl = NULL;
    signal_client_close(e->scl);
    e->scl = NULL;
    portmap_close(e->portmap);
    e->portmap = NULL;
    ice_mux_close(e->mux);
    e->mux = NULL;
    e->torn_down = true;
    if (!peers_close(e->peers))
        finish_stop(e);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    rk_timer_cancel(&e->session_timer);
    engine_overlay_done(&e->addr);
    rk_arena_free(e->checks_mem);
    rk_arena_free(e->login_mem);
    peers_free(e->peers);
    host_free(e->host);
    free(e->signal_url);
    free(e);
}

struct host *engine_host(struct engine *e)
{
    return e->host;
}
