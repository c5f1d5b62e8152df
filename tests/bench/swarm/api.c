/* SPDX-License-Identifier: BSD-3-Clause */
/* REST calls and the accounts of the three shapes; see swarm.h. */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "tests/bench/swarm/swarm.h"

static _Noreturn void die(const char *what, const char *detail)
{
    (void)fprintf(stderr, "swarm: %s: %s\n", what, detail);
    exit(1);
}

void api_open(struct api *a, const struct options *o)
{
    struct rk_str url = o->url, http = RK_STR("http://"), https = RK_STR("https://"), host, port;
    struct tls_client_opts t = {0};
    struct rk_err err = {0};
    int64_t n;

    *a = (struct api){0};
    a->tls = rk_str_starts(url, https);
    if (!a->tls && !rk_str_starts(url, http))
        die("--url", "expected http://host:port or https://host:port");
    url = rk_str_sub(url, a->tls ? https.n : http.n, url.n);
    (void)rk_str_cut(url, '/', &url, &port);
    n = a->tls ? 443 : 80;
    if (rk_str_cut(url, ':', &host, &port) && rk_parse_i64(port, 1, 65535, &n, &err))
        die("--url", err.msg);
    (void)snprintf(a->host, sizeof a->host, "%.*s", RK_STR_ARG(host));
    a->port = (uint16_t)n;
    (void)snprintf(a->token, sizeof a->token, "%.*s", RK_STR_ARG(o->api_token));
    t.ca_file = o->ca_file.n ? rk_str_dupz(o->ca_file) : NULL;
    if (a->tls && tls_client_new(&t, &a->tls_ctx, &err))
        die("TLS", err.msg);
}

/* ---- HTTP/1.1, one connection per call */

struct chan {
    int fd;
    struct tls_sess *tls;
    struct tls_sess_user user;
};

static void put(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            die("REST", "the connection broke");
        p += w;
        n -= (size_t)w;
    }
}

static void tls_output(struct tls_sess_user *u, struct rk_str cipher)
{
    put(rk_container_of(u, struct chan, user)->fd, cipher.p, cipher.n);
}

static int dial(const struct api *a)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *res, *it;
    char port[8];
    int fd = -1;

    (void)snprintf(port, sizeof port, "%u", a->port);
    if (getaddrinfo(a->host, port, &hints, &res))
        die("REST: no such host", a->host);
    for (it = res; it && fd < 0; it = it->ai_next) {
        fd = socket(it->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, it->ai_addr, it->ai_addrlen)) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(res);
    return fd;
}

static void handshake(const struct api *a, struct chan *c)
{
    struct rk_err err = {0};
    char in[16384];
    bool done = false;

    c->user.output = tls_output;
    if (tls_sess_new(a->tls_ctx, a->host, "http/1.1", &c->user, &c->tls, &err))
        die("TLS", err.msg);
    for (;;) {
        ssize_t n;

        if (tls_sess_handshake(c->tls, &done, &err))
            die("TLS", err.msg);
        if (done)
            return;
        n = read(c->fd, in, sizeof in);
        if (n <= 0)
            die("TLS", "the connection broke");
        tls_sess_feed(c->tls, rk_str_of(in, (size_t)n));
    }
}

/* Everything until the server closes. */
static char *read_all(struct chan *c, size_t *n)
{
    size_t cap = 1 << 16, got;
    char *buf = rk_malloc(cap + 1), in[16384];
    bool eof = false;
    ssize_t r;

    *n = 0;
    while (!eof && (r = read(c->fd, in, sizeof in)) > 0) {
        if (c->tls)
            tls_sess_feed(c->tls, rk_str_of(in, (size_t)r));
        do {
            if (cap - *n < sizeof in)
                buf = rk_realloc(buf, (cap *= 2) + 1, 1);
            got = (size_t)r;
            if (!c->tls)
                memcpy(buf + *n, in, got);
            else if (tls_sess_read(c->tls, buf + *n, cap - *n, &got, &eof, NULL))
                eof = true;
            *n += got;
        } while (c->tls && got && !eof);
    }
    buf[*n] = 0;
    return buf;
}

