/* SPDX-License-Identifier: BSD-3-Clause */
/* libnftables; see firewall.h. */
#include "config.h"

#include "agent/os/firewall.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "agent/os/nl.h"

/* Another program holds the ruleset for moments only. */
#define BUSY_TRIES   5
#define BUSY_WAIT_US 20000

/* libnftables keeps a few things that all its contexts share. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

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

static enum rk_code run_locked(const char *text, unsigned flags, struct rk_arena *mem,
                               struct rk_str *out, struct rk_err *err)
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

struct generation_reader {
    struct nl_reader r;
    uint32_t id;
};

static enum rk_code on_generation(struct nl_reader *r, const struct nlmsghdr *h,
                                  struct rk_err *err RK_UNUSED)
{
    struct generation_reader *g = rk_container_of(r, struct generation_reader, r);
    const struct nlattr *a;

    NL_FOR_EACH (a, h, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(a) == NFTA_GEN_ID && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
            g->id = ntohl(mnl_attr_get_u32(a));
    }
    return RK_OK;
}

/* No socket of that family, no such part of it (EINVAL), not permitted: it will not be otherwise.
 */
static enum rk_code no_generation(const struct rk_err *why, struct rk_err *err)
{
    bool later = why->code == RK_UNAVAILABLE || why->code == RK_TIMEOUT;

    return rk_fail(err, later ? why->code : RK_PRECONDITION, "nftables cannot be used here: %s",
                   why->msg);
}

enum rk_code firewall_generation(uint32_t *out, struct rk_err *err)
{
    struct rk_err why = {0};
    struct generation_reader g = {.r.message = on_generation};
    struct nl_sock *nl = NULL;
    struct nfgenmsg *m;
    struct nlmsghdr *h;
    enum rk_code rc = nl_open(NETLINK_NETFILTER, &nl, &why);

    if (rc)
        return no_generation(&why, err);
    h = nl_begin(nl, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN, 0);
    m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    m->nfgen_family = AF_UNSPEC;
    m->version = NFNETLINK_V0;
    rc = nl_ask(nl, h, &g.r, "generation of the firewall", &why);
    nl_close(nl);
    if (rc)
        return no_generation(&why, err);
    *out = g.id;
    return RK_OK;
}

static enum rk_code run(const char *text, unsigned flags, struct rk_arena *mem, struct rk_str *out,
                        struct rk_err *err)
{
    uint32_t generation = 0;
    enum rk_code rc = firewall_generation(&generation, err);

    if (rc) /* libnftables would end the process where the kernel has no such socket */
        return rc;
    (void)pthread_mutex_lock(&lock);
    rc = run_locked(text, flags, mem, out, err);
    (void)pthread_mutex_unlock(&lock);
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

/* FNV-1a: no enemy chooses what is compared here, for whoever can write it can write anything. */
static uint64_t hash_text(uint64_t h, struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

enum rk_code firewall_picture(struct rk_str table, bool with_ipv6, uint64_t *out,
                              struct rk_err *err)
{
    static const char *const families[] = {"ip", "ip6"};
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < (with_ipv6 ? 2u : 1u); i++) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
        struct rk_str command =
            rk_arena_printf(mem, "list table %s %.*s", families[i], RK_STR_ARG(table));
        struct rk_str text = {0};
        enum rk_code rc = run(command.p, NFT_CTX_OUTPUT_STATELESS, mem, &text, err);

        if (rc)
            return rc;
        sum = hash_text(sum, text);
    }
    *out = sum ? sum : 1;
    return RK_OK;
}
