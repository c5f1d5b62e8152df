/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of `rook status --json` in the forms that official agents print; for agent/engine/ only.
 * Each is owned by the caller; any thread. */
#ifndef RK_AGENT_ENGINE_STATUS_TEXT_H
#define RK_AGENT_ENGINE_STATUS_TEXT_H

#include <jansson.h>

#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

static inline json_t *status_text(struct rk_str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

/* RFC 3339; Go's zero time where there is none, as official agents print it. */
static inline json_t *status_time(int64_t unix_ms)
{
    char buf[RK_TIME_TEXT];

    return unix_ms ? status_text(rk_time_format_us(unix_ms * 1000, buf))
                   : json_string("0001-01-01T00:00:00Z");
}

static inline json_t *status_addr(const struct rk_addr *a)
{
    char buf[RK_ADDR_TEXT];

    return status_text(rk_addr_format(a, buf));
}

static inline void status_set(json_t *o, const char *name, json_t *value)
{
    (void)json_object_set_new(o, name, value);
}

#endif