static void send_request(const struct api *a, struct chan *c, const char *method, const char *path,
                         const char *body)
{
    char head[1024];
    int n = snprintf(head, sizeof head,
                     "%s %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n%s%s%s"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     method, path, a->host, a->port, a->token[0] ? "Authorization: Token " : "",
                     a->token, a->token[0] ? "\r\n" : "", body ? strlen(body) : 0);

    if (c->tls) {
        RK_IGNORE(tls_sess_write(c->tls, rk_str_of(head, (size_t)n), NULL));
        if (body)
            RK_IGNORE(tls_sess_write(c->tls, rk_str_z(body), NULL));
        return;
    }
    put(c->fd, head, (size_t)n);
    if (body)
        put(c->fd, body, strlen(body));
}

/* Chunked bodies (the official server uses them for long lists) are put together in place. */
static void unchunk(char *body)
{
    char *from = body, *to = body;

    for (;;) {
        char *end;
        unsigned long n = strtoul(from, &end, 16);

        if (end == from || !n)
            break;
        end += 2;
        memmove(to, end, n);
        to += n;
        from = end + n + 2;
    }
    *to = 0;
}

int api_call(struct api *a, const char *method, const char *path, json_t *body, json_t **answer)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL, *all, *at;
    struct chan c = {.fd = dial(a)};
    int status = 0;
    size_t n;

    if (c.fd < 0)
        die("REST", "nobody answers");
    if (a->tls)
        handshake(a, &c);
    send_request(a, &c, method, path, text);
    all = read_all(&c, &n);
    tls_sess_free(c.tls);
    (void)close(c.fd);
    free(text);
    if (n > 12 && !strncmp(all, "HTTP/1.1 ", 9))
        status = (int)strtol(all + 9, NULL, 10);
    at = strstr(all, "\r\n\r\n");
    if (at && answer) {
        *at = 0;
        if (strcasestr(all, "transfer-encoding: chunked"))
            unchunk(at + 4);
        *answer = json_loads(at + 4, JSON_DECODE_ANY, NULL);
    }
    free(all);
    return status;
}

json_t *api_must(struct api *a, const char *method, const char *path, json_t *body)
{
    json_t *answer = NULL;
    int status = api_call(a, method, path, body, &answer);

    json_decref(body);
    if (status != 200) {
        (void)fprintf(stderr, "swarm: %s %s: status %d: %s\n", method, path, status,
                      answer ? json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY) : "");
        exit(1);
    }
    return answer;
}

/* ---- shapes */

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static void make_owner(struct api *a)
{
    json_t *r;

    if (a->token[0])
        return;
    r = api_must(a, "POST", "/api/setup",
                 json_pack("{s:s,s:s,s:s,s:b}", "email", "owner@example.com", "password",
                           "Correct-Horse-7", "name", "Owner", "create_pat", 1));
    (void)snprintf(a->token, sizeof a->token, "%s", text_of(r, "personal_access_token"));
    json_decref(r);
    if (!a->token[0])
        die("set-up", "the server returned no token (--setup-pat, NB_SETUP_PAT_ENABLED=true)");
}

static void new_key(struct api *a, struct plan *p, size_t i, const char *group)
{
    json_t *groups = json_array(), *r;

    if (group)
        (void)json_array_append_new(groups, json_string(group));
    r = api_must(a, "POST", "/api/setup-keys",
                 json_pack("{s:s,s:s,s:i,s:o,s:i}", "name", "swarm", "type", "reusable",
                           "expires_in", 86400, "auto_groups", groups, "usage_limit", 0));
    (void)snprintf(p->key[i], sizeof p->key[i], "%s", text_of(r, "key"));
    json_decref(r);
}

static char *new_group(struct api *a, const char *name)
{
    json_t *r = api_must(a, "POST", "/api/groups", json_pack("{s:s}", "name", name));
    char *id = rk_str_dupz(rk_str_z(text_of(r, "id")));

    json_decref(r);
    return id;
}

/* One bidirectional rule; the two forms differ in what they let through, not in size. */
static json_t *policy_body(const char *name, const char *src, const char *dst, const char *protocol)
{
    return json_pack("{s:s,s:s,s:b,s:[{s:s,s:b,s:s,s:b,s:s,s:[s],s:[s]}]}", "name", name,
                     "description", "", "enabled", 1, "rules", "name", name, "enabled", 1, "action",
                     "accept", "bidirectional", 1, "protocol", protocol, "sources", src,
                     "destinations", dst);
}

