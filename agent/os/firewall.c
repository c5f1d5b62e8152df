/* SPDX-License-Identifier: BSD-3-Clause */
/* libnftables; see firewall.h. */
#include "config.h"

#include "agent/os/firewall.h"

#include <nftables/libnftables.h>
#include <string.h>
#include <unistd.h>

/* Another program holds the ruleset for moments only. */
#define BUSY_TRIES   5
#define BUSY_WAIT_US 20000

static enum rk_code refuse(const char *reason, struct rk_err *err)
{
    struct rk_str line, rest;

    /* "<cmdline>:1:5-9: Error: Could not process rule: …" */
    (void)rk_str_cut(rk_str_z(reason), '\n', &line, &rest);
    if (strstr(reason, "Operation not permitted") || strstr(reason, "not supported") ||
        strstr(reason, "Unable to initialize Netlink"))
        return rk_fail(err, RK_PRECONDITION, "nftables: %.*s",
                       RK_STR_ARG(rk_str_sub(line, 0, 160)));
    return rk_fail(err, RK_INVALID, "nftables: %.*s", RK_STR_ARG(rk_str_sub(line, 0, 160)));
}

static enum rk_code run(const char *text, unsigned flags, struct rk_arena *mem, struct rk_str *out,
                        struct rk_err *err)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    enum rk_code rc = RK_OK;

    if (!nft)
        return rk_fail(err, RK_PRECONDITION, "nftables cannot be used here");
    (void)nft_ctx_buffer_output(nft);
    (void)nft_ctx_buffer_error(nft);
    nft_ctx_output_set_flags(nft, flags);
    for (int i = 0; i < BUSY_TRIES; i++) {
        if (nft_run_cmd_from_buffer(nft, text) == 0) {
            rc = RK_OK;
            if (out)
                *out = rk_arena_dup(mem, rk_str_z(nft_ctx_get_output_buffer(nft)));
            break;
        }
        rc = refuse(nft_ctx_get_error_buffer(nft), err);
        if (!strstr(nft_ctx_get_error_buffer(nft), "busy"))
            break;
        (void)usleep(BUSY_WAIT_US);
    }
    nft_ctx_free(nft);
    return rc;
}

enum rk_code firewall_run(const char *text, struct rk_err *err)
{
    return run(text, 0, NULL, NULL, err);
}

enum rk_code firewall_list(const char *command, bool json, struct rk_arena *mem, struct rk_str *out,
                           struct rk_err *err)
{
    return run(command, NFT_CTX_OUTPUT_HANDLE | (json ? NFT_CTX_OUTPUT_JSON : 0u), mem, out, err);
}
