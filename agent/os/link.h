/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network interfaces and their addresses over rtnetlink: find, create, delete, change. Every call
 * is one question to the kernel on the caller's socket; same thread rule as that socket.
 */
#ifndef RK_AGENT_OS_LINK_H
#define RK_AGENT_OS_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/os/nl.h"
#include "lib/base/arena.h"
#include "lib/net/addr.h"

#define LINK_KIND_SIZE 32
#define LINK_MAC_TEXT  18 /* "aa:bb:cc:dd:ee:ff" and a NUL */

struct link { /* open */
    uint32_t index;
    char name[IF_NAMESIZE];
    char kind[LINK_KIND_SIZE]; /* "wireguard", "tun", "veth"; empty for hardware */
    uint32_t flags;            /* IFF_UP … */
    uint32_t mtu_bytes;
    char mac[LINK_MAC_TEXT]; /* empty when it has none */
};

struct link_list {
    struct link *items;
    size_t n, cap;
};

struct link_addr {
    uint32_t index;
    struct rk_prefix prefix; /* host bits set */
    uint8_t scope;           /* RT_SCOPE_… */
};

struct link_addr_list {
    struct link_addr *items;
    size_t n, cap;
};

/** RK_NOT_FOUND when there is none. */
enum rk_code link_find(struct nl_sock *s, const char *name, struct link *out,
                       struct rk_err *err) RK_MUST;

/** All links in the order of their index. arena */
enum rk_code link_list(struct nl_sock *s, struct rk_arena *mem, struct link_list *out,
                       struct rk_err *err) RK_MUST;

/** Create a link of kind wireguard. RK_EXISTS, RK_PRECONDITION (kind unknown to the kernel). */
enum rk_code link_add_wireguard(struct nl_sock *s, const char *name, struct rk_err *err) RK_MUST;

/** Does this kernel know the kind? Asks for an impossible link of it, which also loads the module;
 *  nothing is created. */
bool link_wireguard_known(struct nl_sock *s);

/** RK_NOT_FOUND when it is gone already. */
enum rk_code link_delete(struct nl_sock *s, uint32_t index, struct rk_err *err) RK_MUST;

/** Set up or down; mtu_bytes 0 leaves it. */
enum rk_code link_set(struct nl_sock *s, uint32_t index, bool up, uint32_t mtu_bytes,
                      struct rk_err *err) RK_MUST;

/** Addresses of one link (index 0: of all). arena */
enum rk_code link_addrs(struct nl_sock *s, uint32_t index, struct rk_arena *mem,
                        struct link_addr_list *out, struct rk_err *err) RK_MUST;

/** Add an address with the prefix length of its network. RK_EXISTS. */
enum rk_code link_addr_add(struct nl_sock *s, uint32_t index, const struct rk_prefix *p,
                           struct rk_err *err) RK_MUST;

enum rk_code link_addr_delete(struct nl_sock *s, uint32_t index, const struct rk_prefix *p,
                              struct rk_err *err) RK_MUST;

/** Bring the addresses of a link to exactly the given list: what is missing is added, what is too
 *  much removed; IPv6 link-local ones stay. On an error the rest is still tried. */
enum rk_code link_addr_sync(struct nl_sock *s, uint32_t index, const struct rk_prefix *want,
                            size_t n, struct rk_err *err) RK_MUST;

#endif
