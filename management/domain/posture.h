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

/** The kinds of checks that a definition can have, in the order in which they are judged. */
enum posture_part {
    POSTURE_NB_VERSION,
    POSTURE_OS_VERSION,
    POSTURE_GEO,
    POSTURE_NET_RANGE,
    POSTURE_PROCESS,
    POSTURE_PARTS
};

/** "nb_version_check", … as the API calls it. Any thread. */
const char *posture_part_text(enum posture_part part);

/** Whether the definition has this kind of check, and its verdict for one peer. Any thread. */
bool posture_has(const struct posture *c, enum posture_part part);
bool posture_part_passes(const struct posture *c, const struct peer *p, enum posture_part part);

/** The verdict for one peer; a check that cannot be evaluated fails. Any thread. */
bool posture_passes(const struct posture *c, const struct peer *p);

/** Which version of a system a check of systems compares, and with which least one: empty where it
 *  says nothing about this system. Borrowed from p and c. Any thread. */
struct posture_os {
    struct rk_str have, least;
};
struct posture_os posture_os_of(const struct posture *c, const struct peer *p);

/** What must run on this peer's system; empty: the check names nothing for it. Borrowed. */
struct rk_str posture_path_of(const struct check_process *w, const struct peer *p);
bool posture_runs(const struct peer *p, struct rk_str path);

#endif
