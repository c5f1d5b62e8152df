/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The authorization code flow with PKCE; see sso.h. The browser comes back to a port of this
 * machine, where a few lines of HTTP/1.1 wait for one request: browsers also open connections that
 * they never use, so several are looked at, and what is not the answer is not the end.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client/sso_priv.h"
#include "lib/base/buf.h"
#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secret.h"

#define LIFE_MS        300000 /* how long the person may take */
#define CONNS_MAX      16
#define REQUEST_MAX    ((size_t)16 << 10)
#define STATE_BYTES    24
#define VERIFIER_BYTES 48 /* 96 hexadecimal digits: RFC 7636 takes 43 to 128 characters */

enum login_flag { PROMPT_LOGIN = 0, MAX_AGE_0 = 1 }; /* of ProviderConfig */

struct pkce {
    struct rk_arena *mem;
    const json_t *flow;
    struct rk_str redirect, path; /* the address that was chosen, and its path */
    struct rk_str state, verifier;
    int listeners[2];
    struct conn {
        int fd; /* -1: free */
        struct rk_buf in;
    } conns[CONNS_MAX];
};

/* ---- the port */

/* "http://localhost:53000/path": its port; 0: not a port of this machine. */
static uint16_t loopback_port(struct rk_str url, struct rk_str *path)
{
    struct rk_str rest, host, port;
    int64_t n;
    size_t slash;

    if (!rk_str_istarts(url, RK_STR("http://")))
        return 0;
    rest = rk_str_sub(url, 7, url.n);
    slash = rk_str_find_c(rest, '/');
    *path = slash < rest.n ? rk_str_sub(rest, slash, rest.n) : RK_STR("/");
    rest = rk_str_sub(rest, 0, slash);
    if (!rk_str_cut(rest, ':', &host, &port) ||
        (!rk_str_ieq(host, RK_STR("localhost")) && !rk_str_eqz(host, "127.0.0.1")) ||
        rk_parse_i64(port, 1, 65535, &n, NULL))
        return 0;
    return (uint16_t)n;
}

static int listen_on(int family, uint16_t port)
{
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr *sa =
        family == AF_INET ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, sa, family == AF_INET ? sizeof v4 : sizeof v6) != 0 || listen(fd, 8) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* The first address of the flow that is free. "localhost" may be ::1 to the browser, too. */
static enum rk_code open_port(struct pkce *p, struct rk_err *err)
{
    const json_t *urls = json_object_get(p->flow, "redirect_urls"), *one;
    size_t i;

    json_array_foreach (urls, i, one) {
        struct rk_str url = rk_str_of(json_string_value(one), json_string_length(one));
        uint16_t port = loopback_port(url, &p->path);

        p->listeners[0] = port ? listen_on(AF_INET, port) : -1;
        if (p->listeners[0] < 0)
            continue;
        p->listeners[1] = listen_on(AF_INET6, port);
        p->redirect = url;
        return RK_OK;
    }
    return rk_fail(err, RK_PRECONDITION,
                   "no address that the login may come back to is a free port of this machine");
}

static void close_all(struct pkce *p)
{
    for (size_t i = 0; i < CONNS_MAX; i++) {
        if (p->conns[i].fd >= 0)
            (void)close(p->conns[i].fd);
        if (p->conns[i].in.p)
            rk_secret_wipe(p->conns[i].in.p, p->conns[i].in.n); /* the code is in it */
        rk_buf_done(&p->conns[i].in);
    }
    for (size_t i = 0; i < 2; i++)
        if (p->listeners[i] >= 0)
            (void)close(p->listeners[i]);
}

/* ---- the address for the browser */

static struct rk_str random_hex(struct rk_arena *mem, size_t n)
{
    uint8_t bytes[VERIFIER_BYTES];
    struct rk_str out;

    rk_secret_random(bytes, n);
    out = rk_hex_encode(mem, rk_str_of((const char *)bytes, n));
    rk_secret_wipe(bytes, sizeof bytes);
    return out;
}

static struct rk_str authorize_url(struct pkce *p, struct rk_str hint)
{
    struct rk_str url = sso_text(p->flow, "authorize_url"), q = RK_STR("response_type=code");
    json_int_t flag = json_integer_value(json_object_get(p->flow, "login_flag"));
    uint8_t digest[HASH_SHA256_SIZE];