static void new_policy(struct api *a, struct plan *p, const char *name, const char *src,
                       const char *dst, bool edited)
{
    json_t *r = api_must(a, "POST", "/api/policies", policy_body(name, src, dst, "all"));

    if (edited) {
        (void)snprintf(p->policy, sizeof p->policy, "%s", text_of(r, "id"));
        p->body[0] = policy_body(name, src, dst, "icmp");
        p->body[1] = policy_body(name, src, dst, "all");
    }
    json_decref(r);
}

static void delete_default(struct api *a)
{
    json_t *list = api_must(a, "GET", "/api/policies", NULL), *v;
    char path[160];
    size_t i;

    json_array_foreach (list, i, v) {
        (void)snprintf(path, sizeof path, "/api/policies/%s", text_of(v, "id"));
        json_decref(api_must(a, "DELETE", path, NULL));
    }
    json_decref(list);
}

static void plan_all(struct api *a, struct plan *p)
{
    json_t *groups = api_must(a, "GET", "/api/groups", NULL), *g;
    size_t i;

    p->n_groups = 1;
    new_key(a, p, 0, NULL);
    json_array_foreach (groups, i, g)
        if (!strcmp(text_of(g, "name"), "All"))
            new_policy(a, p, "everybody", text_of(g, "id"), text_of(g, "id"), true);
    json_decref(groups);
}

static void plan_hub(struct api *a, struct plan *p)
{
    char *hubs = new_group(a, "hubs"), *spokes = new_group(a, "spokes");

    p->n_groups = 2;
    new_key(a, p, 0, hubs);
    new_key(a, p, 1, spokes);
    new_policy(a, p, "hub", spokes, hubs, true);
    free(hubs);
    free(spokes);
}

static void plan_groups(struct api *a, struct plan *p, size_t n)
{
    char name[32];

    p->n_groups = n;
    for (size_t i = 0; i < n; i++) {
        char *g;

        (void)snprintf(name, sizeof name, "group-%zu", i);
        g = new_group(a, name);
        new_key(a, p, i, g);
        new_policy(a, p, name, g, g, i == 0);
        free(g);
    }
}

void plan_make(struct api *a, const struct options *o, struct plan *p)
{
    int64_t n = 0;

    if (rk_str_starts(o->shape, RK_STR("groups:"))) {
        if (rk_parse_i64(rk_str_sub(o->shape, 7, 16), 1, GROUPS_MAX, &n, NULL))
            die("--shape", "groups:N with N from 1 to 10000");
        p->shape = SHAPE_GROUPS;
    } else if (rk_str_eqz(o->shape, "hub")) {
        p->shape = SHAPE_HUB;
    } else if (!rk_str_eqz(o->shape, "allow-all")) {
        die("--shape", "allow-all, hub or groups:N");
    }
    make_owner(a);
    delete_default(a);
    if (p->shape == SHAPE_ALL)
        plan_all(a, p);
    else if (p->shape == SHAPE_HUB)
        plan_hub(a, p);
    else
        plan_groups(a, p, (size_t)n);
    if (o->setup_key.n)
        (void)snprintf(p->key[0], sizeof p->key[0], "%.*s", RK_STR_ARG(o->setup_key));
}

size_t plan_group(const struct plan *p, size_t i)
{
    if (p->shape == SHAPE_HUB)
        return i < HUBS ? 0 : 1;
    return i % p->n_groups;
}

bool plan_affected(const struct plan *p, size_t i)
{
    return p->shape != SHAPE_GROUPS || i % p->n_groups == 0;
}

size_t plan_newcomer_group(const struct plan *p)
{
    return p->shape == SHAPE_HUB ? 1 : 0;
}

bool plan_meets_newcomer(const struct plan *p, size_t i)
{
    if (p->shape == SHAPE_HUB)
        return i < HUBS;
    return plan_affected(p, i);
}

void plan_edit(struct api *a, struct plan *p)
{
    char path[160];

    (void)snprintf(path, sizeof path, "/api/policies/%s", p->policy);
    json_decref(api_must(a, "PUT", path, json_incref(p->body[p->form])));
    p->form = !p->form;
}
