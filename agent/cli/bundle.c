/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes into a bundle; see bundle.h. */
#include "config.h"

#include "agent/cli/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/cli/anonymize.h"
#include "agent/cli/child.h"
#include "agent/cli/status.h"
#include "agent/cli/zip.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"

#define PART_MAX_BYTES ((size_t)32 << 20) /* of one file */
#define FILE_MAX_BYTES 65536              /* of a file of the machine */

static const char README[] =
    "A debug bundle of rook, made by \"rook debug bundle\". Private keys, pre-shared keys and\n"
    "tokens are not in it; addresses and names are, unless it was made with --anonymize.\n"
    "\n"
    "status.txt, status.json   connection and peers, as \"rook status -d\" shows them\n"
    "client.log                the daemon's last lines\n"
    "config.txt                settings of the active profile\n"
    "network_map.json          the last map of management (\"rook debug persistence on\")\n"
    "state.json                names of what the daemon notes to undo after a crash\n"
    "service_params.json       what \"rook service install\" was told\n"
    "stack_trace.txt           where the daemon and its threads stand\n"
    "metrics.txt               its memory and descriptors\n"
    "doctor.txt                what \"rook doctor\" finds\n"
    "the others                this machine: interfaces, routes, rules, firewall, names\n";

struct bundle {
    struct zip *zip;
    struct anonymizer *anon; /* NULL: as it is */
};

static void add(struct bundle *b, const char *name, struct rk_str text)
{
    zip_add(b->zip, name, b->anon ? anonymizer_text(b->anon, text) : text);
}

static void add_json(struct bundle *b, const char *name, const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;

    if (text)
        add(b, name, rk_str_z(text));
    free(text);
}

/* ---- of the daemon */

static void add_status(struct bundle *b, const json_t *status)
{
    char *p = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&p, &n);

    if (f) {
        cli_status_print(f, status, true);
        (void)fclose(f);
        add(b, "status.txt", rk_str_of(p, n));
    }
    free(p);
    add_json(b, "status.json", status);
}

/* A file of /proc about the daemon, under a heading. */
static void put_proc(struct rk_buf *out, const char *path)
{
    char text[FILE_MAX_BYTES];
    size_t n = rk_file_peek(path, text, sizeof text);

    rk_buf_printf(out, "== %s\n", path);
    rk_buf_add(out, rk_str_of(text, n));
    rk_buf_addz(out, n ? "\n" : "(cannot be read)\n");
}

/* Each thread: its name, what it waits for, and where in the kernel. */
static void put_threads(struct rk_buf *out, int pid)
{
    static const char *const files[] = {"comm", "wchan", "syscall", "stack"};
    char path[128];
    DIR *d;
    const struct dirent *e;

    (void)snprintf(path, sizeof path, "/proc/%d/task", pid);
    d = opendir(path);
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        for (size_t i = 0; i < RK_ARRAY_LEN(files); i++) {
            (void)snprintf(path, sizeof path, "/proc/%d/task/%.20s/%s", pid, e->d_name, files[i]);
            put_proc(out, path);
        }
    }
    if (d)
        (void)closedir(d);
}

static void add_process(struct bundle *b, const json_t *debug)
{
    int pid = (int)json_integer_value(json_object_get(debug, "pid"));
    char *internal = json_dumps(json_object_get(debug, "internal"), JSON_INDENT(2));
    static const char *const files[] = {"status", "limits", "net/dev", "net/sockstat"};
    char path[64];
    struct rk_buf out;

    rk_buf_init(&out, PART_MAX_BYTES);
    rk_buf_printf(&out, "%s\n", internal ? internal : "");
    put_threads(&out, pid);
    add(b, "stack_trace.txt", rk_buf_str(&out));
    rk_buf_done(&out);
    free(internal);
    rk_buf_init(&out, PART_MAX_BYTES);
    for (size_t i = 0; i < RK_ARRAY_LEN(files); i++) {
        (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
        put_proc(&out, path);
    }
    add(b, "metrics.txt", rk_buf_str(&out));
    rk_buf_done(&out);
}

static void add_file(struct bundle *b, const char *path, const char *name)
{
    char text[FILE_MAX_BYTES];
    size_t n = rk_file_peek(path, text, sizeof text);

    if (n)
        add(b, name, rk_str_of(text, n));
}

static void add_daemon(struct bundle *b, const struct bundle_opts *o)
{
    const json_t *d = o->debug;
    const char *dir = json_string_value(json_object_get(d, "stateDir"));
    const char *log = json_string_value(json_object_get(d, "log"));
    char path[1100];

    if (!d) {
        add(b, "status.txt", rk_str_z(o->no_debug ? o->no_debug : "no answer of the daemon"));
        return;
    }
    add_status(b, json_object_get(d, "status"));
    if (log)
        add(b, "client.log", rk_str_z(log));
    add_json(b, "config.txt", json_object_get(d, "config"));
    if (!json_is_null(json_object_get(d, "networkMap")))
        add_json(b, "network_map.json", json_object_get(d, "networkMap"));
    add_json(b, "state.json", json_object_get(d, "states"));
    (void)snprintf(path, sizeof path, "%s/service.json", dir ? dir : "");
    add_file(b, path, "service_params.json");
    add_process(b, d);
}

/* ---- of the machine */

static void add_program(struct bundle *b, const char *name, const char *const *const *runs)
{
    struct rk_buf out;

    rk_buf_init(&out, PART_MAX_BYTES);
    for (; *runs; runs++) {
        int rc;

        rk_buf_addz(&out, "==");
        for (const char *const *word = *runs; *word; word++)
            rk_buf_printf(&out, " %s", *word);
        rk_buf_addc(&out, '\n');
        rc = child_output(*runs, &out);
        if (rc == 127)
            rk_buf_addz(&out, "(not installed)\n");
        else if (rc)
            rk_buf_printf(&out, "(ended with %d)\n", rc);
    }
    add(b, name, rk_buf_str(&out));
    rk_buf_done(&out);
}

#define RUN(...)                                                                                   \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void add_programs(struct bundle *b)
{
    const struct {
        const char *name;
        const char *const *runs[4];
    } parts[] = {
        {"interfaces.txt", {RUN("ip", "-s", "-d", "address"), NULL}},
        {"routes.txt",
         {RUN("ip", "-4", "route", "show", "table", "all"),
          RUN("ip", "-6", "route", "show", "table", "all"), NULL}},
        {"ip_rules.txt", {RUN("ip", "-4", "rule"), RUN("ip", "-6", "rule"), NULL}},
        {"nftables.txt", {RUN("nft", "-a", "list", "ruleset"), NULL}},
        {"iptables.txt", {RUN("iptables-save", "-c"), RUN("ip6tables-save", "-c"), NULL}},
        {"ipset.txt", {RUN("ipset", "list"), NULL}},
        {"wgshow.txt", {RUN("wg", "show"), NULL}},
        {"dns_resolved.txt", {RUN("resolvectl", "status"), NULL}},
        {"system.txt", {RUN("uname", "-a"), RUN("uptime"), RUN("df", "-h"), NULL}},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(parts); i++)
        add_program(b, parts[i].name, parts[i].runs);
}

static void add_sysctls(struct bundle *b)
{
    static const char *const names[] = {"net/ipv4/ip_forward",
                                        "net/ipv4/conf/all/rp_filter",
                                        "net/ipv4/conf/all/src_valid_mark",
                                        "net/ipv4/conf/default/rp_filter",
                                        "net/ipv6/conf/all/forwarding",
                                        "net/ipv6/conf/all/disable_ipv6",
                                        "net/ipv4/fwmark_reflect",
                                        "net/core/rmem_max",
                                        "net/core/wmem_max",
                                        "net/netfilter/nf_conntrack_max",
                                        "net/netfilter/nf_conntrack_count"};
    char path[128];
    struct rk_buf out;

    rk_buf_init(&out, PART_MAX_BYTES);
    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "/proc/sys/%s", names[i]);
        put_proc(&out, path);
    }
    add(b, "sysctls.txt", rk_buf_str(&out));
    rk_buf_done(&out);
}

