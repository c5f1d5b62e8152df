/* SPDX-License-Identifier: BSD-3-Clause */
/* Table of rookery-relay's options; see options.h. */
#include "config.h"

#include "relay/options.h"

#include "lib/base/num.h"

#define AT(member)  offsetof(struct relay_options, member)
#define NO_ACME_SET "--letsencrypt-domains is not set"

static enum rk_code rate_check(struct rk_str text, struct rk_err *err)
{
    int64_t bits;

    return rk_parse_bit_rate(text, &bits, err);
}

static const struct rk_opt TABLE[] = {
    {.flag = "listen-address",
     .letter = 'l',
     .env = "ROOKERY_RELAY_LISTEN_ADDRESS NB_LISTEN_ADDRESS",
     .type = RK_OPT_TEXT,
     .def = ":443",
     .at = AT(listen_address),
     .arg = "ADDR:PORT",
     .help = "TCP address of the relay (WebSocket path /relay)",
     .required = true},
    {.flag = "exposed-address",
     .letter = 'e',
     .env = "ROOKERY_RELAY_EXPOSED_ADDRESS NB_EXPOSED_ADDRESS",
     .type = RK_OPT_TEXT,
     .max = 512,
     .at = AT(exposed_address),
     .arg = "URL",
     .help = "what peers are told: host:port, rel://host:port or rels://host:port, spelled as in "
             "management",
     .required = true},
    {.flag = "auth-secret",
     .letter = 's',
     .env = "ROOKERY_RELAY_AUTH_SECRET NB_AUTH_SECRET",
     .type = RK_OPT_SECRET,
     .max = 4096,
     .at = AT(auth_secret),
     .help = "secret shared with management",
     .required = true},
    {.flag = "tls-cert-file",
     .letter = 'c',
     .env = "ROOKERY_RELAY_TLS_CERT_FILE NB_TLS_CERT_FILE",
     .type = RK_OPT_TEXT,
     .at = AT(common.tls_cert),
     .arg = "PATH",
     .help = "certificate chain (PEM); without it the relay serves clear text"},
    {.flag = "tls-key-file",
     .letter = 'k',
     .env = "ROOKERY_RELAY_TLS_KEY_FILE NB_TLS_KEY_FILE",
     .type = RK_OPT_TEXT,
     .at = AT(common.tls_key),
     .arg = "PATH",
     .help = "private key of the certificate (PEM)"},
    {.flag = "quic",
     .env = "ROOKERY_RELAY_QUIC",
     .type = RK_OPT_BOOL,
     .def = "true",
     .at = AT(quic),
     .help = "with a certificate: take QUIC over UDP, too"},
    {.flag = "quic-address",
     .env = "ROOKERY_RELAY_QUIC_ADDRESS",
     .type = RK_OPT_TEXT,
     .at = AT(quic_address),
     .arg = "ADDR:PORT",
     .help = "UDP address of QUIC; that of --listen-address when empty, for clients use its port"},
    {.flag = "enable-stun",
     .env = "ROOKERY_RELAY_ENABLE_STUN NB_ENABLE_STUN",
     .type = RK_OPT_BOOL,
     .at = AT(enable_stun),
     .help = "answer STUN over UDP"},
    {.flag = "stun-ports",
     .env = "ROOKERY_RELAY_STUN_PORTS NB_STUN_PORTS",
     .type = RK_OPT_LIST,
     .def = "3478",
     .max = RELAY_STUN_MAX,
     .at = AT(stun_ports),
     .arg = "PORT,...",
     .help = "UDP ports of the STUN server"},
    {.flag = "stun-address",
     .env = "ROOKERY_RELAY_STUN_ADDRESS",
     .type = RK_OPT_TEXT,
     .at = AT(stun_address),
     .arg = "IP",
     .help = "address of the STUN server; all IPv6 and IPv4 addresses when empty"},
    {.flag = "max-peers",
     .env = "ROOKERY_RELAY_MAX_PEERS",
     .type = RK_OPT_I64,
     .def = "50000",
     .min = 1,
     .max = 1000000,
     .at = AT(max_peers),
     .help = "connected peers"},
    {.flag = "max-bandwidth",
     .env = "ROOKERY_RELAY_MAX_BANDWIDTH",
     .type = RK_OPT_TEXT,
     .at = AT(max_bandwidth),
     .check = rate_check,
     .arg = "RATE",
     .help = "what all peers together may send through the relay per second: 500kbit, 20mbit, "
             "1gbit; no limit when empty"},
    {.flag = "max-peer-bandwidth",
     .env = "ROOKERY_RELAY_MAX_PEER_BANDWIDTH",
     .type = RK_OPT_TEXT,
     .at = AT(max_peer_bandwidth),
     .check = rate_check,
     .arg = "RATE",
     .help = "the same for each peer"},
    {.flag = "health-misses",
     .env = "ROOKERY_RELAY_HEALTH_MISSES NB_RELAY_HC_ATTEMPT_THRESHOLD",
     .type = RK_OPT_I64,
     .def = "1",
     .min = 1,
     .max = 100,
     .at = AT(health_misses),
     .help = "windows of 45 s without an answered health check until a peer is dropped"},
    SVC_OPTS(struct relay_options, "ROOKERY_RELAY_", " NB_LOG_LEVEL", " NB_LOG_FILE",
             " NB_METRICS_PORT", " NB_HEALTH_LISTEN_ADDRESS", " NB_TRUSTED_PROXIES", ":9000"),
    /* of the official relay, and nothing here */
    {.flag = "letsencrypt-domains",
     .letter = 'a',
     .env = "NB_LETSENCRYPT_DOMAINS",
     .type = RK_OPT_TEXT,
     .refuse = SVC_NO_ACME},
    {.flag = "letsencrypt-data-dir",
     .letter = 'd',
     .env = "NB_LETSENCRYPT_DATA_DIR",
     .type = RK_OPT_TEXT,
     .idle = NO_ACME_SET},
    {.flag = "letsencrypt-email",
     .env = "NB_LETSENCRYPT_EMAIL",
     .type = RK_OPT_TEXT,
     .idle = NO_ACME_SET},
    {.flag = "letsencrypt-aws-route53",
     .env = "NB_LETSENCRYPT_AWS_ROUTE53",
     .type = RK_OPT_BOOL,
     .quiet = "false|0|f|no|off",
     .refuse = SVC_NO_ACME},
    {.flag = "stun-log-level",
     .env = "NB_STUN_LOG_LEVEL",
     .type = RK_OPT_TEXT,
     .quiet = "info",
     .idle = "--log-level holds for STUN, too"},
    SVC_IDLE_ENV,
};

