/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's part of `rook status --json`, with the names that official agents use. */
#include "config.h"

#include "agent/engine/engine_priv.h"
#include "agent/engine/status_text.h"

static void put_server(json_t *details, struct rk_str uri, bool ok, const struct rk_err *err)
{
    (void)json_array_append_new(details, json_pack("{s:o,s:b,s:s}", "uri", status_text(uri),
                                                   "available", ok, "error", ok ? "" : err->msg));
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
        json_t *one =
            json_pack("{s:o,s:b,s:o}", "uri", status_text(r.url), "available", r.connected, "error",
                      r.connected ? json_string("") : status_text(r.error));

        up += r.connected;
        if (r.connected)
            status_set(one, "transport", json_string(r.transport));
        (void)json_array_append_new(details, one);
    }
    for (size_t i = 0; e->mux && ice_mux_stun_status(e->mux, i, &uri, &mapped, &err); i++, n++) {
        bool ok = mapped.ip.family != 0;

        up += ok;
        put_server(details, uri, ok, &err);
    }
    /* asked only when they are needed; else there is nothing to tell */
    for (size_t i = 0; e->mux && ice_mux_turn_status(e->mux, i, &uri, &mapped, &err); i++) {
        bool ok = mapped.ip.family != 0;

        if (!ok && !err.code)
            continue;
        n++;
        up += ok;
        put_server(details, uri, ok, &err);
    }
    status_set(
        out, "relays",
        json_pack("{s:I,s:I,s:o}", "total", (json_int_t)n, "available", up, "details", details));
}

void engine_status(struct engine *e, json_t *out)
{
    char buf[RK_ADDR_TEXT];
    const struct wg_device *dev = peers_device(e->peers);
    bool signal_up = e->scl && signal_client_is_ready(e->scl);
    json_t *traffic;

    status_set(out, "peers", peers_json(e->peers));
    put_relays(e, out);
    status_set(out, "management",
               json_pack("{s:o,s:b,s:s}", "url", status_text(e->o.profile->settings.management_url),
                         "connected", e->mgmt_up, "error", e->mgmt_up ? "" : e->mgmt_err.msg));
    status_set(out, "signal",
               json_pack("{s:s,s:b,s:s}", "url", e->signal_url ? e->signal_url : "", "connected",
                         signal_up, "error",
                         signal_up || !e->scl ? "" : signal_client_last_err(e->scl)->msg));
    status_set(out, "netbirdIp", json_string(e->addr.text));
    if (e->addr.v6.ip.family)
        status_set(out, "netbirdIpv6", status_text(rk_prefix_format(&e->addr.v6, buf)));
    status_set(out, "fqdn", json_string(e->addr.fqdn));
    status_set(out, "dnsServers", engine_names_json(e));
    if (e->recorder && (traffic = recorder_json(e->recorder)) != NULL)
        status_set(out, "trafficEvents", traffic);
    status_set(out, "usesKernelInterface", json_boolean(dev && wg_device_is_kernel(dev)));
    status_set(out, "wireguardPort", json_integer(e->mux ? ice_mux_port(e->mux) : 0));
    status_set(out, "lazyConnectionEnabled", json_boolean(e->lazy));
    if (e->session_expires_ms)
        status_set(out, "sessionExpiresAt", status_time(e->session_expires_ms));
}
