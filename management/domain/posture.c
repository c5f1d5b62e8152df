/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdicts of posture checks. See posture.h; the text forms are in enums.c. */
#include "config.h"

#include "management/domain/posture.h"

#include "management/domain/version.h"

struct posture_os posture_os_of(const struct posture *c, const struct peer *p)
{
    const struct peer_meta *m = &p->meta;
    struct rk_str kernel = m->kernel_version;

    if (rk_str_eqz(m->goos, "android"))
        return (struct posture_os){m->os_version, c->android_min_version};
    if (rk_str_eqz(m->goos, "darwin"))
        return (struct posture_os){m->os_version, c->darwin_min_version};
    if (rk_str_eqz(m->goos, "ios"))
        return (struct posture_os){m->os_version, c->ios_min_version};
    if (rk_str_eqz(m->goos, "linux"))
        return (struct posture_os){rk_str_sub(kernel, 0, rk_str_find_c(kernel, '-')),
                                   c->linux_min_kernel};
    if (rk_str_eqz(m->goos, "windows"))
        return (struct posture_os){kernel, c->windows_min_kernel};
    return (struct posture_os){RK_STR(""), RK_STR("")};
}

static bool nb_version_passes(const struct posture *c, const struct peer *p)
{
    return version_at_least(p->meta.version, c->nb_min_version);
}

static bool known_system(struct rk_str goos)
{
    static const char *const KNOWN[] = {"android", "darwin", "ios", "linux", "windows"};

    for (size_t i = 0; i < RK_ARRAY_LEN(KNOWN); i++)
        if (rk_str_eqz(goos, KNOWN[i]))
            return true;
    return false;
}

static bool os_version_passes(const struct posture *c, const struct peer *p)
{
    struct posture_os os = posture_os_of(c, p);

    /* a system that this kind of check knows nothing about passes */
    return !known_system(p->meta.goos) || version_satisfies(os.have, os.least);
}

static bool geo_passes(const struct posture *c, const struct peer *p)
{
    const struct peer_location *l = &p->location;
    bool match = false;

    if (l->country_code.n == 0 && l->city_name.n == 0)
        return false;
    for (size_t i = 0; i < c->n_geo && !match; i++)
        match = rk_str_eq(c->geo[i].country_code, l->country_code) &&
                (c->geo[i].city_name.n == 0 || rk_str_eq(c->geo[i].city_name, l->city_name));
    return match == (c->geo_action == CHECK_ALLOW);
}

/* The range covers the whole candidate network. */
static bool range_covers(const struct rk_prefix *range, const struct rk_prefix *candidate)
{
    struct rk_prefix net = rk_prefix_masked(candidate);

    return range->bits <= candidate->bits && range->ip.family == candidate->ip.family &&
           rk_prefix_contains(range, &net.ip);
}

static bool covered_by_any(const struct posture *c, const struct rk_prefix *candidate)
{
    for (size_t i = 0; i < c->n_ranges; i++)
        if (range_covers(&c->ranges[i], candidate))
            return true;
    return false;
}

static bool net_range_passes(const struct posture *c, const struct peer *p)
{
    struct rk_ip ip = rk_ip_unmap(&p->location.connection_ip);
    struct rk_prefix conn = {.ip = ip, .bits = (uint8_t)(8 * rk_ip_size(&ip))};
    bool match = false;

    if (p->meta.n_addresses == 0 && ip.family == 0)
        return false;
    for (size_t i = 0; i < p->meta.n_addresses && !match; i++)
        match = covered_by_any(c, &p->meta.addresses[i].prefix);
    if (!match && ip.family != 0)
        match = covered_by_any(c, &conn);
    return match == (c->net_action == CHECK_ALLOW);
}

bool posture_runs(const struct peer *p, struct rk_str path)
{
    for (size_t i = 0; i < p->meta.n_files; i++)
        if (p->meta.files[i].running && rk_str_eq(p->meta.files[i].path, path))
            return true;
    return false;
}

struct rk_str posture_path_of(const struct check_process *w, const struct peer *p)
{
    if (rk_str_eqz(p->meta.goos, "linux"))
        return w->linux_path;
    if (rk_str_eqz(p->meta.goos, "darwin"))
        return w->mac_path;
    return rk_str_eqz(p->meta.goos, "windows") ? w->windows_path : RK_STR("");
}

static bool process_passes(const struct posture *c, const struct peer *p)
{
    struct rk_str goos = p->meta.goos;

    for (size_t i = 0; i < c->n_processes; i++) {
        struct rk_str path = posture_path_of(&c->processes[i], p);

        if (path.n == 0 || !posture_runs(p, path))
            return false;
    }
    return rk_str_eqz(goos, "linux") || rk_str_eqz(goos, "darwin") || rk_str_eqz(goos, "windows");
}

static const struct {
    const char *name;
    bool (*passes)(const struct posture *c, const struct peer *p);
} PARTS[POSTURE_PARTS] = {
    [POSTURE_NB_VERSION] = {"nb_version_check", nb_version_passes},
    [POSTURE_OS_VERSION] = {"os_version_check", os_version_passes},
    [POSTURE_GEO] = {"geo_location_check", geo_passes},
    [POSTURE_NET_RANGE] = {"peer_network_range_check", net_range_passes},
    [POSTURE_PROCESS] = {"process_check", process_passes},
};

const char *posture_part_text(enum posture_part part)
{
    return PARTS[part].name;
}

bool posture_has(const struct posture *c, enum posture_part part)
{
    const bool has[POSTURE_PARTS] = {
        [POSTURE_NB_VERSION] = c->has_nb_version,
        [POSTURE_OS_VERSION] = c->has_os_version,
        [POSTURE_GEO] = c->has_geo,
        [POSTURE_NET_RANGE] = c->has_net_range,
        [POSTURE_PROCESS] = c->has_process,
    };

    return has[part];
}

bool posture_part_passes(const struct posture *c, const struct peer *p, enum posture_part part)
{
    return PARTS[part].passes(c, p);
}

bool posture_passes(const struct posture *c, const struct peer *p)
{
    for (enum posture_part part = 0; part < POSTURE_PARTS; part++)
        if (posture_has(c, part) && !posture_part_passes(c, p, part))
            return false;
    return true;
}
