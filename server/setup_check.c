/* SPDX-License-Identifier: BSD-3-Clause */
/* Looks before anything is written; see setup_priv.h. */
#include "config.h"

#include <errno.h>
#include <ifaddrs.h>
#include <jansson.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/http/curl_dl.h"
#include "lib/net/addr.h"
#include "management/store/db.h"
#include "server/acme.h"
#include "server/setup_priv.h"
#include "server/verify.h"
#include "server/wiring.h"

enum {
    NAME_MS = 10000,
    DIRECTORY_MS = 15000,
    CLOCK_MAX_S = 300,
    BODY_MAX = 1 << 20,
    ADDRESSES_MAX = 16,
};

void setup_find(struct setup_checks *k, enum setup_level v, const char *area, const char *todo,
                const char *fmt, ...)
{
    static const char *const words[] = {"ok", "warn", "BAD"};
    char what[400];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (v > k->worst)
        k->worst = v;
    setup_say(k->s, "  %-5s %-10s %s\n", words[v], area, what);
    if (todo)
        setup_say(k->s, "                   -> %s\n", todo);
}

/* ---- a GET with a limit */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct rk_buf *b = arg;

    rk_buf_add(b, rk_str_of(p, size * n));
    return b->full ? 0 : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    int64_t *date = arg;
    struct tm tm = {0};
    char line[64];

    if (rk_str_istarts(rk_str_of(p, size * n), RK_STR("date: ")) && size * n < sizeof line) {
        memcpy(line, p, size * n);
        line[size * n] = '\0';
        if (strptime(line + 6, "%a, %d %b %Y %H:%M:%S GMT", &tm))
            *date = timegm(&tm);
    }
    return size * n;
}

enum rk_code setup_get(struct rk_arena *mem, struct setup_get *g, struct rk_err *err)
{
    struct rk_buf body;
    CURLcode rc;
    CURL *c;

    if (curl_dl_load(err))
        return RK_UNAVAILABLE;
    c = curl.easy_init();
    if (!c)
        return rk_fail(err, RK_INTERNAL, "HTTP client");
    rk_buf_init(&body, BODY_MAX);
    (void)curl.easy_setopt(c, CURLOPT_URL, g->url);
    (void)curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl.easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)g->limit_ms);
    (void)curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl.easy_setopt(c, CURLOPT_WRITEDATA, &body);
    (void)curl.easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl.easy_setopt(c, CURLOPT_HEADERDATA, &g->date_unix_s);
    if (g->unix_socket)
        (void)curl.easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, g->unix_socket);
    rc = curl.easy_perform(c);
    (void)curl.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &g->status);
    curl.easy_cleanup(c);
    g->body = rk_arena_dup(mem, rk_buf_str(&body));
    rk_buf_done(&body);
    return rc == CURLE_OK ? RK_OK
                          : rk_fail(err, RK_UNAVAILABLE, "%s: %s", g->url, curl.easy_strerror(rc));
}

/* ---- the name: looked up by a thread that may be left behind */

struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    char host[256];
    struct rk_ip found[ADDRESSES_MAX];
    size_t n;
    int why;
    bool over, left; /* the thread is through; nobody waits any more */
};

static void lookup_free(struct lookup *l)
{
    (void)pthread_mutex_destroy(&l->lock);
    (void)pthread_cond_destroy(&l->ended);
    free(l);
}

static void *look_up(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *ai = NULL;
    int why = getaddrinfo(l->host, NULL, &hint, &ai);
    struct rk_addr a;
    bool left;

    (void)pthread_mutex_lock(&l->lock);
    for (struct addrinfo *i = ai; i && l->n < ADDRESSES_MAX; i = i->ai_next)
        if (rk_addr_from_sa(i->ai_addr, &a, NULL) == RK_OK)
            l->found[l->n++] = rk_ip_unmap(&a.ip);
    l->why = why;
    l->over = true;
    left = l->left;
    (void)pthread_cond_signal(&l->ended);
    (void)pthread_mutex_unlock(&l->lock);
    if (ai)
        freeaddrinfo(ai);
    if (left)
        lookup_free(l);
    return NULL;
}

