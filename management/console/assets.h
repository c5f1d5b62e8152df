/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of the console, as server/console/embed.sh puts them into the program. Constants in
 * both forms, so that nothing is compressed or held at run time; pages that nobody asks for are
 * never read from the disk. */
#ifndef MGMT_CONSOLE_ASSETS_H
#define MGMT_CONSOLE_ASSETS_H

#include <stddef.h>

struct console_asset { /* open, static */
    const char *name;  /* behind /console/, with a hash of its content: "app-1f2e3d4c.js" */
    const char *etag;  /* with its quotation marks */
    const char *type;
    const unsigned char *plain, *gzip;
    size_t plain_n, gzip_n;
};

extern const struct console_asset CONSOLE_ASSETS[];
extern const size_t CONSOLE_N_ASSETS;

/** The page that loads them; "@ISSUER@" and such are filled in by console.c. */
extern const char CONSOLE_SHELL[];

#endif