    hash_sha256(p->verifier, digest);
    q = sso_add(p->mem, q, "client_id", sso_text(p->flow, "client_id"));
    q = sso_add(p->mem, q, "redirect_uri", p->redirect);
    q = sso_add(p->mem, q, "scope", sso_text(p->flow, "scope"));
    q = sso_add(p->mem, q, "state", p->state);
    q = sso_add(p->mem, q, "code_challenge_method", RK_STR("S256"));
    q = sso_add(p->mem, q, "code_challenge",
                rk_base64url_encode(p->mem, rk_str_of((const char *)digest, sizeof digest)));
    q = sso_add(p->mem, q, "audience", sso_text(p->flow, "audience"));
    if (flag == PROMPT_LOGIN)
        q = sso_add(p->mem, q, "prompt", RK_STR("login"));
    else if (flag == MAX_AGE_0)
        q = sso_add(p->mem, q, "max_age", RK_STR("0"));
    q = sso_add(p->mem, q, "login_hint", hint);
    return RK_CAT(p->mem, url, rk_str_z(rk_str_find_c(url, '?') < url.n ? "&" : "?"), q);
}

/* ---- the browser comes back */

static struct rk_str query_value(struct pkce *p, struct rk_str query, const char *name)
{
    struct rk_str pair, key, value, out = {0};

    while (query.n) {
        (void)rk_str_cut(query, '&', &pair, &query);
        (void)rk_str_cut(pair, '=', &key, &value);
        if (rk_str_eqz(key, name) && rk_percent_decode(p->mem, value, true, &out, NULL) == RK_OK)
            return out;
    }
    return (struct rk_str){0};
}

static void answer(struct conn *c, const char *status, const char *title, const char *text)
{
    char page[1024], head[256];
    int n = snprintf(page, sizeof page,
                     "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>%s</title>"
                     "<body style=\"font-family:sans-serif;margin:4em auto;max-width:30em\">"
                     "<h1>%s</h1><p>%s</p></body></html>",
                     title, title, text);
    int h =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n"
                 "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                 status, n);

    (void)!send(c->fd, head, (size_t)h, MSG_NOSIGNAL);
    (void)!send(c->fd, page, (size_t)n, MSG_NOSIGNAL);
}

static enum rk_code exchange(struct pkce *p, struct rk_str code, struct rk_str *token,
                             struct rk_err *err)
{
    struct rk_str form = RK_STR("grant_type=authorization_code"), error, why;
    unsigned status;
    json_t *a = NULL;
    enum rk_code rc;

    form = sso_add(p->mem, form, "code", code);
    form = sso_add(p->mem, form, "redirect_uri", p->redirect);
    form = sso_add(p->mem, form, "client_id", sso_text(p->flow, "client_id"));
    form = sso_add(p->mem, form, "client_secret", sso_text(p->flow, "client_secret"));
    form = sso_add(p->mem, form, "code_verifier", p->verifier);
    rc = sso_post(p->mem, p->flow, "token_url", form, &status, &a, err);
    if (rc)
        return rc;
    error = sso_text(a, "error");
    why = sso_text(a, "error_description");
    if (error.n)
        rc = rk_fail(err, RK_FORBIDDEN, "login refused: %.*s", RK_STR_ARG(why.n ? why : error));
    else
        rc = sso_take_token(p->mem, p->flow, a, token, err);
    json_decref(a);
    return rc;
}

/* One whole request. *over: the login has its end, good or bad. */
static enum rk_code take_request(struct pkce *p, struct conn *c, bool *over, struct rk_str *token,
                                 struct rk_err *err)
{
    struct rk_str line, rest, method, target, path, query, error, why, code;
    enum rk_code rc;

    (void)rk_str_cut(rk_buf_str(&c->in), '\r', &line, &rest);
    (void)rk_str_cut(line, ' ', &method, &rest);
    (void)rk_str_cut(rest, ' ', &target, &rest);
    if (!rk_str_cut(target, '?', &path, &query))
        query = (struct rk_str){0};
    if (!rk_str_eqz(method, "GET") || !rk_str_eq(path, p->path)) {
        answer(c, "404 Not Found", "Nothing here", "This is where a login comes back to.");
        return RK_OK;
    }
    if (!rk_secret_str_eq(query_value(p, query, "state"), p->state)) {
        answer(c, "400 Bad Request", "Not this login",
               "The address belongs to another login. Open the one that the command shows.");
        return RK_OK;
    }
    *over = true;
    error = query_value(p, query, "error");
    why = query_value(p, query, "error_description");
    code = query_value(p, query, "code");
    if (error.n)
        rc = rk_fail(err, RK_FORBIDDEN, "login refused: %.*s", RK_STR_ARG(why.n ? why : error));
    else if (!code.n)
        rc = rk_fail(err, RK_BAD_REQUEST,
                     "the identity provider sent the browser back without a "
                     "code");
    else
        rc = exchange(p, code, token, err);
    if (rc == RK_OK)
        answer(c, "200 OK", "Logged in",
               "This machine has what it needs. You can close this page.");
    else
        answer(c, "400 Bad Request", "Not logged in", "The command on this machine says why.");
    return rc;
}

