/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that a server of ours has in its data folder. An option that names one of them for
 * another purpose (a log beside the database, in a hurry) would destroy it.
 */
#ifndef STORE_OWN_FILES_H
#define STORE_OWN_FILES_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

struct own_files {          /* open; all borrowed for the call */
    struct rk_str data_dir; /* where the keys are */
    struct rk_str sqlite;   /* the database's path; empty: none */
};

/**
 * What `path` is of ours: "the database", "the database's WAL", "store.key", ...; NULL: none of it.
 * Files are the same when folder and name are (whether they are there or not, links followed), or
 * device and inode. Looks at the file system. Any thread. Static.
 */
const char *own_file_named(struct rk_arena *mem, const struct own_files *o, struct rk_str path);

#endif
