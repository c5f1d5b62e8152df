/* SPDX-License-Identifier: BSD-3-Clause */
/* Facts about this machine; see sysinfo.h. */
#include "config.h"

#include "agent/os/sysinfo.h"

#include "lib/base/file.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/os/link.h"

#define FILE_MAX_BYTES 8192 /* of a file under /etc or /sys that we look at */
#define ADDRS_MAX      256  /* a host with more does not need them all shown */

/* The text of a small file; empty when it cannot be read. */
static struct rk_str slurp(struct rk_arena *mem, const char *root, const char *path)
{
    char full[512], text[FILE_MAX_BYTES];

    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return (struct rk_str){0};
    return rk_arena_dup(mem, rk_str_of(text, rk_file_peek(full, text, sizeof text)));
}

/* Only what may go into a protobuf text. */
static struct rk_str clean(struct rk_arena *mem, struct rk_str s)
{
    s = rk_str_trim(s);
    if (memchr(s.p ? s.p : "", 0, s.n) || !rk_str_utf8_ok(s))
        return (struct rk_str){0};
    return rk_arena_dup(mem, s);
}

static struct rk_str unquote(struct rk_str s)
{
    s = rk_str_trim(s);
    if (s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0])
        return rk_str_sub(s, 1, s.n - 2);
    return s;
}

static void read_release(struct rk_arena *mem, const char *root, struct sysinfo *out)
{
    struct rk_str rest = slurp(mem, root, "/etc/os-release"), line, key, value;

    while (rest.n) {
        (void)rk_str_cut(rest, '\n', &line, &rest);
        if (!rk_str_cut(line, '=', &key, &value))
            continue;
        (void)rk_str_cut(value, '=', &value, &line); /* cut there, as official agents do */
        if (rk_str_eqz(key, "NAME"))
            out->os = clean(mem, unquote(value));
        else if (rk_str_eqz(key, "VERSION_ID"))
            out->os_version = clean(mem, unquote(value));
    }
}

static bool ascii(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] > 0x7e)
            return false;
    return s.n > 0;
}

static struct rk_str dmi(struct rk_arena *mem, const char *root, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "/sys/class/dmi/id/%s", name);
    return clean(mem, slurp(mem, root, path));
}

static struct rk_str read_serial(struct rk_arena *mem, const char *root)
{
    static const char *const names[] = {"chassis_serial", "product_serial"};
    static const char vague[] = "Default string"; /* what vendors forget to replace */
    struct rk_str s, last = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++) {
        s = dmi(mem, root, names[i]);
        if (ascii(s) && !rk_str_eqz(s, vague))
            return s;
        if (ascii(s))
            last = s;
    }
    return last.n ? last : dmi(mem, root, "board_serial");
}

static const struct link *link_of(const struct link_list *links, uint32_t index)
{
    for (size_t i = 0; i < links->n; i++)
        if (links->items[i].index == index)
            return &links->items[i];
    return NULL;
}

static bool listed(const struct sysinfo_addr *a, size_t n, struct rk_str cidr, struct rk_str mac)
{
    for (size_t i = 0; i < n; i++)
        if (rk_str_eq(a[i].cidr, cidr) && rk_str_eq(a[i].mac, mac))
            return true;
    return false;
}

static void read_addrs(struct nl_sock *nl, struct rk_arena *mem, const char *own_iface,
                       struct sysinfo *out)
{
    struct link_list links = {0};
    struct link_addr_list addrs = {0};
    struct sysinfo_addr *list;

    if (link_list(nl, mem, &links, NULL) || link_addrs(nl, 0, mem, &addrs, NULL))
        return;
    list = rk_new_n(mem, struct sysinfo_addr, ADDRS_MAX);
    for (size_t i = 0; i < addrs.n && out->n_addrs < ADDRS_MAX; i++) {
        const struct rk_prefix *p = &addrs.items[i].prefix;
        const struct link *l = link_of(&links, addrs.items[i].index);
        char text[RK_ADDR_TEXT];
        struct rk_str cidr;

        if (!l || !(l->flags & IFF_UP) || !l->mac[0] || strcmp(l->name, own_iface) == 0 ||
            rk_ip_is_loopback(&p->ip) || rk_ip_is_link_local(&p->ip) || rk_ip_is_multicast(&p->ip))
            continue;
        cidr = rk_prefix_format(p, text);
        if (listed(list, out->n_addrs, cidr, rk_str_z(l->mac)))
            continue;
        list[out->n_addrs++] = (struct sysinfo_addr){.cidr = rk_arena_dup(mem, cidr),
                                                     .mac = rk_arena_dup(mem, rk_str_z(l->mac))};
    }
    out->addrs = list;
}

void sysinfo_read(struct nl_sock *route, struct rk_arena *mem, struct rk_str hostname,
                  const char *own_iface, const char *root, struct sysinfo *out)
{
    struct utsname un = {0};
    char host[256] = "";

    *out = (struct sysinfo){0};
    (void)uname(&un);
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    out->hostname = clean(mem, hostname.n ? hostname : rk_str_z(host));
    out->kernel = clean(mem, rk_str_z(un.sysname));
    out->kernel_version = clean(mem, rk_str_z(un.release));
    out->machine = clean(mem, rk_str_z(un.machine));
    read_release(mem, root, out);
    if (!out->os.n)
        out->os = out->kernel;
    out->serial = read_serial(mem, root);
    out->product = dmi(mem, root, "product_name");
    if (!out->product.n)
        out->product = dmi(mem, root, "board_name");
    out->manufacturer = dmi(mem, root, "sys_vendor");
    read_addrs(route, mem, own_iface, out);
}

static bool runs(const char *path)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e;
    bool found = false;

    if (!proc)
        return false;
    while (!found && (e = readdir(proc))) {
        char link[300], exe[4096];
        ssize_t n;

        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        (void)snprintf(link, sizeof link, "/proc/%s/exe", e->d_name);
        n = readlink(link, exe, sizeof exe - 1);
        found = n > 0 && rk_str_eqz(rk_str_of(exe, (size_t)n), path);
    }
    (void)closedir(proc);
    return found;
}

void sysinfo_file(const char *path, bool *exists, bool *running)
{
    struct stat st;

    *exists = stat(path, &st) == 0;
    *running = *exists && runs(path);
}
