/* SPDX-License-Identifier: BSD-3-Clause */
/* See meta.h. */
#include "config.h"

#include "management/rpc/meta.h"

/* A text of the record; the first one that is too long is remembered in *bad. */
static struct rk_str text(const char *z, const char *what, const char **bad)
{
    struct rk_str s = rk_str_z(z);

    if (s.n > META_TEXT_MAX) {
        *bad = *bad ? *bad : what;
        s.n = 0;
    }
    return s;
}

static uint32_t flags_of(const Management__Flags *f)
{
    if (!f)
        return 0;
    return (f->rosenpassenabled ? PEER_FLAG_ROSENPASS : 0) |
           (f->rosenpasspermissive ? PEER_FLAG_ROSENPASS_PERMISSIVE : 0) |
           (f->serversshallowed ? PEER_FLAG_SERVER_SSH_ALLOWED : 0) |
           (f->disableclientroutes ? PEER_FLAG_NO_CLIENT_ROUTES : 0) |
           (f->disableserverroutes ? PEER_FLAG_NO_SERVER_ROUTES : 0) |
           (f->disabledns ? PEER_FLAG_NO_DNS : 0) |
           (f->disablefirewall ? PEER_FLAG_NO_FIREWALL : 0) |
           (f->blocklanaccess ? PEER_FLAG_BLOCK_LAN : 0) |
           (f->blockinbound ? PEER_FLAG_BLOCK_INBOUND : 0) |
           (f->lazyconnectionenabled ? PEER_FLAG_LAZY_CONNECTION : 0) |
           (f->disableipv6 ? PEER_FLAG_NO_IPV6 : 0);
}

static uint32_t capabilities_of(const Management__PeerSystemMeta *m)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < m->n_capabilities; i++) {
        int64_t c = (int64_t)m->capabilities[i];

        if (c >= 0 && c < 32)
            bits |= UINT32_C(1) << c;
    }
    return bits;
}

static void addresses_of(struct rk_arena *mem, const Management__PeerSystemMeta *m,
                         struct peer_meta *out, const char **bad)
{
    size_t n =
        m->n_networkaddresses < META_ADDRESSES_MAX ? m->n_networkaddresses : META_ADDRESSES_MAX;

    size_t bytes = 0;

    out->addresses = rk_new_n(mem, struct peer_address, n);
    for (size_t i = 0; i < n; i++) {
        const Management__NetworkAddress *a = m->networkaddresses[i];
        struct peer_address *to = &out->addresses[out->n_addresses];

        if (rk_prefix_parse(rk_str_z(a->netip), &to->prefix, NULL))
            continue;
        to->mac = text(a->mac, "networkAddresses.mac", bad);
        bytes += RK_ADDR_TEXT + to->mac.n;
        if (bytes > META_ADDRESSES_BYTES)
            break;
        out->n_addresses++;
    }
}

static void files_of(struct rk_arena *mem, const Management__PeerSystemMeta *m,
                     struct peer_meta *out, const char **bad)
{
    size_t n = m->n_files < META_FILES_MAX ? m->n_files : META_FILES_MAX, bytes = 0;

    out->files = rk_new_n(mem, struct peer_file, n);
    for (size_t i = 0; i < n; i++) {
        struct rk_str path = text(m->files[i]->path, "files.path", bad);

        bytes += path.n;
        if (bytes > META_FILES_BYTES)
            break;
        out->files[out->n_files++] = (struct peer_file){
            .path = path,
            .exist = m->files[i]->exist,
            .running = m->files[i]->processisrunning,
        };
    }
}

enum rk_code rpc_meta(struct rk_arena *mem, const Management__PeerSystemMeta *m,
                      struct peer_meta *out, struct rk_err *err)
{
    const char *bad = NULL;
    struct peer_meta r = {0};

    if (!m) {
        *out = r;
        return RK_OK;
    }
    r = (struct peer_meta){
        .hostname = text(m->hostname, "hostname", &bad),
        .goos = text(m->goos, "goOS", &bad),
        .kernel = text(m->kernel, "kernel", &bad),
        .core = text(m->core, "core", &bad),
        .platform = text(m->platform, "platform", &bad),
        .os = text(m->os, "OS", &bad),
        .os_version = text(m->osversion[0] ? m->osversion : m->core, "OSVersion", &bad),
        .version = text(m->netbirdversion, "netbirdVersion", &bad),
        .ui_version = text(m->uiversion, "uiVersion", &bad),
        .kernel_version = text(m->kernelversion, "kernelVersion", &bad),
        .serial_number = text(m->sysserialnumber, "sysSerialNumber", &bad),
        .product_name = text(m->sysproductname, "sysProductName", &bad),
        .manufacturer = text(m->sysmanufacturer, "sysManufacturer", &bad),
        .flags = flags_of(m->flags),
        .capabilities = capabilities_of(m),
        .sync_message_version = m->syncmessageversion,
    };
    if (m->environment) {
        r.env_cloud = text(m->environment->cloud, "environment.cloud", &bad);
        r.env_platform = text(m->environment->platform, "environment.platform", &bad);
    }
    addresses_of(mem, m, &r, &bad);
    files_of(mem, m, &r, &bad);
    if (bad)
        return rk_fail(err, RK_INVALID, "peer metadata: %s is longer than %d bytes", bad,
                       META_TEXT_MAX);
    *out = r;
    return RK_OK;
}
