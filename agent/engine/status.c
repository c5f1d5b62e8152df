/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's part of `rook status --json`, with the names that official agents use. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_priv.h"
#include "lib/base/num.h"

static json_t *text(struct rk_str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

/* RFC 3339; Go's zero time where there is none, as official agents print it. */
static json_t *time_text(int64_t unix_ms)
{
    char buf[RK_TIME_TEXT];

    return unix_ms ? text(rk_time_format_us(unix_ms * 1000, buf))
                   : json_string("0001-01-01T00:00:00Z");
}

static void set(json_t *o, const char *name, json_t *value)
{
    (void)json_object_set_new(o, name, value);
}

static json_t *addr_text(const struct rk_addr *a)
{
    char buf[RK_ADDR_TEXT];

    return text(rk_addr_format(a, buf));
}

static void put_ips(json_t *o, const struct rk_prefix *allowed, size_t n)
{
    bool v4 = false, v6 = false;
    char buf[RK_ADDR_TEXT];

    for (size_t i = 0; i < n; i++) {
        const struct rk_prefix *p = &allowed[i];

        if (p->ip.family == 4 && p->bits == 32 && !v4) {
            set(o, "netbirdIp", text(rk_ip_format(&p->ip, buf)));
            v4 = true;
        } else if (p->ip.family == 6 && p->bits == 128 && !v6) {
            set(o, "netbirdIpv6", text(rk_ip_format(&p->ip, buf)));
            v6 = true;
        }
    }
    if (!v4)
        set(o, "netbirdIp", json_string(""));
}

static const char *path_name(const struct peer_conn_status *s)
{
    if (s->state != PEER_CONN_CONNECTED)
        return "-";
    return s->path == PEER_CONN_PATH_DIRECT ? "P2P" : "Relayed";
}

static json_t *peer_json(struct engine *e, struct epeer *p)
{
    struct peer_conn_wg_stats wg = {0};
    struct peer_conn_status s = {0};
    char key[RK_KEY_TEXT + 1];
    json_t *o = json_object();

    peer_conn_status(p->conn, &s);
    (void)p->user.ops->wg_stats(&p->user, &wg);
    rk_key_format(&p->key, key);
    set(o, "fqdn", json_string(p->fqdn));
    put_ips(o, p->allowed, p->n_allowed);
    set(o, "publicKey", json_string(key));
    set(o, "status", json_string(peer_conn_state_name(s.state)));
    set(o, "lastStatusUpdate", time_text(s.changed_unix_ms));
    set(o, "connectionType", json_string(path_name(&s)));
    set(o, "iceCandidateType",
        json_pack("{s:o,s:o}", "local", text(s.local_type), "remote", text(s.remote_type)));
    set(o, "iceCandidateEndpoint",
        json_pack("{s:o,s:o}", "local", addr_text(&s.local_addr), "remote",
                  addr_text(&s.remote_addr)));
    set(o, "relayAddress", text(s.relay_url));
    set(o, "lastWireguardHandshake", time_text(wg.last_handshake_unix_ms));
    set(o, "transferReceived", json_integer((json_int_t)wg.rx_bytes));
    set(o, "transferSent", json_integer((json_int_t)wg.tx_bytes));
    set(o, "latency", json_integer(s.latency_us * 1000));
    set(o, "quantumResistance", json_false());
    set(o, "networks", host_networks_of(e->host, &p->key));
    return o;
}

static json_t *offline_json(const struct offline_peer *p)
{
    char key[RK_KEY_TEXT + 1];

    rk_key_format(&p->key, key);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:[]}", "fqdn", p->fqdn, "netbirdIp", p->ip, "publicKey",
                     key, "status", "Idle", "connectionType", "-", "networks");
}

static int by_ip(const void *a, const void *b)
{
    const struct epeer *const *x = a, *const *y = b;

    return rk_prefix_cmp(&(*x)->allowed[0], &(*y)->allowed[0]);
}

static void put_peers(struct engine *e, json_t *out)
{
    struct epeer **all = rk_calloc(e->peers.n + 1, sizeof *all);
    json_t *details = json_array();
    size_t pos = 0, n = 0, connected = 0;
    void *v;

    while (rk_map_next(&e->peers, &pos, NULL, &v))
        all[n++] = v;
    qsort(all, n, sizeof(struct epeer *), by_ip);
    for (size_t i = 0; i < n; i++) {
        struct peer_conn_status s = {0};

        peer_conn_status(all[i]->conn, &s);
        connected += s.state == PEER_CONN_CONNECTED;
        (void)json_array_append_new(details, peer_json(e, all[i]));
    }
    for (size_t i = 0; i < e->n_offline; i++)
        (void)json_array_append_new(details, offline_json(&e->offline[i]));
    free(all);
    set(out, "peers",
        json_pack("{s:I,s:I,s:o}", "total", (json_int_t)(n + e->n_offline), "connected",
                  (json_int_t)connected, "details", details));
}

static void put_relays(struct engine *e, json_t *out)
{
    json_t *details = json_array();
    struct relay_client_status r = {0};
    struct rk_str uri = {0};
    struct rk_addr mapped;
    struct rk_err err;
    json_int_t up = 0;
    size_t n = 0;

    for (size_t i = 0; e->rcl && relay_client_status_at(e->rcl, i, &r); i++, n++) {
        up += r.connected;
        (void)json_array_append_new(
            details, json_pack("{s:o,s:b,s:o}", "uri", text(r.url), "available", r.connected,
                               "error", r.connected ? json_string("") : text(r.error)));
    }
    for (size_t i = 0; e->mux && ice_mux_stun_status(e->mux, i, &uri, &mapped, &err); i++, n++) {
        bool ok = mapped.ip.family != 0;

        up += ok;
        (void)json_array_append_new(details,
                                    json_pack("{s:o,s:b,s:s}", "uri", text(uri), "available", ok,
                                              "error", ok ? "" : err.msg));
    }
    set(out, "relays",
        json_pack("{s:I,s:I,s:o}", "total", (json_int_t)n, "available", up, "details", details));
}

void engine_status(struct engine *e, json_t *out)
{
    char buf[RK_ADDR_TEXT];
    bool signal_up = e->scl && signal_client_is_ready(e->scl);

    put_peers(e, out);
    put_relays(e, out);
    set(out, "management",
        json_pack("{s:o,s:b,s:s}", "url", text(e->o.profile->settings.management_url), "connected",
                  e->mgmt_up, "error", e->mgmt_up ? "" : e->mgmt_err.msg));
    set(out, "signal",
        json_pack("{s:s,s:b,s:s}", "url", e->signal_url ? e->signal_url : "", "connected",
                  signal_up, "error",
                  signal_up || !e->scl ? "" : signal_client_last_err(e->scl)->msg));
    set(out, "netbirdIp", json_string(e->addr.text));
    if (e->addr.v6.ip.family)
        set(out, "netbirdIpv6", text(rk_prefix_format(&e->addr.v6, buf)));
    set(out, "fqdn", json_string(e->addr.fqdn));
    set(out, "dnsServers", engine_names_json(e));
    set(out, "usesKernelInterface",
        json_boolean(e->dev && e->dev_open && wg_device_is_kernel(e->dev)));
    set(out, "wireguardPort", json_integer(e->mux ? ice_mux_port(e->mux) : 0));
    set(out, "lazyConnectionEnabled", json_boolean(e->lazy));
    if (e->session_expires_ms)
        set(out, "sessionExpiresAt", time_text(e->session_expires_ms));
}
