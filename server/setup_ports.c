/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports that the server needs: free, or held by whom; see setup_priv.h. */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "server/setup_priv.h"
#include "server/verify.h"
#include "server/wiring.h"

enum { TCP_LISTEN = 0x0a, CONTAINERS_MS = 3000 };

/* ---- who holds a port, by the kernel's tables */

/* The inode of the socket that has the port, 0: none. */
static unsigned long inode_in(const char *table, unsigned port, bool tcp)
{
    FILE *f = fopen(table, "re");
    unsigned long inode = 0, found = 0;
    char line[512];
    unsigned at, state;

    if (!f)
        return 0;
    while (!found && fgets(line, sizeof line, f))
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu", &at,
                   &state, &inode) == 3 &&
            at == port && (!tcp || state == TCP_LISTEN))
            found = inode;
    (void)fclose(f);
    return found;
}

static bool has_socket(const char *pid, const char *socket_name)
{
    char path[300], to[64];
    const struct dirent *e;
    DIR *d;
    bool yes = false;

    (void)snprintf(path, sizeof path, "/proc/%s/fd", pid);
    d = opendir(path);
    while (d && !yes && (e = readdir(d))) {
        char link[600];
        ssize_t n;

        (void)snprintf(link, sizeof link, "%s/%s", path, e->d_name);
        n = readlink(link, to, sizeof to - 1);
        to[n > 0 ? n : 0] = '\0';
        yes = strcmp(to, socket_name) == 0;
    }
    if (d)
        (void)closedir(d);
    return yes;
}

/* "nginx (process 123)", or an empty text. */
static void holder_of(unsigned port, bool tcp, char *out, size_t size)
{
    unsigned long inode = inode_in(tcp ? "/proc/net/tcp" : "/proc/net/udp", port, tcp);
    char name[64];
    const struct dirent *e;
    DIR *d;

    *out = '\0';
    if (!inode)
        inode = inode_in(tcp ? "/proc/net/tcp6" : "/proc/net/udp6", port, tcp);
    d = inode ? opendir("/proc") : NULL;
    (void)snprintf(name, sizeof name, "socket:[%lu]", inode);
    while (d && !*out && (e = readdir(d))) {
        char path[300], comm[64];
        size_t n;

        if (!isdigit((unsigned char)e->d_name[0]) || !has_socket(e->d_name, name))
            continue;
        (void)snprintf(path, sizeof path, "/proc/%s/comm", e->d_name);
        n = rk_file_peek(path, comm, sizeof comm - 1);
        comm[n && comm[n - 1] == '\n' ? n - 1 : n] = '\0';
        (void)snprintf(out, size, "%s (process %.20s)", comm, e->d_name);
    }
    if (d)
        (void)closedir(d);
}

/* ---- containers: their ports may be taken by rules of the firewall and no socket at all */

struct container {
    const char *name; /* lent by the document */
    unsigned port;
    bool tcp;
};

static const char *engine_socket(void)
{
    static const char *const places[] = {"/var/run/docker.sock", "/run/podman/podman.sock"};
    const char *host = getenv("DOCKER_HOST");

    if (host && strncmp(host, "unix://", 7) == 0)
        return host + 7;
    for (size_t i = 0; i < RK_ARRAY_LEN(places); i++)
        if (access(places[i], R_OK | W_OK) == 0)
            return places[i];
    return NULL;
}

/* What the engine has running; NULL when there is none, or it does not say. */
static json_t *containers(struct rk_arena *mem)
{
    struct setup_get g = {.url = "http://localhost/containers/json",
                          .unix_socket = engine_socket(),
                          .limit_ms = CONTAINERS_MS};

    if (!g.unix_socket || setup_get(mem, &g, NULL) || g.status != 200)
        return NULL;
    return json_loadb(g.body.p, g.body.n, 0, NULL);
}

