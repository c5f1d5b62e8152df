/* SPDX-License-Identifier: BSD-3-Clause */
/* What the provider is: its time, clients, addresses and issuer. Every other file here may ask it;
 * it asks none of them. */
#include "config.h"

#include "management/idp/base.h"

int64_t idp_now_us(const struct idp *i)
{
    return mgmt_now_us(i->m);
}

bool idp_list_has(const struct idp_list *l, struct rk_str s)
{
    for (size_t k = 0; k < l->n; k++)
        if (rk_str_eqz(s, l->v[k]))
            return true;
    return false;
}

const struct idp_client *idp_client(const struct idp *i, struct rk_str id)
{
    for (size_t k = 0; k < IDP_N_CLIENTS; k++)
        if (rk_str_eqz(id, i->clients[k].id))
            return &i->clients[k];
    return NULL;
}

const char *idp_auth_url(const struct idp *i)
{
    return i->auth_url;
}

const char *idp_token_url(const struct idp *i)
{
    return i->token_url;
}

const char *idp_device_url(const struct idp *i)
{
    return i->device_url;
}

const char *idp_keys_url(const struct idp *i)
{
    return i->keys_url;
}

struct idp_list idp_cli_redirects(const struct idp *i)
{
    return i->clients[IDP_CLI].redirects;
}

struct jwt_issuer idp_issuer(struct idp *i)
{
    return (struct jwt_issuer){.issuer = i->issuer,
                               .audiences = i->client_ids,
                               .n_audiences = IDP_N_CLIENTS,
                               .keys = keyring_source(i->keys),
                               .embedded = true};
}
