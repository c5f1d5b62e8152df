/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration of reverse proxies, made from the table of routes; see routes.h. */
#include "config.h"

#include <string.h>

#include "lib/base/num.h"
#include "lib/net/addr.h"
#include "server/routes.h"
#include "server/wiring.h"

struct proxy {
    const struct server_config *c;
    const struct proxy_opts *o;
    struct rk_buf *out;
    const char *backend, *name, *cert, *key; /* "127.0.0.1:8080", "vpn.example.com", paths */
    int port;                                /* the one that machines use */
    bool own_signal, own_relay;
};

static bool serves(const struct proxy *p, const struct server_route *r)
{
    return (p->own_signal || !r->signal) && (p->own_relay || !r->relay);
}

/* Calls `put` for every route of a kind that this server has. */
static void each(const struct proxy *p, enum server_route_kind kind,
                 void (*put)(const struct proxy *p, const struct server_route *r))
{
    for (size_t i = 0; i < SERVER_N_ROUTES; i++)
        if (SERVER_ROUTES[i].kind == kind && serves(p, &SERVER_ROUTES[i]))
            put(p, &SERVER_ROUTES[i]);
}

static void head(const struct proxy *p, const char *comment, const char *where)
{
    rk_buf_printf(p->out,
                  "%s %s, for the Rookery server at %s. Made by \"rookery config proxy %s\".\n",
                  comment, where, p->backend, p->o->kind);
    for (size_t i = 0; p->c->stuns.n == 0 && i < p->c->stun_ports.n; i++)
        rk_buf_printf(p->out,
                      "%s UDP %.*s (STUN) does not pass through a proxy: it must reach the server "
                      "itself.\n",
                      comment, RK_STR_ARG(p->c->stun_ports.items[i]));
}

/* ---- nginx */

static void nginx_grpc(const struct proxy *p, const struct server_route *r)
{
    rk_buf_printf(p->out,
                  "    location %s { # %s\n"
                  "        grpc_pass grpc://%s;\n"
                  "        grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
                  "        grpc_read_timeout 1d;\n"
                  "        grpc_send_timeout 1d;\n"
                  "        grpc_socket_keepalive on;\n"
                  "        client_max_body_size 0;\n"
                  "    }\n",
                  r->path, r->what, p->backend);
}

static void nginx_ws(const struct proxy *p, const struct server_route *r)
{
    rk_buf_printf(p->out,
                  "    location = %s { # %s\n"
                  "        proxy_pass http://%s;\n"
                  "        proxy_http_version 1.1;\n"
                  "        proxy_set_header Host $http_host;\n"
                  "        proxy_set_header Upgrade $http_upgrade;\n"
                  "        proxy_set_header Connection \"upgrade\";\n"
                  "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
                  "        proxy_read_timeout 1d;\n"
                  "        proxy_send_timeout 1d;\n"
                  "    }\n",
                  r->path, r->what, p->backend);
}

static void nginx(const struct proxy *p)
{
    head(p, "#", "A file in /etc/nginx/conf.d");
    if (!p->c->signal_greeting && p->own_signal)
        rk_buf_addz(
            p->out,
            "# nginx below 1.25 keeps response headers back over TLS: there the server needs\n"
            "# \"x: {signalGreeting: true}\" in its configuration (Debian 12 has 1.22).\n");
    rk_buf_printf(
        p->out,
        "server {\n"
        "    listen %d ssl http2;\n"
        "    listen [::]:%d ssl http2;\n"
        "    server_name %s;\n"
        "    ssl_certificate %s;\n"
        "    ssl_certificate_key %s;\n\n"
        "    # agents keep one connection for days, with streams that are silent for long\n"
        "    client_header_timeout 1d;\n"
        "    client_body_timeout 1d;\n"
        "    keepalive_timeout 1d;\n"
        "    keepalive_requests 1000000000;\n"
        "    http2_max_concurrent_streams 1024;\n\n",
        p->port, p->port, p->name, p->cert, p->key);
    each(p, ROUTE_GRPC, nginx_grpc);
    each(p, ROUTE_WS, nginx_ws);
    rk_buf_printf(p->out,
                  "    location / { # REST, sign-in, pages\n"
                  "        proxy_pass http://%s;\n"
                  "        proxy_http_version 1.1;\n"
                  "        proxy_set_header Host $http_host;\n"
                  "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
                  "        proxy_set_header X-Forwarded-Proto https;\n"
                  "        client_max_body_size 16m;\n"
                  "    }\n"
                  "}\n",
                  p->backend);
}

