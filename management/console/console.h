/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The web console: one page and the files it loads, from the program itself. It is a client like
 * any other: it signs in at the embedded provider and speaks to the public REST API.
 *
 *   /            the page (also /console and what is below it that is no file)
 *                (which page is shown stands behind the # and stays in the browser)
 *   /console/…   its files, whose names change with their content: kept by browsers for ever
 */
#ifndef MGMT_CONSOLE_H
#define MGMT_CONSOLE_H

#include "lib/http/router.h"

struct console;

struct console_opts {    /* open; copied */
    const char *issuer;  /* of the embedded provider; NULL or "": access tokens only */
    const char *client;  /* our client id there */
    const char *name;    /* of this server, as people read it */
    const char *version; /* of the program */
};

/** Owned: console_free, after the HTTP server has stopped. */
struct console *console_new(const struct console_opts *opts);
void console_free(struct console *c); /* accepts NULL */

/** The routes above. */
void console_attach(struct console *c, struct http_router *router);

#endif
