/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers: identity, what the agent said about its host (meta), and stored status. */
#ifndef MGMT_DOMAIN_PEER_H
#define MGMT_DOMAIN_PEER_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "management/domain/settings.h"
#include "management/domain/types.h"

/* Bits of peer_meta.capabilities: 1 << number on the wire. */
#define PEER_CAP_SOURCE_PREFIXES (UINT32_C(1) << 1)
#define PEER_CAP_IPV6_OVERLAY    (UINT32_C(1) << 2)
#define PEER_CAP_COMPONENT_MAP   (UINT32_C(1) << 3)

/* Bits of peer_meta.flags: 1 << (field number of the wire message Flags - 1). */
#define PEER_FLAG_ROSENPASS            (UINT32_C(1) << 0)
#define PEER_FLAG_ROSENPASS_PERMISSIVE (UINT32_C(1) << 1)
#define PEER_FLAG_SERVER_SSH_ALLOWED   (UINT32_C(1) << 2)
#define PEER_FLAG_NO_CLIENT_ROUTES     (UINT32_C(1) << 3)
#define PEER_FLAG_NO_SERVER_ROUTES     (UINT32_C(1) << 4)
#define PEER_FLAG_NO_DNS               (UINT32_C(1) << 5)
#define PEER_FLAG_NO_FIREWALL          (UINT32_C(1) << 6)
#define PEER_FLAG_BLOCK_LAN            (UINT32_C(1) << 7)
#define PEER_FLAG_BLOCK_INBOUND        (UINT32_C(1) << 8)
#define PEER_FLAG_LAZY_CONNECTION      (UINT32_C(1) << 9)
#define PEER_FLAG_SSH_ROOT             (UINT32_C(1) << 10)
#define PEER_FLAG_SSH_SFTP             (UINT32_C(1) << 11)
#define PEER_FLAG_SSH_LOCAL_FORWARD    (UINT32_C(1) << 12)
#define PEER_FLAG_SSH_REMOTE_FORWARD   (UINT32_C(1) << 13)
#define PEER_FLAG_NO_SSH_AUTH          (UINT32_C(1) << 14)
#define PEER_FLAG_NO_IPV6              (UINT32_C(1) << 15)

struct peer_address { /* one network interface */
    struct rk_prefix prefix;
    struct rk_str mac;
};

struct peer_file {
    struct rk_str path;
    bool exist;
    bool running;
};

struct peer_meta {
    struct rk_str hostname, goos, kernel, core, platform, os, os_version;
    struct rk_str version; /* of the agent ("WtVersion") */
    struct rk_str ui_version, kernel_version;
    struct peer_address *addresses;
    size_t n_addresses;
    struct rk_str serial_number, product_name, manufacturer;
    struct rk_str env_cloud, env_platform;
    struct peer_file *files;
    size_t n_files;
    uint32_t flags;        /* PEER_FLAG_… */
    uint32_t capabilities; /* PEER_CAP_…; unknown numbers above 31 are dropped */
    int32_t sync_message_version;
};

struct peer_location {
    struct rk_ip connection_ip; /* family 0: unknown */
    struct rk_str country_code;
    struct rk_str city_name;
    uint64_t geoname_id;
};

/* Presence (connected, last seen, session) of ordinary peers is kept beside the snapshot; what is
 * here is the last stored value and may be old. the other flags are exact. */
struct peer_status {
    int64_t last_seen_us;
    bool connected;
    bool login_expired;
    bool requires_approval;
    bool owner_blocked;    /* its user is: it is in nobody's map, and its own is empty */
    int64_t session_token; /* start of the sync stream in ns; 0: none */
};

struct peer {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str key; /* WireGuard public key, base64, 44 characters */
    struct rk_ip ip;   /* IPv4, unique in the account */
    struct rk_ip ip6;  /* family 0: none */
    struct rk_str name;
    struct rk_str dns_label;
    struct rk_str user_id; /* empty: enrolled with a setup key */
    struct rk_str ssh_key; /* public key line without line end */
    bool ssh_enabled;
    bool login_expiration_enabled;
    bool inactivity_expiration_enabled;
    int64_t last_login_us; /* 0: never */
    int64_t created_at_us;
    bool ephemeral;
    struct str_list extra_dns_labels;
    bool allow_extra_dns_labels;
    bool proxy_embedded; /* a peer inside the reverse proxy */
    struct rk_str proxy_cluster;
    struct peer_meta meta;
    struct peer_location location;
    struct peer_status status;
};

static inline bool peer_supports_ipv6(const struct peer *p)
{
    return (p->meta.capabilities & PEER_CAP_IPV6_OVERLAY) && !(p->meta.flags & PEER_FLAG_NO_IPV6);
}

static inline bool peer_supports_prefixes(const struct peer *p)
{
    return p->meta.capabilities & PEER_CAP_SOURCE_PREFIXES;
}

static inline bool peer_is_sso(const struct peer *p)
{
    return p->user_id.n > 0;
}

/** Expired by time: an SSO peer with the switch on whose last login is at least the account's
 *  period ago. Does not look at the account's switch nor at status.login_expired. */
bool peer_time_expired(const struct peer *p, const struct settings *s, int64_t now_us);

/** Login and Sync must be refused: expired by time while the account's switch is on, or flagged. */
bool peer_login_expired(const struct peer *p, const struct settings *s, int64_t now_us);

/** In the offline list of other peers' maps: expired by time while the account's switch is on. */
bool peer_offline_in_maps(const struct peer *p, const struct settings *s, int64_t now_us);

/** A map is computed for this peer and others may see it through groups: approved. */
static inline bool peer_is_validated(const struct peer *p)
{
    return !p->status.requires_approval && !p->status.owner_blocked;
}

#define PEER_LABEL_MAX     59 /* characters that are kept of a host name */
#define PEER_LABEL_WITH_IP 55 /* the same before "-255-255": a DNS label has 63 at most */

/**
 * DNS label of a host name: first label, punycoded, runs of other characters as one '-', lower
 * case, cut. With suffix_ip (IPv4, may be NULL) "-<third byte>-<fourth byte>" is put behind it:
 * for ephemeral peers and when the plain label is taken. arena
 * Errors: RK_INVALID for an empty host name or one that has no punycode form.
 */
enum rk_code peer_dns_label(struct rk_arena *mem, struct rk_str hostname,
                            const struct rk_ip *suffix_ip, struct rk_str *out,
                            struct rk_err *err) RK_MUST;

/** Number of host addresses that may be given out in an IPv4 prefix (network and broadcast address
 *  excluded), and the i-th of them (i from 0). */
uint64_t addr4_count(const struct rk_prefix *net);
struct rk_ip addr4_at(const struct rk_prefix *net, uint64_t i);

/** Whether a peer gets an IPv6 address: the account has a prefix, some group is enabled for IPv6,
 *  and the peer is embedded or in an enabled group (groups include All when it is a member). */
bool peer_wants_ipv6(const struct rk_prefix *net6, const struct str_list *ipv6_groups,
                     const struct str_list *peer_groups, bool embedded);

#endif