/* Its name when a container publishes the port. */
static const char *container_at(const json_t *all, unsigned port, bool tcp)
{
    const json_t *c, *p;
    size_t i, k;

    json_array_foreach (all, i, c) {
        const char *name = json_string_value(json_array_get(json_object_get(c, "Names"), 0));
        const json_t *ports = json_object_get(c, "Ports");

        json_array_foreach (ports, k, p) {
            const char *type = json_string_value(json_object_get(p, "Type"));

            if (json_integer_value(json_object_get(p, "PublicPort")) == (json_int_t)port &&
                strcmp(type ? type : "tcp", tcp ? "tcp" : "udp") == 0)
                return name ? name + (*name == '/') : "a container";
        }
    }
    return NULL;
}

/* ---- the checks */

struct want {
    struct rk_addr at;
    const char *what;
    int type;
};

static size_t wanted(struct setup_checks *k, struct want *w, size_t max)
{
    const struct server_config *c = &k->s->c;
    struct wiring all;
    struct rk_err err = {0};
    size_t n = 0;

    if (wiring_derive(k->s->mem, c, &all, &err)) {
        setup_find(k, SETUP_BAD, "addresses", "see above", "%s", err.msg);
        return 0;
    }
    w[n++] = (struct want){all.listen, "machines and browsers", SOCK_STREAM};
    if (c->http_address.n && rk_addr_parse_listen(c->http_address, &w[n].at, NULL) == RK_OK) {
        w[n].what = "the authority that gives certificates";
        w[n++].type = SOCK_STREAM;
    }
    for (size_t i = 0; i < all.n_ops && n < max; i++)
        w[n++] = (struct want){all.ops[i], "metrics and health", SOCK_STREAM};
    for (size_t i = 0; i < all.n_stun && n < max; i++)
        w[n++] = (struct want){all.stun[i], "STUN", SOCK_DGRAM};
    return n;
}

static void check_port(struct setup_checks *k, const struct want *w, const json_t *all)
{
    bool tcp = w->type == SOCK_STREAM;
    const char *kind = tcp ? "TCP" : "UDP", *container = container_at(all, w->at.port, tcp);
    int why = server_port_try(&w->at, w->type);
    char who[128];

    if (container) {
        setup_find(k, SETUP_BAD, "ports",
                   rk_arena_printf(k->s->mem,
                                   "stop it (docker stop %s), take another --port, or put this "
                                   "server --behind-proxy",
                                   container)
                       .p,
                   "%s %u is published by the container %s", kind, (unsigned)w->at.port, container);
        return;
    }
    if (!why) {
        setup_find(k, SETUP_GOOD, "ports", NULL, "%s %u is free, for %s", kind,
                   (unsigned)w->at.port, w->what);
        return;
    }
    holder_of(w->at.port, tcp, who, sizeof who);
    if (why == EADDRINUSE && rk_str_starts(rk_str_z(who), RK_STR("systemd (process 1)")) &&
        setup_unit_holds_ports())
        setup_find(k, SETUP_GOOD, "ports", NULL, "%s %u is held for the server by " SETUP_SOCKET,
                   kind, (unsigned)w->at.port);
    else if (why == EADDRINUSE)
        setup_find(k, SETUP_BAD, "ports",
                   "stop that program, take another port (--port, --stun-port), or put this "
                   "server --behind-proxy",
                   "%s %u is held by %s", kind, (unsigned)w->at.port,
                   *who ? who : "another program");
    else
        setup_find(k, SETUP_BAD, "ports",
                   why == EACCES ? "run this as root" : "name an address of this machine",
                   "%s %u cannot be had: %s", kind, (unsigned)w->at.port, strerror(why));
}

void setup_check_ports(struct setup_checks *k)
{
    struct want w[16];
    size_t n = wanted(k, w, RK_ARRAY_LEN(w));
    json_t *all = containers(k->s->mem);

    for (size_t i = 0; i < n; i++)
        check_port(k, &w[i], all);
    json_decref(all);
}