/* ---- Caddy */

static void caddy_grpc(const struct proxy *p, const struct server_route *r)
{
    rk_buf_printf(p->out,
                  "    reverse_proxy %s* h2c://%s { # %s\n"
                  "        flush_interval -1\n"
                  "    }\n",
                  r->path, p->backend, r->what);
}

static void caddy_ws(const struct proxy *p, const struct server_route *r)
{
    rk_buf_printf(p->out, "    reverse_proxy %s %s # %s\n", r->path, p->backend, r->what);
}

static void caddy(const struct proxy *p)
{
    head(p, "#", "A site of /etc/caddy/Caddyfile");
    rk_buf_addz(p->out,
                "# The global options need \"grace_period 5s\": without it a restart waits for "
                "streams that never end.\n");
    rk_buf_printf(p->out, "https://%s:%d {\n", p->name, p->port);
    if (p->o->cert.n)
        rk_buf_printf(p->out, "    tls %s %s\n", p->cert, p->key);
    each(p, ROUTE_GRPC, caddy_grpc);
    each(p, ROUTE_WS, caddy_ws);
    rk_buf_printf(p->out, "    reverse_proxy %s # REST, sign-in, pages\n}\n", p->backend);
}

/* ---- HAProxy */

static void haproxy_path(const struct proxy *p, const struct server_route *r)
{
    rk_buf_printf(p->out, " %s", r->path);
}

static void haproxy(const struct proxy *p)
{
    head(p, "#", "Parts of /etc/haproxy/haproxy.cfg");
    rk_buf_printf(p->out,
                  "# The certificate is one file with chain and key.\n"
                  "frontend rookery\n"
                  "    mode http\n"
                  "    bind :::%d v4v6 ssl crt %s alpn h2,http/1.1\n"
                  "    timeout client 1d\n"
                  "    timeout http-keep-alive 1d\n"
                  "    option forwardfor\n"
                  "    http-request set-header X-Forwarded-Proto https\n"
                  "    acl rookery_grpc path_beg",
                  p->port, p->cert);
    each(p, ROUTE_GRPC, haproxy_path);
    rk_buf_printf(p->out,
                  "\n"
                  "    use_backend rookery_grpc if rookery_grpc\n"
                  "    default_backend rookery\n\n"
                  "backend rookery_grpc\n"
                  "    mode http\n"
                  "    timeout connect 5s\n"
                  "    timeout server 1d\n"
                  "    server rookery %s proto h2\n\n"
                  "backend rookery # REST, sign-in, pages and, by WebSocket:",
                  p->backend);
    each(p, ROUTE_WS, haproxy_path);
    rk_buf_printf(p->out,
                  "\n"
                  "    mode http\n"
                  "    timeout connect 5s\n"
                  "    timeout server 1d\n"
                  "    timeout tunnel 1d\n"
                  "    server rookery %s\n",
                  p->backend);
}

/* ---- Traefik */

static void traefik_path(const struct proxy *p, const struct server_route *r)
{
    bool first = r == &SERVER_ROUTES[0];

    rk_buf_printf(p->out, "%sPathPrefix(`%s`)", first ? "" : " || ", r->path);
}

