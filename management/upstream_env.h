/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Environment variables of the official management and combined server that mean nothing here: rows
 * for the option tables of both of our programs, so that one that is set is answered with a line
 * instead of silence. Those that mean something stand as names in the rows of our own options.
 */
#ifndef MGMT_UPSTREAM_ENV_H
#define MGMT_UPSTREAM_ENV_H

#include "lib/serve/svc.h"

#define MGMT_IDLE_ENV(name, values, why)                                                           \
    {                                                                                              \
        .flag = "$" name, .env = name, .type = RK_OPT_TEXT, .quiet = values, .idle = why           \
    }

#define MGMT_ONE_STORE "everything is kept in the one database of the store"
#define MGMT_NO_MYSQL  "MySQL is not supported; the store is SQLite or PostgreSQL"
#define MGMT_VISITS    "visits of services are kept for seven days"
#define MGMT_PORTS     "services get ports from 10000 to 49151"
#define MGMT_NO_SSO    "visitors of services cannot sign in through a provider here"

#define MGMT_UPSTREAM_ENV                                                                          \
    MGMT_IDLE_ENV("NB_STORE_ENGINE_MYSQL_DSN", NULL, MGMT_NO_MYSQL),                               \
        MGMT_IDLE_ENV("NETBIRD_STORE_ENGINE_MYSQL_DSN", NULL, MGMT_NO_MYSQL),                      \
        MGMT_IDLE_ENV("NB_SQL_MAX_OPEN_CONNS", NULL, "each store thread has a connection"),        \
        MGMT_IDLE_ENV("NB_STORE_TRANSACTION_TIMEOUT", NULL,                                        \
                      "a statement on PostgreSQL may take a minute"),                              \
        MGMT_IDLE_ENV("NB_ACTIVITY_EVENT_STORE_ENGINE", "sqlite", MGMT_ONE_STORE),                 \
        MGMT_IDLE_ENV("NB_ACTIVITY_EVENT_POSTGRES_DSN", NULL, MGMT_ONE_STORE),                     \
        MGMT_IDLE_ENV("NB_ACTIVITY_EVENT_SQLITE_FILE", NULL, MGMT_ONE_STORE),                      \
        MGMT_IDLE_ENV("NB_EVENT_ACTIVITY_LOG_ENABLED", "true",                                     \
                      "what happened is always recorded, for events come from the journal"),       \
        MGMT_IDLE_ENV("NB_CACHE_REDIS_ADDRESS", NULL, "nothing is cached outside this process"),   \
        MGMT_IDLE_ENV("NB_IDP_CACHE_REDIS_ADDRESS", NULL,                                          \
                      "nothing is cached outside this process"),                                   \
        MGMT_IDLE_ENV("NB_IDP_CACHE_WARMUP_DELAY", NULL, "no directory of users is cached"),       \
        MGMT_IDLE_ENV("NB_IDP_TIMEOUT", NULL, "calls to providers have a limit of their own"),     \
        MGMT_IDLE_ENV("NB_IDP_SESSION_COOKIE_ENCRYPTION_KEY", NULL,                                \
                      "a session cookie holds a random number and nothing to encrypt"),            \
        MGMT_IDLE_ENV("NB_GET_ACCOUNT_BUFFER_INTERVAL", NULL, "accounts are kept in memory"),      \
        MGMT_IDLE_ENV("NB_PEER_UPDATE_INTERVAL_MS", NULL,                                          \
                      "changes are sent at once, and only the newest to a slow peer"),             \
        MGMT_IDLE_ENV("NB_PEER_UPDATE_STARTUP_PERIOD_S", NULL,                                     \
                      "changes are sent at once, and only the newest to a slow peer"),             \
        MGMT_IDLE_ENV("NB_LOG_BLOCKED_PEERS", "false", "there is no such switch"),                 \
        MGMT_IDLE_ENV("NB_BLOCK_SAME_PEERS", "false", "there is no such switch"),                  \
        MGMT_IDLE_ENV("NB_MAX_CONCURRENT_SYNCS", NULL, "the store threads are the limit"),         \
        MGMT_IDLE_ENV("NB_PROXY_SNAPSHOT_BATCH_SIZE", "500",                                       \
                      "proxies are told 500 services at a time"),                                  \
        MGMT_IDLE_ENV("NB_PROXY_PORT_MIN", NULL, MGMT_PORTS),                                      \
        MGMT_IDLE_ENV("NB_PROXY_PORT_MAX", NULL, MGMT_PORTS),                                      \
        MGMT_IDLE_ENV("NETBIRD_METRICS_INTERVAL_IN_SECONDS", NULL, "nothing is reported to us"),   \
        SVC_IDLE_ENV

#endif
