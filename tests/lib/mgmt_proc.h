/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real rookery-management on loopback with a fresh data folder, and blocking HTTP/1.1 calls to
 * its REST API, for functional tests. Failing helpers fail the test.
 */
#ifndef TEST_MGMT_PROC_H
#define TEST_MGMT_PROC_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

struct mgmt_proc { /* open for reading */
    char dir[64];
    uint16_t port;
    pid_t pid;       /* 0: not running */
    char token[128]; /* personal access token of the owner */
};

/** Make a folder, start the program (extra: NULL-terminated further arguments, or NULL), wait until
 * it serves, make the owner. */
void mgmt_proc_start(struct mgmt_proc *p, const char *const *extra);

/** Start again on the same folder and port. */
void mgmt_proc_again(struct mgmt_proc *p, const char *const *extra);

/** SIGTERM; it must end with status 0 in time. */
void mgmt_proc_stop(struct mgmt_proc *p);
/** SIGKILL. */
void mgmt_proc_kill(struct mgmt_proc *p);
/** Remove the folder; stops first. */
void mgmt_proc_done(struct mgmt_proc *p);

/** One call; body may be NULL. Returns the HTTP status; *answer (may be NULL) is owned. */
int mgmt_rest(struct mgmt_proc *p, const char *method, const char *path, json_t *body,
              json_t **answer);

/** New setup key text: type "reusable" or "one-off". Static buffer. */
const char *mgmt_setup_key(struct mgmt_proc *p, const char *type);

#endif
