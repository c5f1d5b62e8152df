/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of rookery-management about events: traffic events of agents, receivers outside. Rows of
 * the table in options.c. */
#ifndef MGMT_OPTIONS_EVENTS_H
#define MGMT_OPTIONS_EVENTS_H

#include "lib/base/cfg.h"
#include "lib/base/num.h"
#include "management/app.h"

struct mgmt_events { /* open */
    bool flow, flow_addresses_only;
    int64_t flow_interval_ms, flow_keep_days, flow_keep_rows;
    struct rk_str syslog, file, webhook, webhook_secret;
    struct rk_strs kinds;
};

/** Check of one item of a list of kinds. Errors: RK_INVALID. */
enum rk_code mgmt_event_kind_check(struct rk_str kind, struct rk_err *err);

/** Fill in what these options say; exposed_address: where agents bring their events. arena
 *  Errors: RK_INVALID naming the flag. */
enum rk_code mgmt_events_make(struct rk_arena *mem, const struct mgmt_events *e,
                              struct rk_str exposed_address, struct mgmt_app_opts *out,
                              struct rk_err *err) RK_MUST;

/* M: struct mgmt_events within the struct of options T. */
#define MGMT_EVENT_OPTS(T, M, P)                                                                   \
    {.flag = "flow",                                                                               \
     .env = P "FLOW",                                                                              \
     .type = RK_OPT_BOOL,                                                                          \
     .at = offsetof(T, M.flow),                                                                    \
     .help = "take and keep traffic events of agents, at --exposed-address"},                      \
        {.flag = "flow-interval",                                                                  \
         .env = P "FLOW_INTERVAL",                                                                 \
         .type = RK_OPT_DURATION,                                                                  \
         .def = "30s",                                                                             \
         .min = 1000,                                                                              \
         .max = (int64_t)3600 * 1000,                                                              \
         .at = offsetof(T, M.flow_interval_ms),                                                    \
         .help = "agents sum up for so long before they tell"},                                    \
        {.flag = "flow-retention-days",                                                            \
         .env = P "FLOW_RETENTION_DAYS",                                                           \
         .type = RK_OPT_I64,                                                                       \
         .def = "30",                                                                              \
         .max = 36500,                                                                             \
         .at = offsetof(T, M.flow_keep_days),                                                      \
         .help = "older traffic events go; 0 keeps all"},                                          \
        {.flag = "flow-max-rows",                                                                  \
         .env = P "FLOW_MAX_ROWS",                                                                 \
         .type = RK_OPT_I64,                                                                       \
         .def = "20000000",                                                                        \
         .max = INT64_C(1) << 40,                                                                  \
         .at = offsetof(T, M.flow_keep_rows),                                                      \
         .help = "the oldest traffic events above so many go; 0 keeps all"},                       \
        {.flag = "flow-addresses-only",                                                            \
         .env = P "FLOW_ADDRESSES_ONLY",                                                           \
         .type = RK_OPT_BOOL,                                                                      \
         .at = offsetof(T, M.flow_addresses_only),                                                 \
         .help = "keep no users and no ports"},                                                    \
        {.flag = "export-syslog",                                                                  \
         .env = P "EXPORT_SYSLOG",                                                                 \
         .type = RK_OPT_TEXT,                                                                      \
         .at = offsetof(T, M.syslog),                                                              \
         .arg = "URL",                                                                             \
         .help = "bring events to udp://host:port, tcp://host:port or unix:/path"},                \
        {.flag = "export-file",                                                                    \
         .env = P "EXPORT_FILE",                                                                   \
         .type = RK_OPT_TEXT,                                                                      \
         .at = offsetof(T, M.file),                                                                \
         .arg = "PATH",                                                                            \
         .help = "bring events to a file, one line of JSON each"},                                 \
        {.flag = "export-webhook",                                                                 \
         .env = P "EXPORT_WEBHOOK",                                                                \
         .type = RK_OPT_TEXT,                                                                      \
         .at = offsetof(T, M.webhook),                                                             \
         .arg = "URL",                                                                             \
         .help = "bring events to an https or http address"},                                      \
        {.flag = "export-webhook-secret",                                                          \
         .env = P "EXPORT_WEBHOOK_SECRET",                                                         \
         .type = RK_OPT_SECRET,                                                                    \
         .at = offsetof(T, M.webhook_secret),                                                      \
         .help = "signs what is brought to the webhook"},                                          \
    {                                                                                              \
        .flag = "export-events", .env = P "EXPORT_EVENTS", .type = RK_OPT_LIST,                    \
        .def = "audit,traffic", .at = offsetof(T, M.kinds), .check = mgmt_event_kind_check,        \
        .arg = "KIND,...", .help = "which events are brought: audit, traffic"                      \
    }

#endif
