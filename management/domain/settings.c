/* SPDX-License-Identifier: BSD-3-Clause */
/* See settings.h. */
#include "config.h"

#include "management/domain/settings.h"

void settings_default(struct settings *s)
{
    *s = (struct settings){
        .peer_login_expiration_enabled = true,
        .peer_login_expiration_s = (int64_t)24 * 3600,
        .peer_inactivity_expiration_s = 600,
        .regular_users_view_blocked = true,
        .groups_propagation_enabled = true,
        .routing_peer_dns_resolution = true,
        .user_approval_required = true,
        .lazy_connection = true,
        .auto_update_version = RK_STR("disabled"),
    };
}
