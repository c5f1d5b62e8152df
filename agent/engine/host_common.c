/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of a host share. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "agent/engine/host_priv.h"

void host_save_sysctls(struct host *h)
{
    state_set(h->o.state, STATE_SYSCTL, h->sysctls.n ? sysctls_json(&h->sysctls) : NULL);
}

void host_trouble(struct host *h, const char *format, ...)
{
    char text[320];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    rk_log(h->o.log, RK_WARN, "trouble", kv_z("what", text));
    if (h->user->ops->trouble)
        h->user->ops->trouble(h->user, text);
}

void host_mend_soon(struct host *h, unsigned kinds)
{
    int64_t wait = h->mend_at_ms - rk_loop_now_ms(h->o.loop);

    h->pending |= kinds;
    rk_timer_start(h->o.loop, &h->mend_timer, wait > 0 ? wait : 0, h->on_mend, h);
}