static void traefik(const struct proxy *p)
{
    head(p, "#", "A file of Traefik's file provider");
    rk_buf_printf(
        p->out,
        "# Its static configuration needs, for streams that live for days:\n"
        "#   entryPoints: {websecure: {address: \":%d\", transport: {respondingTimeouts:\n"
        "#     {readTimeout: 0, writeTimeout: 0, idleTimeout: 0}}}}\n"
        "http:\n"
        "  routers:\n"
        "    rookery-grpc:\n"
        "      rule: \"Host(`%s`) && (",
        p->port, p->name);
    each(p, ROUTE_GRPC, traefik_path);
    rk_buf_printf(p->out,
                  ")\"\n"
                  "      priority: 100\n"
                  "      entryPoints: [websecure]\n"
                  "      service: rookery-grpc\n"
                  "      tls: {}\n"
                  "    rookery:\n"
                  "      rule: \"Host(`%s`)\"\n"
                  "      priority: 1\n"
                  "      entryPoints: [websecure]\n"
                  "      service: rookery\n"
                  "      tls: {}\n"
                  "  services:\n"
                  "    rookery-grpc:\n"
                  "      loadBalancer:\n"
                  "        responseForwarding: {flushInterval: -1ms}\n"
                  "        servers: [{url: \"h2c://%s\"}]\n"
                  "    rookery: # REST, sign-in, pages, WebSockets\n"
                  "      loadBalancer:\n"
                  "        servers: [{url: \"http://%s\"}]\n",
                  p->name, p->backend, p->backend);
    if (p->o->cert.n)
        rk_buf_printf(p->out, "tls:\n  certificates: [{certFile: \"%s\", keyFile: \"%s\"}]\n",
                      p->cert, p->key);
}

/* ---- all */

static const struct kind {
    const char *name;
    void (*put)(const struct proxy *p);
} KINDS[] = {
    {"nginx", nginx},
    {"caddy", caddy},
    {"haproxy", haproxy},
    {"traefik", traefik},
};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(KINDS); i++)
        if (strcmp(name, KINDS[i].name) == 0)
            return &KINDS[i];
    return NULL;
}

bool server_proxy_known(const char *kind)
{
    return kind_of(kind) != NULL;
}

/* Where the proxy finds the server: on this machine unless the server listens on one address. */
static const char *backend_of(struct rk_arena *mem, const struct wiring *w)
{
    char text[RK_ADDR_TEXT];
    struct rk_addr a = w->listen;

    if (!a.ip.family || rk_ip_is_unspecified(&a.ip))
        a.ip = rk_ip4(127, 0, 0, 1);
    return rk_arena_dupz(mem, rk_addr_format(&a, text));
}

static void split(struct rk_arena *mem, struct rk_str url, struct proxy *p)
{
    struct rk_str s = rk_str_sub(url, rk_str_find(url, RK_STR("://")) + 3, url.n);
    size_t colon = s.n;
    int64_t port = 443;

    while (colon > 0 && s.p[colon - 1] != ':')
        colon--;
    if (colon && rk_parse_i64(rk_str_sub(s, colon, s.n), 1, UINT16_MAX, &port, NULL))
        port = 443;
    p->port = (int)port;
    p->name = rk_arena_dupz(mem, rk_str_sub(s, 0, colon ? colon - 1 : s.n));
}

enum rk_code server_proxy_conf(struct rk_arena *mem, const struct server_config *c,
                               const struct proxy_opts *o, struct rk_buf *out, struct rk_err *err)
{
    struct proxy p = {.c = c, .o = o, .out = out};
    const struct kind *kind = kind_of(o->kind);
    struct wiring w;

    if (!kind)
        return rk_fail(err, RK_INVALID, "\"%s\": nginx, caddy, haproxy and traefik are known",
                       o->kind);
    if (wiring_derive(mem, c, &w, err))
        return err->code;
    if (c->tls_cert.n)
        return rk_fail(err, RK_INVALID,
                       "server.tls is set: this server needs no proxy; leave it out to put one "
                       "before it");
    if (!rk_str_starts(c->exposed_address, RK_STR("https://")))
        return rk_fail(err, RK_INVALID,
                       "server.exposedAddress is not https://…: set it to the proxy's address");
    p.backend = backend_of(mem, &w);
    split(mem, c->exposed_address, &p);
    p.own_signal = w.own_signal;
    p.own_relay = w.own_relay;
    p.cert = o->cert.n ? rk_arena_dupz(mem, o->cert)
                       : rk_arena_printf(mem, "/etc/letsencrypt/live/%s/fullchain.pem", p.name).p;
    p.key = o->key.n ? rk_arena_dupz(mem, o->key)
                     : rk_arena_printf(mem, "/etc/letsencrypt/live/%s/privkey.pem", p.name).p;
    kind->put(&p);
    return RK_OK;
}