static void drop_conn(struct conn *c)
{
    (void)close(c->fd);
    c->fd = -1;
    if (c->in.p)
        rk_secret_wipe(c->in.p, c->in.n);
    rk_buf_done(&c->in);
    rk_buf_init(&c->in, REQUEST_MAX);
}

static void take_conn(struct pkce *p, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    for (size_t i = 0; i < CONNS_MAX; i++)
        if (p->conns[i].fd < 0) {
            p->conns[i].fd = fd;
            return;
        }
    drop_conn(&p->conns[0]); /* most likely one that is never used */
    p->conns[0].fd = fd;
}

/* Bytes of a connection; a whole head is a request. */
static enum rk_code read_conn(struct pkce *p, struct conn *c, bool *over, struct rk_str *token,
                              struct rk_err *err)
{
    char *room = rk_buf_room(&c->in, 2048);
    ssize_t n = room ? recv(c->fd, room, 2048, 0) : 0;
    enum rk_code rc = RK_OK;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return RK_OK;
    if (n > 0) {
        rk_buf_added(&c->in, (size_t)n);
        if (rk_str_find(rk_buf_str(&c->in), RK_STR("\r\n\r\n")) >= c->in.n)
            return RK_OK;
        rc = take_request(p, c, over, token, err);
    }
    drop_conn(c);
    return rc;
}

static enum rk_code wait_for_browser(struct pkce *p, struct rk_str *token, struct rk_err *err)
{
    int64_t until = rk_mono_ms() + LIFE_MS;
    struct pollfd fds[2 + CONNS_MAX];
    enum rk_code rc = RK_OK;
    bool over = false;

    while (!over && rc == RK_OK) {
        int64_t left = until - rk_mono_ms();

        if (left <= 0)
            return rk_fail(err, RK_TIMEOUT, "nobody has logged in within %d minutes, try again",
                           LIFE_MS / 60000);
        for (size_t i = 0; i < 2 + CONNS_MAX; i++)
            fds[i] = (struct pollfd){.fd = i < 2 ? p->listeners[i] : p->conns[i - 2].fd,
                                     .events = POLLIN};
        if (poll(fds, 2 + CONNS_MAX, (int)left) < 0 && errno != EINTR)
            return rk_fail_errno(err, RK_INTERNAL, errno, "wait for the browser");
        for (size_t i = 0; i < CONNS_MAX && !over && rc == RK_OK; i++)
            if (p->conns[i].fd >= 0 && fds[2 + i].fd >= 0 && fds[2 + i].revents)
                rc = read_conn(p, &p->conns[i], &over, token, err);
        for (size_t i = 0; i < 2 && !over; i++)
            if (fds[i].fd >= 0 && fds[i].revents)
                take_conn(p, p->listeners[i]);
    }
    return rc;
}

enum rk_code sso_pkce(struct rk_arena *mem, const json_t *flow, struct rk_str hint,
                      struct sso_user *u, struct rk_str *token, struct rk_err *err)
{
    struct pkce p = {.mem = mem, .flow = flow, .listeners = {-1, -1}};
    struct sso_prompt prompt = {.code = RK_STR("")};
    enum rk_code rc;

    for (size_t i = 0; i < CONNS_MAX; i++) {
        p.conns[i].fd = -1;
        rk_buf_init(&p.conns[i].in, REQUEST_MAX);
    }
    if (!sso_text(flow, "authorize_url").n || !sso_text(flow, "token_url").n)
        return rk_fail(err, RK_PRECONDITION, "management names no address to log in at");
    rc = open_port(&p, err);
    if (rc == RK_OK) {
        p.state = random_hex(mem, STATE_BYTES);
        p.verifier = random_hex(mem, VERIFIER_BYTES);
        prompt.url = authorize_url(&p, hint);
        u->show(u, &prompt);
        rc = wait_for_browser(&p, token, err);
    }
    close_all(&p);
    return rc;
}
