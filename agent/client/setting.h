/* SPDX-License-Identifier: BSD-3-Clause */
/* A setting as a person gives it, in the form that the profile keeps. Any thread. */
#ifndef RK_AGENT_CLIENT_SETTING_H
#define RK_AGENT_CLIENT_SETTING_H

#include "agent/config/profile.h"

/** profile_set, after checking what the profile does not know. Names for this peer are one or more
 *  words of letters, digits, '-' and '_', "*." in front perhaps; other letters become punycode.
 *  Addresses outside are those of external_ip.h. Errors: as profile_set, RK_INVALID, RK_UNAVAILABLE
 *  (libidn2 is needed and not there). */
enum rk_code setting_set(struct profile *p, struct rk_str flag, struct rk_str value,
                         struct rk_err *err) RK_MUST;

#endif