/* *why: of getaddrinfo, EAI_AGAIN also when it takes too long. */
static size_t addresses_of(struct rk_str host, struct rk_ip *out, int *why)
{
    struct lookup *l = rk_calloc(1, sizeof *l);
    struct timespec until;
    pthread_t thread;
    size_t n = 0;
    bool over;

    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->ended, NULL);
    (void)snprintf(l->host, sizeof l->host, "%.*s", RK_STR_ARG(host));
    *why = EAI_AGAIN;
    if (pthread_create(&thread, NULL, look_up, l)) {
        lookup_free(l);
        return 0;
    }
    (void)pthread_detach(thread);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += NAME_MS / 1000;
    (void)pthread_mutex_lock(&l->lock);
    while (!l->over && pthread_cond_timedwait(&l->ended, &l->lock, &until) == 0)
        ;
    over = l->over;
    l->left = true;
    if (over) {
        n = l->n;
        *why = l->why;
        memcpy(out, l->found, n * sizeof *out);
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (over)
        lookup_free(l);
    return n;
}

static bool is_ours(const struct rk_ip *ip)
{
    struct ifaddrs *all = NULL;
    struct rk_addr a;
    bool yes = false;

    if (getifaddrs(&all))
        return false;
    for (struct ifaddrs *i = all; i && !yes; i = i->ifa_next)
        yes = i->ifa_addr && rk_addr_from_sa(i->ifa_addr, &a, NULL) == RK_OK && rk_ip_eq(&a.ip, ip);
    freeifaddrs(all);
    return yes;
}

static void check_name(struct setup_checks *k)
{
    const struct setup *s = k->s;
    struct rk_ip found[ADDRESSES_MAX];
    char text[RK_ADDR_TEXT];
    int why = 0;
    size_t n;

    if (!s->o.domain.n)
        return;
    n = addresses_of(s->o.domain, found, &why);
    if (!n) {
        setup_find(k, s->place == SETUP_DOMAIN ? SETUP_BAD : SETUP_WARN, "name",
                   "add an A or AAAA record for it that leads here, wait until it can be seen, and "
                   "run this again",
                   "%.*s has no address: %s", RK_STR_ARG(s->o.domain), gai_strerror(why));
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (is_ours(&found[i])) {
            setup_find(k, SETUP_GOOD, "name", NULL, "%.*s leads to this machine (%.*s)",
                       RK_STR_ARG(s->o.domain), RK_STR_ARG(rk_ip_format(&found[i], text)));
            return;
        }
    if (s->place == SETUP_PROXY)
        setup_find(k, SETUP_GOOD, "name", NULL, "%.*s is %.*s", RK_STR_ARG(s->o.domain),
                   RK_STR_ARG(rk_ip_format(&found[0], text)));
    else
        setup_find(k, SETUP_WARN, "name",
                   "right if a router passes its ports on to here; else correct the record",
                   "%.*s is %.*s, which is no address of this machine", RK_STR_ARG(s->o.domain),
                   RK_STR_ARG(rk_ip_format(&found[0], text)));
}

static void check_address(struct setup_checks *k)
{
    const struct setup *s = k->s;
    struct rk_ip ip;

    if (s->o.domain.n || rk_ip_parse(s->o.ip, &ip, NULL))
        return;
    if (is_ours(&ip))
        setup_find(k, SETUP_GOOD, "address", NULL, "%.*s is this machine's", RK_STR_ARG(s->o.ip));
    else
        setup_find(k, SETUP_WARN, "address",
                   "right if a router passes its ports on to here; else say another --ip",
                   "%.*s is no address of this machine", RK_STR_ARG(s->o.ip));
}

/* ---- authority and clock */

static void check_clock(struct setup_checks *k, int64_t date_s)
{
    int64_t off = date_s ? date_s - rk_unix_ms() / 1000 : 0;
    struct timex t = {0};
    int state;

    if (off > CLOCK_MAX_S || off < -CLOCK_MAX_S) {
        setup_find(k, SETUP_BAD, "clock", "set it (timedatectl set-ntp true) and run this again",
                   "is %lld s away from the authority's: certificates would not be valid",
                   (long long)off);
        return;
    }
    state = adjtimex(&t);
    if (!date_s && (state == TIME_ERROR || (t.status & STA_UNSYNC)))
        setup_find(k, SETUP_WARN, "clock",
                   "enable systemd-timesyncd or chrony: tokens and certificates need it",
                   "is not kept in step with anybody");
    else
        setup_find(k, SETUP_GOOD, "clock", NULL,
                   date_s ? "agrees with the authority's" : "is kept in step");
}

static void check_authority(struct setup_checks *k)
{
    const struct server_config *c = &k->s->c;
    struct setup_get g = {.limit_ms = DIRECTORY_MS};
    struct rk_err err = {0};
    json_t *dir = NULL;

    if (!c->acme_enabled) {
        check_clock(k, 0);
        return;
    }
    if (acme_missing(k->s->mem))
        setup_find(k, SETUP_BAD, "authority", "apt install uacme",
                   "the program uacme is not installed, which asks for certificates");
    g.url = rk_arena_dupz(k->s->mem, c->acme_directory);
    if (setup_get(k->s->mem, &g, &err)) {
        setup_find(k, SETUP_BAD, "authority",
                   "can this machine reach the internet? or use --cert and --key", "%s", err.msg);
        return;
    }
    dir = json_loadb(g.body.p, g.body.n, 0, NULL);
    if (g.status != 200 || !json_is_string(json_object_get(dir, "newOrder")))
        setup_find(k, SETUP_BAD, "authority", "correct --acme-directory",
                   "%s answers %ld and is no ACME directory", g.url, g.status);
    else
        setup_find(k, SETUP_GOOD, "authority", NULL, "%s answers", g.url);
    json_decref(dir);
    check_clock(k, g.date_unix_s);
}

/* ---- this machine */

/* The nearest folder that is there. */
static const char *folder_there(struct rk_arena *mem, struct rk_str path)
{
    char *z = rk_arena_dupz(mem, path), *slash;

    while (access(z, F_OK) && (slash = strrchr(z, '/')) && slash != z)
        *slash = '\0';
    return access(z, F_OK) ? "/" : z;
}

static void check_disk(struct setup_checks *k)
{
    const char *at = folder_there(k->s->mem, k->s->c.data_dir);
    struct statvfs fs;
    int64_t mb;

    if (statvfs(at, &fs)) {
        setup_find(k, SETUP_BAD, "disk", "name another --data", "%s: %s", at, strerror(errno));
        return;
    }
    mb = (int64_t)(fs.f_bavail * fs.f_frsize) >> 20;
    setup_find(k,
               mb < 50    ? SETUP_BAD
               : mb < 500 ? SETUP_WARN
                          : SETUP_GOOD,
               "disk", mb < 500 ? "make room: the store stops when it cannot write" : NULL,
               "%lld MB are free for %.*s", (long long)mb, RK_STR_ARG(k->s->c.data_dir));
}

static void check_store(struct setup_checks *k)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.existing = true};
    struct rk_err err = {0};

    if (wiring_store_url(k->s->mem, &k->s->c, &o.url, &err)) {
        setup_find(k, SETUP_BAD, "store", "correct --store", "%s", err.msg);
        return;
    }
    if (!db_url_is_pg(o.url))
        return; /* a file in the data folder */
    if (db_open(&db, &o, &err))
        setup_find(k, SETUP_BAD, "store", "correct --store, or start the database", "%s", err.msg);
    else
        setup_find(k, SETUP_GOOD, "store", NULL, "PostgreSQL answers");
}

