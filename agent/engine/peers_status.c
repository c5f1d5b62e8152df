/* SPDX-License-Identifier: BSD-3-Clause */
/* The peers as status shows them; see peers.h. */
#include "config.h"

#include <stdlib.h>

#include "agent/engine/peers_priv.h"
#include "agent/engine/status_text.h"

static void put_ips(json_t *o, const struct rk_prefix *allowed, size_t n)
{
    bool v4 = false, v6 = false;
    char buf[RK_ADDR_TEXT];

    for (size_t i = 0; i < n; i++) {
        const struct rk_prefix *p = &allowed[i];

        if (p->ip.family == 4 && p->bits == 32 && !v4) {
            status_set(o, "netbirdIp", status_text(rk_ip_format(&p->ip, buf)));
            v4 = true;
        } else if (p->ip.family == 6 && p->bits == 128 && !v6) {
            status_set(o, "netbirdIpv6", status_text(rk_ip_format(&p->ip, buf)));
            v6 = true;
        }
    }
    if (!v4)
        status_set(o, "netbirdIp", json_string(""));
}

static const char *path_name(const struct peer_conn_status *s)
{
    if (s->state != PEER_CONN_CONNECTED)
        return "-";
    if (rk_str_eqz(s->local_type, "relay") || rk_str_eqz(s->remote_type, "relay"))
        return "Relayed"; /* by a TURN server */
    return s->path == PEER_CONN_PATH_DIRECT ? "P2P" : "Relayed";
}

static json_t *peer_json(struct peer *p)
{
    struct peer_conn_wg_stats wg = {0};
    struct peer_conn_status s = {0};
    char key[RK_KEY_TEXT + 1];
    json_t *o = json_object();

    peer_conn_status(p->conn, &s);
    (void)peers_wg_stats(p, &wg);
    rk_key_format(&p->key, key);
    status_set(o, "fqdn", json_string(p->fqdn));
    put_ips(o, p->allowed, p->n_allowed);
    status_set(o, "publicKey", json_string(key));
    status_set(o, "status", json_string(peer_conn_state_name(s.state)));
    status_set(o, "lastStatusUpdate", status_time(s.changed_unix_ms));
    status_set(o, "connectionType", json_string(path_name(&s)));
    status_set(o, "iceCandidateType",
               json_pack("{s:o,s:o}", "local", status_text(s.local_type), "remote",
                         status_text(s.remote_type)));
    status_set(o, "iceCandidateEndpoint",
               json_pack("{s:o,s:o}", "local", status_addr(&s.local_addr), "remote",
                         status_addr(&s.remote_addr)));
    status_set(o, "relayAddress", status_text(s.relay_url));
    status_set(o, "lastWireguardHandshake", status_time(wg.last_handshake_unix_ms));
    status_set(o, "transferReceived", json_integer((json_int_t)wg.rx_bytes));
    status_set(o, "transferSent", json_integer((json_int_t)wg.tx_bytes));
    status_set(o, "latency", json_integer(s.latency_us * 1000));
    status_set(o, "quantumResistance", json_false());
    status_set(o, "networks", p->table->user->ops->networks(p->table->user, &p->key));
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
    const struct peer *const *x = a, *const *y = b;

    return rk_prefix_cmp(&(*x)->allowed[0], &(*y)->allowed[0]);
}

json_t *peers_json(struct peers *t)
{
    struct peer **all = rk_calloc(t->by_key.n + 1, sizeof *all);
    json_t *details = json_array();
    size_t pos = 0, n = 0, connected = 0;
    void *v;

    while (rk_map_next(&t->by_key, &pos, NULL, &v))
        all[n++] = v;
    qsort(all, n, sizeof(struct peer *), by_ip);
    for (size_t i = 0; i < n; i++) {
        struct peer_conn_status s = {0};

        peer_conn_status(all[i]->conn, &s);
        connected += s.state == PEER_CONN_CONNECTED;
        (void)json_array_append_new(details, peer_json(all[i]));
    }
    for (size_t i = 0; i < t->n_offline; i++)
        (void)json_array_append_new(details, offline_json(&t->offline[i]));
    free(all);
    return json_pack("{s:I,s:I,s:o}", "total", (json_int_t)(n + t->n_offline), "connected",
                     (json_int_t)connected, "details", details);
}
