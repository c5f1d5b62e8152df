/* SPDX-License-Identifier: BSD-3-Clause */
/* Metadata messages; see meta.h. */
#include "config.h"

#include "agent/client/meta.h"

#include <ctype.h>

#include "agent/config/version.h"
#include "agent/os/sysinfo.h"
#include "schema/pb_arena.h"

static void put_addrs(struct rk_arena *mem, const struct sysinfo *si, Management__PeerSystemMeta *m)
{
    m->networkaddresses = rk_new_n(mem, Management__NetworkAddress *, si->n_addrs + 1);
    m->n_networkaddresses = si->n_addrs;
    for (size_t i = 0; i < si->n_addrs; i++) {
        Management__NetworkAddress *a = rk_new(mem, Management__NetworkAddress);

        management__network_address__init(a);
        a->netip = pb_text(mem, si->addrs[i].cidr);
        a->mac = pb_text(mem, si->addrs[i].mac);
        m->networkaddresses[i] = a;
    }
}

static void put_files(struct rk_arena *mem, const struct rk_str *files, size_t n,
                      Management__PeerSystemMeta *m)
{
    m->files = rk_new_n(mem, Management__File *, n + 1);
    m->n_files = n;
    for (size_t i = 0; i < n; i++) {
        Management__File *f = rk_new(mem, Management__File);
        bool exists, running;

        management__file__init(f);
        f->path = pb_text(mem, files[i]);
        sysinfo_file(rk_arena_dupz(mem, files[i]), &exists, &running);
        f->exist = exists;
        f->processisrunning = running;
        m->files[i] = f;
    }
}

static Management__Flags *flags_of(struct rk_arena *mem, const struct settings *s)
{
    Management__Flags *f = rk_new(mem, Management__Flags);

    management__flags__init(f);
    f->disableclientroutes = s->disable_client_routes;
    f->disableserverroutes = s->disable_server_routes;
    f->disabledns = s->disable_dns;
    f->disablefirewall = s->disable_firewall;
    f->blocklanaccess = s->block_lan_access;
    f->blockinbound = s->block_inbound;
    f->disableipv6 = s->disable_ipv6;
    return f;
}

Management__PeerSystemMeta *meta_build(struct rk_arena *mem, struct nl_sock *route,
                                       const struct profile *p, const struct rk_str *files,
                                       size_t n)
{
    const struct settings *s = &p->settings;
    Management__PeerSystemMeta *m = rk_new(mem, Management__PeerSystemMeta);
    struct sysinfo si;

    sysinfo_read(route, mem, s->hostname, rk_arena_dupz(mem, s->interface_name), "", &si);
    management__peer_system_meta__init(m);
    m->hostname = pb_text(mem, si.hostname);
    m->goos = pb_text(mem, RK_STR("linux"));
    m->kernel = pb_text(mem, si.kernel);
    m->core = pb_text(mem, si.os_version);
    m->platform = pb_text(mem, si.machine);
    m->os = pb_text(mem, si.os);
    m->osversion = pb_text(mem, si.os_version);
    m->kernelversion = pb_text(mem, si.kernel_version);
    m->netbirdversion = pb_text(mem, RK_STR(AGENT_WIRE_VERSION));
    m->sysserialnumber = pb_text(mem, si.serial);
    m->sysproductname = pb_text(mem, si.product);
    m->sysmanufacturer = pb_text(mem, si.manufacturer);
    m->environment = rk_new(mem, Management__Environment);
    management__environment__init(m->environment);
    put_addrs(mem, &si, m);
    put_files(mem, files, n, m);
    m->flags = flags_of(mem, s);
    m->capabilities = rk_new_n(mem, Management__PeerCapability, 2);
    m->capabilities[m->n_capabilities++] =
        MANAGEMENT__PEER_CAPABILITY__PeerCapabilitySourcePrefixes;
    if (!s->disable_ipv6)
        m->capabilities[m->n_capabilities++] =
            MANAGEMENT__PEER_CAPABILITY__PeerCapabilityIPv6Overlay;
    m->syncmessageversion = 0; /* plain network maps */
    return m;
}

Management__LoginRequest *meta_login(struct rk_arena *mem, struct nl_sock *route,
                                     const struct profile *p, struct rk_str setup_key,
                                     struct rk_str token)
{
    Management__LoginRequest *r = rk_new(mem, Management__LoginRequest);
    const struct rk_strs *labels = &p->settings.dns_labels;
    char key[RK_KEY_TEXT + 1];
    struct rk_key pub;

    management__login_request__init(r);
    r->setupkey = pb_text(mem, setup_key);
    for (char *c = r->setupkey; setup_key.n && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    r->jwttoken = pb_text(mem, token);
    r->meta = meta_build(mem, route, p, NULL, 0);
    r->peerkeys = rk_new(mem, Management__PeerKeys);
    management__peer_keys__init(r->peerkeys);
    /* always: an absent one would blank what management has stored */
    r->peerkeys->sshpubkey = pb_bytes_of(profile_ssh_line(p, mem));
    rk_key_public(&p->private_key, &pub);
    rk_key_format(&pub, key);
    r->peerkeys->wgpubkey = pb_bytes_of(rk_arena_dup(mem, rk_str_z(key)));
    r->n_dnslabels = labels->n;
    r->dnslabels = rk_new_n(mem, char *, labels->n + 1);
    for (size_t i = 0; i < labels->n; i++)
        r->dnslabels[i] = pb_text(mem, labels->items[i]);
    return r;
}
