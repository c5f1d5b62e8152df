/* SPDX-License-Identifier: BSD-3-Clause */
/* This machine, as the overlay needs it; see doctor.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/cli/child.h"
#include "agent/cli/doctor.h"
#include "agent/os/link.h"
#include "agent/os/route.h"
#include "lib/base/file.h"
#include "lib/base/num.h"

#define CAP_NET_ADMIN_BIT 12
#define RULES_MAX         ((size_t)1 << 20)

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

/* ---- rights and devices */

static void look_at_rights(struct doctor *d)
{
    json_int_t pid = json_integer_value(json_object_get(d->about, "pid"));
    char path[64], buf[8192], *line;
    size_t n;
    uint64_t caps;

    if (!d->root)
        doctor_find(d, "permissions", FINDING_NOTE, "run it as root to have all checks",
                    "some checks need root");
    if (!pid)
        return;
    (void)snprintf(path, sizeof path, "/proc/%" JSON_INTEGER_FORMAT "/status", pid);
    n = rk_file_peek(path, buf, sizeof buf - 1);
    buf[n] = '\0';
    line = strstr(buf, "CapEff:");
    if (!line)
        return;
    caps = strtoull(line + 7, NULL, 16);
    if (caps >> CAP_NET_ADMIN_BIT & 1)
        doctor_find(d, "permissions", FINDING_OK, NULL, "the daemon may change the network");
    else
        doctor_find(d, "permissions", FINDING_PROBLEM,
                    "run the daemon as root, or give it CAP_NET_ADMIN (containers: --cap-add "
                    "NET_ADMIN)",
                    "the daemon may not change the network of this machine");
}

static void look_at_device(struct doctor *d)
{
    bool tun = access("/dev/net/tun", F_OK) == 0;
    bool kernel = d->root && d->route && link_wireguard_known(d->route);
    int fd = tun && d->root ? open("/dev/net/tun", O_RDWR | O_CLOEXEC) : -1;

    if (kernel)
        doctor_find(d, "device", FINDING_OK, NULL, "the kernel has WireGuard");
    else if (tun && (!d->root || fd >= 0))
        doctor_find(d, "device", d->root ? FINDING_NOTE : FINDING_OK,
                    d->root ? "a kernel with the module \"wireguard\" takes less of the processor"
                            : NULL,
                    "%s/dev/net/tun is there", d->root ? "the kernel has no WireGuard; " : "");
    else
        doctor_find(d, "device", FINDING_PROBLEM,
                    "load the module: modprobe wireguard, or modprobe tun (containers: --device "
                    "/dev/net/tun)",
                    "neither WireGuard nor /dev/net/tun%s%s", tun ? " can be used: " : " is there",
                    tun ? strerror(errno) : "");
    if (fd >= 0)
        (void)close(fd);
}

/* ---- who else is here */

static bool is_other_vpn(const struct link *l)
{
    static const char *const prefixes[] = {"tailscale", "zt",  "nordlynx", "proton", "mullvad",
                                           "wg",        "tun", "ppp",      "ipsec",  "wt"};

    for (size_t i = 0; i < RK_ARRAY_LEN(prefixes); i++)
        if (strncmp(l->name, prefixes[i], strlen(prefixes[i])) == 0)
            return (l->flags & IFF_UP) != 0;
    return strcmp(l->kind, "wireguard") == 0 && (l->flags & IFF_UP);
}

static const char *own_name(struct doctor *d)
{
    const char *name = text(d->about, "interface");

    return *name ? name : "wt0";
}

static void look_at_vpns(struct doctor *d, const struct link_list *links)
{
    for (size_t i = 0; i < links->n; i++)
        if (is_other_vpn(&links->items[i]) && strcmp(links->items[i].name, own_name(d)) != 0)
            doctor_find(d, "other VPNs", FINDING_NOTE,
                        "see that their networks do not overlap, and that at most one of them is "
                        "the way to everything",
                        "interface %s looks like another VPN", links->items[i].name);
}

/* Addresses of this machine inside the overlay's network, on another interface. */
static void look_at_overlap(struct doctor *d, const struct link_list *links,
                            const struct link_addr_list *addrs)
{
    struct rk_prefix own;

    if (rk_prefix_parse(rk_str_z(text(d->status, "netbirdIp")), &own, NULL))
        return;
    own = rk_prefix_masked(&own);
    for (size_t i = 0; i < addrs->n; i++) {
        const struct rk_prefix *p = &addrs->items[i].prefix;
        const char *name = "?";
        char buf[RK_ADDR_TEXT];

        for (size_t k = 0; k < links->n; k++)
            if (links->items[k].index == addrs->items[i].index)
                name = links->items[k].name;
        if (rk_prefix_contains(&own, &p->ip) && strcmp(name, own_name(d)) != 0)
            doctor_find(
                d, "overlap", FINDING_PROBLEM,
                "give the account another overlay network (settings of the account, network "
                "range), or that interface another one",
                "%s of %s is inside the overlay's network", rk_prefix_format(p, buf).p, name);
    }
}

static bool answers(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool yes;

    if (fd < 0)
        return false;
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    yes = connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0;
    (void)close(fd);
    return yes;
}