const struct svc_program RELAY_PROGRAM = {
    .name = "rookery-relay",
    .what = "Relays packets between peers that cannot reach each other directly, and answers STUN.",
    .table = TABLE,
    .n = RK_ARRAY_LEN(TABLE),
};

static enum rk_code stun_address(struct rk_str text, struct rk_ip *out, struct rk_err *err)
{
    *out = (struct rk_ip){0};
    if (text.n && rk_ip_parse(text, out, err)) {
        if (err)
            (void)rk_wrap(err, "--stun-address");
        return RK_INVALID;
    }
    return RK_OK;
}

static enum rk_code stun_ports(const struct relay_options *o, struct rk_addr stun[RELAY_STUN_MAX],
                               size_t *n_stun, struct rk_err *err)
{
    struct rk_ip ip;
    size_t n = 0;

    if (stun_address(o->stun_address, &ip, err))
        return RK_INVALID;
    if (o->enable_stun && !o->stun_ports.n)
        return rk_fail(err, RK_INVALID, "--enable-stun needs --stun-ports");
    for (; o->enable_stun && n < o->stun_ports.n; n++) {
        int64_t port;

        if (rk_parse_i64(o->stun_ports.items[n], 1, UINT16_MAX, &port, NULL))
            return rk_fail(err, RK_INVALID, "--stun-ports: \"%.*s\" is not a port",
                           RK_STR_ARG(o->stun_ports.items[n]));
        for (size_t i = 0; i < n; i++)
            if (stun[i].port == port)
                return rk_fail(err, RK_INVALID, "--stun-ports: %d stands twice", (int)port);
        stun[n] = (struct rk_addr){.ip = ip, .port = (uint16_t)port};
    }
    *n_stun = n;
    return RK_OK;
}

enum rk_code relay_options_check(const struct relay_options *o, struct edge_listen *listen,
                                 struct rk_addr *quic, struct rk_addr stun[RELAY_STUN_MAX],
                                 size_t *n_stun, struct rk_err *err)
{
    enum rk_code rc = svc_listener("listen-address", o->listen_address, &o->common, listen, err);

    if (rc)
        return rc;
    *quic = listen->addr;
    if (o->quic_address.n && rk_addr_parse_listen(o->quic_address, quic, err)) {
        if (err)
            (void)rk_wrap(err, "--quic-address");
        return RK_INVALID;
    }
    return stun_ports(o, stun, n_stun, err);
}
