/* SPDX-License-Identifier: BSD-3-Clause */
/* Posture checks: definition and verdict. A definition has at most one check of each kind. */
#ifndef MGMT_DOMAIN_POSTURE_H
#define MGMT_DOMAIN_POSTURE_H

#include "management/domain/peer.h"
#include "management/domain/types.h"

enum check_action { CHECK_ALLOW, CHECK_DENY };

const char *check_action_text(enum check_action a);
bool check_action_parse(struct rk_str s, enum check_action *out);

struct geo_location {
    struct rk_str country_code;
    struct rk_str city_name; /* empty: any */
};

struct check_process {
    struct rk_str linux_path, mac_path, windows_path;
};

struct posture {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str public_id;
    struct rk_str name;
    struct rk_str description;

    bool has_nb_version;
    struct rk_str nb_min_version;

    bool has_os_version; /* each system's sub-check is present when its text is not empty */
    struct rk_str android_min_version, darwin_min_version, ios_min_version;
    struct rk_str linux_min_kernel, windows_min_kernel;

    bool has_geo;
    enum check_action geo_action;
    struct geo_location *geo;
    size_t n_geo;

    bool has_net_range;
    enum check_action net_action;
    struct rk_prefix *ranges;
    size_t n_ranges;

    bool has_process;
    struct check_process *processes;
    size_t n_processes;
};

/** The verdict for one peer; a check that cannot be evaluated fails. Any thread. */
bool posture_passes(const struct posture *c, const struct peer *p);

#endif
