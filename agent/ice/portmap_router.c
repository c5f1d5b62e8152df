/* SPDX-License-Identifier: BSD-3-Clause */
/* NAT-PMP by libnatpmp, UPnP by libminiupnpc, both loaded when first needed. */
#include "config.h"

#include "agent/ice/portmap_router.h"

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <natpmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "agent/ice/portmap_pcp.h"
#include "lib/base/dl.h"
#include "lib/base/num.h"

#define LIFETIME_S     7200
#define LIFETIME_TEXT  "7200"
#define NATPMP_WAIT_MS 2000 /* three tries of the library */
#define SSDP_WAIT_MS   2000
#define FOR_EVER       "0"
#define ONLY_FOR_EVER  725 /* UPnP error: leases have no end there */
#define PORT_TAKEN     718
#define OTHER_PORTS    4 /* to try, when the wanted one is somebody else's */

static struct {
    __typeof__(initnatpmp) *init;
    __typeof__(closenatpmp) *close;
    __typeof__(sendpublicaddressrequest) *ask_address;
    __typeof__(sendnewportmappingrequest) *ask_port;
    __typeof__(getnatpmprequesttimeout) *timeout;
    __typeof__(readnatpmpresponseorretry) *read;
} pmp;

static const struct rk_dl_sym PMP_SYMS[] = {
    {"initnatpmp", offsetof(__typeof__(pmp), init)},
    {"closenatpmp", offsetof(__typeof__(pmp), close)},
    {"sendpublicaddressrequest", offsetof(__typeof__(pmp), ask_address)},
    {"sendnewportmappingrequest", offsetof(__typeof__(pmp), ask_port)},
    {"getnatpmprequesttimeout", offsetof(__typeof__(pmp), timeout)},
    {"readnatpmpresponseorretry", offsetof(__typeof__(pmp), read)},
};

static struct rk_dl pmp_dl = {.soname = "libnatpmp.so.1",
                              .purpose = "NAT-PMP",
                              .syms = PMP_SYMS,
                              .n = RK_ARRAY_LEN(PMP_SYMS),
                              .table = &pmp,
                              .lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
    __typeof__(upnpDiscover) *discover;
    __typeof__(freeUPNPDevlist) *free_list;
    __typeof__(UPNP_GetValidIGD) *choose;
    __typeof__(FreeUPNPUrls) *free_urls;
    __typeof__(UPNP_AddPortMapping) *add;
    __typeof__(UPNP_DeletePortMapping) *del;
    __typeof__(UPNP_GetExternalIPAddress) *address;
} upnp;

static const struct rk_dl_sym UPNP_SYMS[] = {
    {"upnpDiscover", offsetof(__typeof__(upnp), discover)},
    {"freeUPNPDevlist", offsetof(__typeof__(upnp), free_list)},
    {"UPNP_GetValidIGD", offsetof(__typeof__(upnp), choose)},
    {"FreeUPNPUrls", offsetof(__typeof__(upnp), free_urls)},
    {"UPNP_AddPortMapping", offsetof(__typeof__(upnp), add)},
    {"UPNP_DeletePortMapping", offsetof(__typeof__(upnp), del)},
    {"UPNP_GetExternalIPAddress", offsetof(__typeof__(upnp), address)},
};

static struct rk_dl upnp_dl = {.soname = "libminiupnpc.so.17",
                               .purpose = "UPnP",
                               .syms = UPNP_SYMS,
                               .n = RK_ARRAY_LEN(UPNP_SYMS),
                               .table = &upnp,
                               .lock = PTHREAD_MUTEX_INITIALIZER};

const char *portmap_method_name(enum portmap_method m)
{
    switch (m) {
    case PORTMAP_PCP:
        return "PCP";
    case PORTMAP_NATPMP:
        return "NAT-PMP";
    case PORTMAP_UPNP:
        return "UPnP";
    case PORTMAP_NONE:
        break;
    }
    return "none";
}

/* ---- NAT-PMP */

static bool pmp_wait(natpmp_t *n, natpmpresp_t *out, int64_t until_ms)
{
    for (;;) {
        struct timeval left = {0};
        struct pollfd fd = {.fd = n->s, .events = POLLIN};
        int64_t wait = until_ms - rk_mono_ms();
        int r;

        if (wait <= 0)
            return false;
        if (pmp.timeout(n, &left) == 0)
            wait = rk_min_i64(wait, (int64_t)left.tv_sec * 1000 + left.tv_usec / 1000 + 1);
        (void)poll(&fd, 1, (int)rk_max_i64(0, wait));
        r = pmp.read(n, out);
        if (r != NATPMP_TRYAGAIN)
            return r == 0;
    }
}

static bool pmp_open(const struct portmap_ask *a, natpmp_t *n)
{
    in_addr_t gateway;

    memcpy(&gateway, a->gateway.b, sizeof gateway);
    return rk_dl_load(&pmp_dl, NULL) == RK_OK && pmp.init(n, 1, gateway) == 0;
}