/* Whoever tried the server as root first leaves files that the unit's user cannot read. */
static void check_owners(struct setup_checks *k)
{
    static const char *const names[] = {"store.key", "relay.secret", "setup-token", "rookery.db"};
    const struct passwd *user = k->s->unit && geteuid() == 0 ? getpwnam(SETUP_USER) : NULL;
    struct stat st;

    for (size_t i = 0; user && i < RK_ARRAY_LEN(names); i++) {
        const char *file =
            rk_arena_printf(k->s->mem, "%.*s/%s", RK_STR_ARG(k->s->c.data_dir), names[i]).p;

        if (stat(file, &st) == 0 && st.st_uid != user->pw_uid)
            setup_find(k, SETUP_BAD, "data",
                       "give the folder and all in it to that user (chown -R), or remove it",
                       "%s is there and does not belong to the service's user, " SETUP_USER, file);
    }
}

/* What `run` would refuse, and may we write at all? */
static void check_rest(struct setup_checks *k)
{
    struct rk_strs problems = server_verify(k->s->mem, &k->s->c);
    const char *at = folder_there(k->s->mem, rk_str_z(k->s->path));

    for (size_t i = 0; i < problems.n; i++)
        setup_find(k, SETUP_BAD, "config",
                   "correct the option that this is from (--help lists them)", "%.*s",
                   RK_STR_ARG(problems.items[i]));
    if (access(at, W_OK))
        setup_find(k, SETUP_BAD, "config", "run this as root: sudo rookery setup …", "%s: %s", at,
                   strerror(errno));
}

bool setup_check(struct setup *s, bool *warned)
{
    struct setup_checks k = {.s = s};

    setup_say(s, "Looking before anything is written:\n");
    setup_check_ports(&k);
    check_name(&k);
    check_address(&k);
    check_authority(&k);
    check_disk(&k);
    check_store(&k);
    check_owners(&k);
    check_rest(&k);
    *warned = k.worst == SETUP_WARN;
    return k.worst != SETUP_BAD;
}