/* ---- the whole */

/* Names that the texts of this machine have. */
static struct anonymizer *learn(const struct bundle_opts *o)
{
    struct anonymizer *a = anonymizer_new(o->anon == CLI_ANON_STRICT);
    char text[FILE_MAX_BYTES];
    struct rk_str rest, line, word;

    anonymizer_learn(a, o->debug);
    if (gethostname(text, sizeof text) == 0)
        anonymizer_learn_name(a, rk_str_z(text));
    rest = rk_str_of(text, rk_file_peek("/etc/resolv.conf", text, sizeof text));
    while (rest.n) {
        (void)rk_str_cut(rest, '\n', &line, &rest);
        if (!rk_str_starts(line, RK_STR("search ")) && !rk_str_starts(line, RK_STR("domain ")))
            continue;
        line = rk_str_sub(line, 7, line.n);
        while (line.n) {
            (void)rk_str_cut(line, ' ', &word, &line);
            anonymizer_learn_name(a, word);
        }
    }
    return a;
}

static enum rk_code open_file(struct rk_arena *mem, struct rk_str output, struct rk_str *path,
                              int *fd, struct rk_err *err)
{
    const char *tmp = getenv("TMPDIR");
    char when[32] = "";
    time_t now = time(NULL);
    struct tm t;
    char *name;

    if (output.n) {
        *path = output;
        *fd = open(rk_arena_dupz(mem, output), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                   0600);
    } else {
        if (gmtime_r(&now, &t))
            (void)strftime(when, sizeof when, "%Y%m%d-%H%M%S", &t);
        *path =
            rk_arena_printf(mem, "%s/rook-debug-%s-XXXXXX.zip", tmp && *tmp ? tmp : "/tmp", when);
        name = rk_arena_dupz(mem, *path);
        *fd = mkostemps(name, 4, O_CLOEXEC);
        *path = rk_str_z(name);
    }
    if (*fd < 0)
        return rk_fail_errno(err, errno == EEXIST ? RK_EXISTS : RK_UNAVAILABLE, errno,
                             "make the archive %.*s", RK_STR_ARG(*path));
    return RK_OK;
}

enum rk_code bundle_make(struct rk_arena *mem, const struct bundle_opts *o, struct rk_str *path,
                         struct rk_err *err)
{
    struct bundle b = {0};
    struct rk_str name;
    int fd;
    enum rk_code rc = open_file(mem, o->output, &name, &fd, err);

    if (rc)
        return rc;
    b.zip = zip_new(fd);
    b.anon = o->anon == CLI_ANON_NO ? NULL : learn(o);
    add(&b, "README.txt", rk_str_z(README));
    add_daemon(&b, o);
    add_json(&b, "doctor.txt", o->findings);
    if (o->system) {
        add_programs(&b);
        add_sysctls(&b);
        add_file(&b, "/etc/resolv.conf", "resolv.conf");
        add_file(&b, "/etc/nsswitch.conf", "nsswitch.conf");
        add_file(&b, "/etc/os-release", "os-release");
    }
    anonymizer_free(b.anon);
    rc = zip_end(b.zip, err);
    if (rc)
        (void)unlink(rk_arena_dupz(mem, name));
    else
        *path = name;
    return rc;
}
