/* SPDX-License-Identifier: BSD-3-Clause */
/* GetDeviceAuthorizationFlow and GetPKCEAuthorizationFlow: where an agent gets its tokens. The
 * caller need not be registered; the answers are made once. */
#include "config.h"

#include "management/rpc/rpc_impl.h"

static Management__ProviderConfig provider_of(struct rk_arena *mem, const struct rpc_flow *f)
{
    Management__ProviderConfig p = MANAGEMENT__PROVIDER_CONFIG__INIT;

    p.clientid = pb_text(mem, rk_str_z(f->client_id));
    p.clientsecret = pb_text(mem, rk_str_z(f->client_secret));
    p.audience = pb_text(mem, rk_str_z(f->audience));
    p.deviceauthendpoint = pb_text(mem, rk_str_z(f->device_auth_endpoint));
    p.tokenendpoint = pb_text(mem, rk_str_z(f->token_endpoint));
    p.scope = pb_text(mem, rk_str_z(f->scope));
    p.useidtoken = f->use_id_token;
    p.authorizationendpoint = pb_text(mem, rk_str_z(f->authorization_endpoint));
    p.n_redirecturls = f->n_redirect_urls;
    p.redirecturls = rk_new_n(mem, char *, f->n_redirect_urls);
    for (size_t i = 0; i < f->n_redirect_urls; i++)
        p.redirecturls[i] = pb_text(mem, rk_str_z(f->redirect_urls[i]));
    p.disablepromptlogin = f->disable_prompt_login;
    p.loginflag = f->login_flag;
    return p;
}

void rpc_flows_init(struct rpc *r)
{
    Management__ProviderConfig device = provider_of(r->mem, &r->o.device);
    Management__ProviderConfig pkce = provider_of(r->mem, &r->o.pkce);
    Management__DeviceAuthorizationFlow d = MANAGEMENT__DEVICE_AUTHORIZATION_FLOW__INIT;
    Management__PKCEAuthorizationFlow p = MANAGEMENT__PKCEAUTHORIZATION_FLOW__INIT;

    d.providerconfig = &device;
    p.providerconfig = &pkce;
    /* The arena has no ceiling, so packing cannot fail. */
    if (!device.clientid[0] || pb_pack(r->mem, &d.base, &r->device, NULL))
        r->device = (struct rk_str){0};
    if (!pkce.clientid[0] || pb_pack(r->mem, &p.base, &r->pkce, NULL))
        r->pkce = (struct rk_str){0};
    r->o.device = r->o.pkce = (struct rpc_flow){0}; /* lent to us only until here */
}

/* Both calls word their errors differently from the others. */
static void flow(struct grpc_call *c, struct rk_str wire, const char *rpc_name,
                 const char *flow_name, struct rk_str answer)
{
    RK_CLEANUP(envelope_peer_wipe) struct envelope_peer peer = {0};
    struct rk_str plain, sender;

    switch (
        envelope_open(rpc_of(c)->o.envelope, grpc_call_arena(c), wire, &peer, &plain, &sender)) {
    case ENVELOPE_OK:
        break;
    case ENVELOPE_BAD_KEY:
        rpc_fail_status(c, GRPC_INVALID_ARGUMENT,
                        "error while parsing peer's Wireguard public key %.*s on %s request.",
                        RK_STR_ARG(sender), rpc_name);
        return;
    case ENVELOPE_BAD_FORM:
    case ENVELOPE_BAD_BODY:
        rpc_fail_status(c, GRPC_INVALID_ARGUMENT,
                        "error while decrypting peer's message with Wireguard public key %.*s.",
                        RK_STR_ARG(sender));
        return;
    }
    if (answer.n)
        rpc_reply_sealed(c, &peer.shared, answer);
    else
        rpc_fail_status(c, GRPC_NOT_FOUND, "no %s authorization flow information available",
                        flow_name);
}

void rpc_device_flow(struct grpc_call *c, struct rk_str body)
{
    flow(c, body, "GetDeviceAuthorizationFlow", "device", rpc_of(c)->device);
}

void rpc_pkce_flow(struct grpc_call *c, struct rk_str body)
{
    flow(c, body, "GetPKCEAuthorizationFlow", "pkce", rpc_of(c)->pkce);
}