static bool pmp_ask(const struct portmap_ask *a, struct portmap_answer *out)
{
    int64_t until = rk_mono_ms() + NATPMP_WAIT_MS;
    natpmpresp_t r;
    natpmp_t n;
    bool ok;

    if (!pmp_open(a, &n))
        return false;
    *out = (struct portmap_answer){.method = PORTMAP_NATPMP};
    if (pmp.ask_address(&n) > 0 && pmp_wait(&n, &r, until)) {
        out->outside.ip = (struct rk_ip){.family = 4};
        memcpy(out->outside.ip.b, &r.pnu.publicaddress.addr, 4);
        if (rk_ip_is_unspecified(&out->outside.ip))
            out->outside.ip = (struct rk_ip){0};
    }
    ok = pmp.ask_port(&n, NATPMP_PROTOCOL_UDP, a->port, a->wanted, LIFETIME_S) > 0 &&
         pmp_wait(&n, &r, until) && r.type == NATPMP_RESPTYPE_UDPPORTMAPPING &&
         r.pnu.newportmapping.mappedpublicport;
    if (ok) {
        out->outside.port = r.pnu.newportmapping.mappedpublicport;
        out->lifetime_s = r.pnu.newportmapping.lifetime;
    }
    (void)pmp.close(&n);
    return ok;
}

static void pmp_forget(const struct portmap_ask *a)
{
    natpmp_t n;

    if (!pmp_open(a, &n))
        return;
    (void)pmp.ask_port(&n, NATPMP_PROTOCOL_UDP, a->port, 0, 0);
    (void)pmp.close(&n);
}

/* ---- UPnP */

struct igd {
    struct UPNPUrls urls;
    struct IGDdatas data;
    char own[64]; /* our address, as the router sees it */
};

static bool igd_find(const struct portmap_ask *a, struct igd *g)
{
    char own[RK_ADDR_TEXT];
    int error = 0, found;
    struct UPNPDev *list;

    if (rk_dl_load(&upnp_dl, NULL))
        return false;
    /* by our address, so that the search leaves by the right link whatever routes there are */
    list = upnp.discover(SSDP_WAIT_MS, rk_ip_format(&a->own, own).p, NULL, 0, 0, 2, &error);
    if (!list)
        return false;
    found = upnp.choose(list, &g->urls, &g->data, g->own, sizeof g->own);
    upnp.free_list(list);
    if (found && found != 1)
        upnp.free_urls(&g->urls);
    return found == 1;
}

static void port_text(char out[8], uint16_t port)
{
    (void)snprintf(out, 8, "%u", port);
}

static int igd_add(const struct igd *g, uint16_t outside, uint16_t inside, const char *lease)
{
    char ext[8], in[8];

    port_text(ext, outside);
    port_text(in, inside);
    return upnp.add(g->urls.controlURL, g->data.first.servicetype, ext, in, g->own, "rook", "UDP",
                    NULL, lease);
}

static bool upnp_ask(const struct portmap_ask *a, struct portmap_answer *out)
{
    const char *lease = LIFETIME_TEXT;
    char text[64] = "";
    struct igd g;
    uint16_t port = a->wanted;
    int rc = PORT_TAKEN;

    if (!igd_find(a, &g))
        return false;
    for (unsigned i = 0; i < OTHER_PORTS && rc == PORT_TAKEN; i++) {
        if (i)
            port = (uint16_t)(49152 + (a->port + 977u * i) % 16384);
        rc = igd_add(&g, port, a->port, lease);
        if (rc == ONLY_FOR_EVER) {
            lease = FOR_EVER;
            rc = igd_add(&g, port, a->port, lease);
        }
    }
    *out = (struct portmap_answer){
        .method = PORTMAP_UPNP, .outside.port = port, .lifetime_s = LIFETIME_S};
    if (rc == 0 && (upnp.address(g.urls.controlURL, g.data.first.servicetype, text) != 0 ||
                    rk_ip_parse(rk_str_z(text), &out->outside.ip, NULL) != RK_OK ||
                    rk_ip_is_unspecified(&out->outside.ip)))
        out->outside.ip = (struct rk_ip){0};
    upnp.free_urls(&g.urls);
    return rc == 0;
}

static void upnp_forget(const struct portmap_ask *a)
{
    struct igd g;
    char ext[8];

    if (!igd_find(a, &g))
        return;
    port_text(ext, a->wanted);
    (void)upnp.del(g.urls.controlURL, g.data.first.servicetype, ext, "UDP", NULL);
    upnp.free_urls(&g.urls);
}

/* ---- all */

enum rk_code portmap_router_ask(const struct portmap_ask *a, struct portmap_answer *out,
                                struct rk_err *err)
{
    bool any = a->method == PORTMAP_NONE;

    if ((any || a->method == PORTMAP_PCP) && pcp_ask(a, LIFETIME_S, out))
        return RK_OK;
    if ((any || a->method == PORTMAP_NATPMP) && pmp_ask(a, out))
        return RK_OK;
    if ((any || a->method == PORTMAP_UPNP) && upnp_ask(a, out))
        return RK_OK;
    return rk_fail(err, a->method ? RK_UNAVAILABLE : RK_NOT_FOUND, "no port of the router: %s",
                   a->method ? "it does not answer any more"
                             : "it does none of PCP, NAT-PMP and UPnP");
}

void portmap_router_forget(const struct portmap_ask *a)
{
    if (a->method == PORTMAP_PCP)
        pcp_forget(a);
    else if (a->method == PORTMAP_NATPMP)
        pmp_forget(a);
    else if (a->method == PORTMAP_UPNP)
        upnp_forget(a);
}
