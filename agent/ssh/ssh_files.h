/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What OpenSSH's client of this host is told about peers: a file with their host keys, as
 * management has them, and a drop-in of ssh_config that names it for those peers whose server on
 * that port is the mesh's own (`rook ssh detect`); any other server there is left to the user's
 * known hosts. Both files are ours alone, written whole and before that noted in the state file, so
 * that a killed agent's successor removes them. Loop thread; writes only when something has
 * changed.
 */
#ifndef RK_AGENT_SSH_FILES_H
#define RK_AGENT_SSH_FILES_H

#include "agent/config/state.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/net/addr.h"
#include "schema/gen/management.pb-c.h"

/* More peers than this are not written unless that is forced: ssh reads all of it every time. */
#define SSH_FILES_PEERS_MAX 200

struct ssh_files;

struct ssh_files_opts { /* copied; handles borrowed until freed, texts copied */
    struct state *state;
    struct rk_log *log;
    const char *folder;  /* with ssh_config.d in it; "/etc/ssh" */
    const char *iface;   /* names the files */
    const char *program; /* of this agent; NULL: /proc/self/exe */
    bool off, force;
};

struct ssh_files *ssh_files_new(const struct ssh_files_opts *o);
/** Removes the files first. Accepts NULL. */
void ssh_files_free(struct ssh_files *f);

/** Write both files for the peers of a map that have an address inside the overlay and a host key.
 *  Without such peers, or without a folder for drop-ins, there are none. What a peer's entry has
 *  that is no host name or no key is left out. Errors: RK_LIMIT (more peers than allowed, said
 * once: the files are removed), those of writing. */
enum rk_code ssh_files_apply(struct ssh_files *f, const Management__NetworkMap *map,
                             const struct rk_prefix *v4, const struct rk_prefix *v6,
                             struct rk_err *err) RK_MUST;

/** Remove what the state file tells of (STATE_SSH). Files that are not ours any more stay. */
enum rk_code ssh_files_recover(const json_t *left, struct rk_err *err) RK_MUST;

#endif
