/* SPDX-License-Identifier: BSD-3-Clause */
/* Table of rookery-signal's options; see options.h. */
#include "config.h"

#include "signal/options.h"

#define AT(member)  offsetof(struct sig_options, member)
#define NO_ACME_SET "--letsencrypt-domain is not set"

static const struct rk_opt TABLE[] = {
    {.flag = "listen-address",
     .letter = 'l',
     .env = "ROOKERY_SIGNAL_LISTEN_ADDRESS",
     .type = RK_OPT_TEXT,
     .at = AT(listen_address),
     .arg = "ADDR:PORT",
     .help = "TCP address to serve; instead of --port"},
    {.flag = "port",
     .env = "ROOKERY_SIGNAL_PORT NB_PORT",
     .type = RK_OPT_I64,
     .def = "0",
     .max = 65535,
     .at = AT(port),
     .help = "TCP port on all addresses; 0 for 443 with TLS and 80 without"},
    {.flag = "legacy-port",
     .env = "ROOKERY_SIGNAL_LEGACY_PORT",
     .type = RK_OPT_I64,
     .def = "10000",
     .max = 65535,
     .at = AT(legacy_port),
     .help = "second port for agents that hold the historical address; 0 for none"},
    {.flag = "cert-file",
     .env = "ROOKERY_SIGNAL_CERT_FILE NB_CERT_FILE",
     .type = RK_OPT_TEXT,
     .at = AT(common.tls_cert),
     .arg = "PATH",
     .help = "certificate chain (PEM); without it the service is clear text"},
    {.flag = "cert-key",
     .env = "ROOKERY_SIGNAL_CERT_KEY NB_CERT_KEY",
     .type = RK_OPT_TEXT,
     .at = AT(common.tls_key),
     .arg = "PATH",
     .help = "private key of the certificate (PEM)"},
    {.flag = "max-peers",
     .env = "ROOKERY_SIGNAL_MAX_PEERS",
     .type = RK_OPT_I64,
     .def = "100000",
     .min = 1,
     .max = 10000000,
     .at = AT(max_peers),
     .help = "registered peers"},
    {.flag = "send-timeout",
     .env = "ROOKERY_SIGNAL_SEND_TIMEOUT NB_SIGNAL_SEND_TIMEOUT",
     .type = RK_OPT_DURATION,
     .def = "10s",
     .min = 100,
     .max = 600000,
     .at = AT(send_timeout_ms),
     .help = "a peer that takes no message for this long is dropped"},
    {.flag = "greeting",
     .env = "ROOKERY_SIGNAL_GREETING",
     .type = RK_OPT_BOOL,
     .at = AT(greeting),
     .help = "a first message follows each registration, for proxies that keep headers back"},
    SVC_OPTS(struct sig_options, "ROOKERY_SIGNAL_", "", "", "", "", "", ""),
    /* of the official server, and nothing here */
    {.flag = "letsencrypt-domain",
     .env = "NB_LETSENCRYPT_DOMAIN",
     .type = RK_OPT_TEXT,
     .refuse = SVC_NO_ACME},
    {.flag = "letsencrypt-data-dir",
     .env = "NB_LETSENCRYPT_DATA_DIR",
     .type = RK_OPT_TEXT,
     .idle = NO_ACME_SET},
    {.flag = "letsencrypt-email",
     .env = "NB_LETSENCRYPT_EMAIL",
     .type = RK_OPT_TEXT,
     .idle = NO_ACME_SET},
    {.flag = "ssl-dir", .env = "NB_SSL_DIR", .type = RK_OPT_TEXT, .idle = NO_ACME_SET},
    SVC_IDLE_ENV,
};

const struct svc_program SIG_PROGRAM = {
    .name = "rookery-signal",
    .what = "Forwards sealed messages between peers that want to reach each other.",
    .alias = "run",
    .table = TABLE,
    .n = RK_ARRAY_LEN(TABLE),
};

enum rk_code sig_options_check(const struct sig_options *o, struct edge_listen listen[2],
                               size_t *n_listen, struct rk_err *err)
{
    bool tls = o->common.tls_cert.n > 0;
    enum rk_code rc;

    if (o->listen_address.n) {
        rc = svc_listener("listen-address", o->listen_address, &o->common, &listen[0], err);
        if (rc)
            return rc;
    } else {
        listen[0] = (struct edge_listen){.addr.port = (uint16_t)(o->port ? o->port
                                                                 : tls   ? 443
                                                                         : 80),
                                         .tls = tls};
    }
    *n_listen = 1;
    if (o->legacy_port && o->legacy_port != listen[0].addr.port) {
        listen[1] = listen[0];
        listen[1].addr.port = (uint16_t)o->legacy_port;
        *n_listen = 2;
    }
    return RK_OK;
}