static void look_at_official(struct doctor *d)
{
    if (answers("/var/run/netbird.sock"))
        doctor_find(
            d, "other agent", FINDING_WARNING,
            "stop one of them (\"netbird down\", or \"rook down\"): they share table, rules "
            "and firewall names",
            "the official client runs on this machine, too");
}

/* ---- what filters and routes */

static void look_at_firewall(struct doctor *d)
{
    static const char *const argv[] = {"nft", "list", "ruleset", NULL};
    struct rk_buf out;
    struct rk_str rest, line, table = RK_STR("");

    if (!d->root)
        return;
    rk_buf_init(&out, RULES_MAX);
    if (child_output(argv, &out) != 0) {
        rk_buf_done(&out);
        return; /* without the program nothing can be said */
    }
    rest = rk_buf_str(&out);
    while (rest.n) {
        (void)rk_str_cut(rest, '\n', &line, &rest);
        if (rk_str_starts(line, RK_STR("table ")))
            table = rk_str_sub(line, 6, line.n);
        if (rk_str_find(table, RK_STR("netbird")) < table.n ||
            rk_str_find(line, RK_STR("policy drop")) >= line.n)
            continue;
        if (rk_str_find(line, RK_STR("hook input")) < line.n ||
            rk_str_find(line, RK_STR("hook forward")) < line.n)
            doctor_find(d, "firewall", FINDING_NOTE,
                        "rules of that table must let through what peers may do: an overlay's "
                        "policy does not override it",
                        "table %.*s drops %s by default",
                        RK_STR_ARG(rk_str_trim(rk_str_sub(table, 0, rk_str_find_c(table, '{')))),
                        rk_str_find(line, RK_STR("hook input")) < line.n ? "what comes in"
                                                                         : "what is forwarded");
    }
    rk_buf_done(&out);
}

static int64_t sysctl_number(const char *path)
{
    char buf[32];
    size_t n = rk_file_peek(path, buf, sizeof buf);
    int64_t v = -1;

    RK_IGNORE(rk_parse_i64(rk_str_trim(rk_str_of(buf, n)), INT32_MIN, INT32_MAX, &v, NULL));
    return v;
}

static void look_at_sysctls(struct doctor *d)
{
    if (sysctl_number("/proc/sys/net/ipv4/conf/all/rp_filter") == 1 &&
        sysctl_number("/proc/sys/net/ipv4/conf/all/src_valid_mark") != 1)
        doctor_find(d, "reverse path filter", FINDING_WARNING,
                    "sysctl net.ipv4.conf.all.src_valid_mark=1, or rp_filter=2: exit nodes need it",
                    "the kernel drops packets whose answer would take another way (rp_filter=1)");
    /* the drop-in of "rook service install", or the package's */
    if (access("/etc/systemd/networkd.conf", F_OK) == 0 &&
        access("/run/systemd/netif", F_OK) == 0 &&
        access("/etc/systemd/networkd.conf.d/99-rook.conf", F_OK) != 0 &&
        access("/usr/lib/systemd/networkd.conf.d/networkd-rook.conf", F_OK) != 0)
        doctor_find(d, "systemd-networkd", FINDING_WARNING,
                    "\"rook service install\" writes what keeps it from that "
                    "(ManageForeignRoutes=no)",
                    "systemd-networkd runs and removes rules and routes of others when it starts");
}

static void look_at_mtu(struct doctor *d, const struct link_list *links)
{
    static const struct rk_ip far = {4, {192, 0, 2, 1}}; /* stands for the Internet */
    struct kernel_route_lookup way;
    const struct link *under = NULL, *own = NULL;

    for (size_t i = 0; i < links->n; i++)
        if (strcmp(links->items[i].name, own_name(d)) == 0)
            own = &links->items[i];
    if (kernel_route_get(d->route, &far, ROUTE_MARK_CONTROL, &way, NULL)) {
        doctor_find(d, "default route", FINDING_WARNING,
                    "give this machine a default route, or the servers must be in its own networks",
                    "this machine has no way to the Internet over IPv4");
        return;
    }
    for (size_t i = 0; i < links->n; i++)
        if (links->items[i].index == way.ifindex)
            under = &links->items[i];
    if (!own || !under)
        return;
    if (under->mtu_bytes < own->mtu_bytes + 80)
        doctor_find(d, "MTU", FINDING_PROBLEM, "\"rook up --mtu N\" with the smaller number",
                    "%s takes packets of %" PRIu32 " bytes, so %s can have at most %" PRIu32
                    ", and has %" PRIu32,
                    under->name, under->mtu_bytes, own->name, under->mtu_bytes - 80,
                    own->mtu_bytes);
    else
        doctor_find(d, "MTU", FINDING_OK, NULL, "%" PRIu32 " inside of %s with %" PRIu32,
                    own->mtu_bytes, under->name, under->mtu_bytes);
}

void doctor_host(struct doctor *d)
{
    struct link_list links = {0};
    struct link_addr_list addrs = {0};

    look_at_rights(d);
    look_at_device(d);
    look_at_official(d);
    look_at_firewall(d);
    look_at_sysctls(d);
    if (!d->route || link_list(d->route, d->mem, &links, NULL) ||
        link_addrs(d->route, 0, d->mem, &addrs, NULL))
        return;
    look_at_vpns(d, &links);
    look_at_overlap(d, &links, &addrs);
    look_at_mtu(d, &links);
}
