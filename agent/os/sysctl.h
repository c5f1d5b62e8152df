/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct sysctls: changes under /proc/sys and how to take them back. Paths are files, so interface
 * names with dots or percent signs need no care. One thread at a time.
 */
#ifndef RK_AGENT_OS_SYSCTL_H
#define RK_AGENT_OS_SYSCTL_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/err.h"

#define SYSCTL_VALUE_MAX 64 /* bytes of a value that we set or restore */

struct sysctls { /* embed, zeroed */
    struct sysctl_old {
        char *path; /* below /proc/sys/ */
        char old[SYSCTL_VALUE_MAX];
    } * items;
    size_t n;
};

/** Value of "net/ipv4/ip_forward" without its line end. RK_NOT_FOUND, RK_INTERNAL. */
enum rk_code sysctl_read(const char *path, char out[SYSCTL_VALUE_MAX], struct rk_err *err) RK_MUST;
enum rk_code sysctl_write(const char *path, const char *value, struct rk_err *err) RK_MUST;

/** Set a value, remembering the old one; nothing when it is so already. only_from: change it only
 *  from this value (NULL: from any). */
enum rk_code sysctl_change(struct sysctls *s, const char *path, const char *only_from,
                           const char *value, struct rk_err *err) RK_MUST;

/** sysctl_change for "net/ipv4/conf/IFACE/rp_filter" of every interface but lo and skip. family is
 *  "ipv4" or "ipv6". Goes on after errors; the last one is returned. */
enum rk_code sysctl_change_ifaces(struct sysctls *s, const char *family, const char *name,
                                  const char *skip, const char *only_from, const char *value,
                                  struct rk_err *err) RK_MUST;

/** Restore in reverse order, and forget. What is gone (an interface) is fine. */
void sysctls_undo(struct sysctls *s);
void sysctls_done(struct sysctls *s); /* forget only */

/** For the state file and back. json: owned by the caller. */
json_t *sysctls_json(const struct sysctls *s);
void sysctls_load(struct sysctls *s, const json_t *json);

#endif
