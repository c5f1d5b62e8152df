/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz a QUIC port with what strangers send before they have a connection: datagrams with their
 * lengths in front (two bytes). Nothing may be sent that amplifies, and what is begun ends by its
 * timeout. */
#include "config.h"

#include <string.h>

#include "lib/base/num.h"
#include "lib/base/rd.h"
#include "lib/quic/quic.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/cert.h"

enum { STEP_NS = 1000000, END_NS = 60 * 1000 };

static size_t bytes_out;

static void ep_send(struct quic_endpoint_user *u, const struct udp_out *v, size_t n)
{
    (void)u;
    for (size_t i = 0; i < n; i++)
        bytes_out += v[i].bytes.n;
}

static bool ep_accept(struct quic_endpoint_user *u, struct quic_conn *c)
{
    (void)u;
    (void)c;
    return false;
}

static struct tls_ctx *certificate(void)
{
    static struct tls_ctx *tls;
    struct test_cert cert;
    struct tls_server_opts o = {.cert_file = cert.cert, .key_file = cert.key};

    if (tls)
        return tls;
    test_cert_new(&cert);
    FUZZ_CHECK(tls_server_new(&o, &tls, NULL) == RK_OK);
    test_cert_free(&cert);
    return tls;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct quic_endpoint_ops ops = {.send = ep_send, .accept = ep_accept};
    struct quic_endpoint_user user = {&ops};
    struct quic_endpoint_opts o = {
        .tls = certificate(),
        .alpn = "test",
        .secret = (const uint8_t *)"0123456789abcdef0123456789abcdef",
        .local = {.ip = rk_ip4(192, 0, 2, 1), .port = 443},
        .idle_ms = 30000,
        .limits = {.retry_from = 2, .max_half_open = 4},
    };
    struct udp_in in = {.from = {.ip = rk_ip4(203, 0, 113, 66), .port = 666}};
    struct rk_rd rd = rk_rd_of(rk_str_of(data, size));
    int64_t now = STEP_NS;
    struct quic_endpoint *e;

    bytes_out = 0;
    FUZZ_CHECK(quic_server_new(&o, &user, &e, NULL) == RK_OK);
    while (!rd.bad && rd.left > 2) {
        size_t n = rk_min_size(rk_rd_u16(&rd), rd.left);

        in.bytes = rk_rd_str(&rd, n);
        quic_endpoint_receive(e, &in, 1, now += STEP_NS);
        quic_endpoint_flush(e, now);
    }
    for (int i = 0; i < END_NS / 100 && quic_endpoint_conns(e); i++)
        quic_endpoint_flush(e, now += (int64_t)100 * STEP_NS);
    FUZZ_CHECK(quic_endpoint_conns(e) == 0);
    FUZZ_CHECK(bytes_out <= 4 * size + 1500);
    quic_endpoint_free(e);
    return 0;
}
