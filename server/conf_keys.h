/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every key of rookery's configuration as a row of the option engine: what upstream's config.yaml
 * has (spec/deploy.md 2.1), ours under server.x, and what is accepted without effect or refused,
 * each with its reason. The flag is the path in the file; list elements are written [].
 */
#ifndef RK_SERVER_CONF_KEYS_H
#define RK_SERVER_CONF_KEYS_H

#include "server/conf.h"

extern const struct rk_opt SERVER_KEYS[]; /* over struct server_config */
extern const size_t SERVER_N_KEYS;

#endif
