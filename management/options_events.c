/* SPDX-License-Identifier: BSD-3-Clause */
/* See options_events.h. */
#include "config.h"

#include "management/options_events.h"

enum rk_code mgmt_event_kind_check(struct rk_str kind, struct rk_err *err)
{
    return rk_str_eqz(kind, "audit") || rk_str_eqz(kind, "traffic")
               ? RK_OK
               : rk_fail(err, RK_INVALID, "\"%.*s\" is neither audit nor traffic",
                         RK_STR_ARG(kind));
}

enum rk_code mgmt_events_make(struct rk_arena *mem, const struct mgmt_events *e,
                              struct rk_str exposed_address, struct mgmt_app_opts *out,
                              struct rk_err *err)
{
    if (e->flow && !exposed_address.n)
        return rk_fail(err, RK_INVALID,
                       "--flow needs --exposed-address: agents bring their traffic events there");
    if (e->flow)
        out->servers.flow_url = rk_arena_dupz(mem, exposed_address);
    out->servers.flow_interval_ms = e->flow_interval_ms;
    out->traffic_keep_days = e->flow_keep_days;
    out->traffic_keep_rows = e->flow_keep_rows;
    out->traffic_addresses_only = e->flow_addresses_only;
    out->exports =
        (struct export_opts){.syslog = rk_arena_dupz(mem, e->syslog),
                             .file = rk_arena_dupz(mem, e->file),
                             .webhook = rk_arena_dupz(mem, e->webhook),
                             .webhook_secret = e->webhook_secret,
                             .names = {"--export-syslog", "--export-file", "--export-webhook"}};
    for (size_t i = 0; i < e->kinds.n; i++) {
        out->exports.audit |= rk_str_eqz(e->kinds.items[i], "audit");
        out->exports.with_traffic |= rk_str_eqz(e->kinds.items[i], "traffic");
    }
    return RK_OK;
}
