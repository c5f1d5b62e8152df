/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdicts of posture checks. See posture.h; the text forms are in enums.c. */
#include "config.h"

#include "management/domain/posture.h"

#include "management/domain/version.h"

static bool os_version_passes(const struct posture *c, const struct peer_meta *m)
{
    struct rk_str kernel = m->kernel_version;

    if (rk_str_eqz(m->goos, "android"))
        return version_satisfies(m->os_version, c->android_min_version);
    if (rk_str_eqz(m->goos, "darwin"))
        return version_satisfies(m->os_version, c->darwin_min_version);
    if (rk_str_eqz(m->goos, "ios"))
        return version_satisfies(m->os_version, c->ios_min_version);
    if (rk_str_eqz(m->goos, "linux"))
        return version_satisfies(rk_str_sub(kernel, 0, rk_str_find_c(kernel, '-')),
                                 c->linux_min_kernel);
    if (rk_str_eqz(m->goos, "windows"))
        return version_satisfies(kernel, c->windows_min_kernel);
    return true; /* a system that this kind of check knows nothing about */
}

static bool geo_passes(const struct posture *c, const struct peer_location *l)
{
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

static bool is_running(const struct peer_meta *m, struct rk_str path)
{
    for (size_t i = 0; i < m->n_files; i++)
        if (m->files[i].running && rk_str_eq(m->files[i].path, path))
            return true;
    return false;
}

static bool process_passes(const struct posture *c, const struct peer_meta *m)
{
    for (size_t i = 0; i < c->n_processes; i++) {
        const struct check_process *want = &c->processes[i];
        struct rk_str path = {0};

        if (rk_str_eqz(m->goos, "linux"))
            path = want->linux_path;
        else if (rk_str_eqz(m->goos, "darwin"))
            path = want->mac_path;
        else if (rk_str_eqz(m->goos, "windows"))
            path = want->windows_path;
        if (path.n == 0 || !is_running(m, path))
            return false;
    }
    return rk_str_eqz(m->goos, "linux") || rk_str_eqz(m->goos, "darwin") ||
           rk_str_eqz(m->goos, "windows");
}

bool posture_passes(const struct posture *c, const struct peer *p)
{
    if (c->has_nb_version && !version_at_least(p->meta.version, c->nb_min_version))
        return false;
    if (c->has_os_version && !os_version_passes(c, &p->meta))
        return false;
    if (c->has_geo && !geo_passes(c, &p->location))
        return false;
    if (c->has_net_range && !net_range_passes(c, p))
        return false;
    return !c->has_process || process_passes(c, &p->meta);
}
