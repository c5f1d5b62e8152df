/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bench of the relay over QUIC datagrams: CPU time of the relay's process per packet while pairs of
 * peers keep a window of full WireGuard packets in flight. What is lost (datagrams may be) is
 * counted and not waited for.
 *
 *   quic [--seconds S] [--pairs N] [--loops N] [--rounds N] [PATH_OF_RELAY]
 *
 * Then the private memory of the relay for each of as many connections that say nothing.
 */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "lib/quic/port.h"
#include "tests/bench/relay/bench.h"
#include "tests/unit/cert.h"

enum {
    QUIC_PACKET = 1300 - RLY_TRANSPORT_HEADER, /* messages of 1,300 bytes: datagrams hold no more */
    WARM_MS = 500,
    STALL_MS = 100,
    SCRATCH_SLOTS = 16,
    QUIET_MS = 1500,  /* until what the handshakes took is given back */
    QUIC_WINDOW = 32, /* packets in flight: those of all pairs fit into the relay's socket */
};

struct qpeer {
    struct quic_port port;
    struct quic_endpoint_user ep_user;
    struct quic_conn_user user;
    struct quic_conn *conn;
    struct rly_peer_id id;
    struct qpair *pair;
    bool authenticated;
    uint64_t received;
};

struct qpair {
    struct qpeer from, to;
    uint64_t sent;
    uint64_t lost; /* or late: no longer waited for */
    uint8_t message[RLY_TRANSPORT_HEADER + QUIC_PACKET];
};

static struct {
    struct rk_loop *loop;
    struct udp_scratch *scratch;
    struct tls_ctx *tls;
    struct server server;
    struct qpair pairs[MAX_PAIRS];
    size_t n_pairs, n_ready;
    bool idle; /* measure memory */
    double private_before;
    int64_t began_ns, cpu_ns, seconds;
    uint64_t received_before, at_last_look;
    struct rk_timer *timer, *stall;
} bench;

static uint64_t all_received(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < bench.n_pairs; i++)
        sum += bench.pairs[i].to.received;
    return sum;
}

static void fill(struct qpair *p)
{
    if (!p->from.conn)
        return;
    quic_port_sending(&p->from.port);
    while (p->sent < p->to.received + p->lost + QUIC_WINDOW) {
        if (quic_conn_send(p->from.conn, (struct rk_str){0},
                           rk_str_of(p->message, sizeof p->message)) != QUIC_SENT)
            return;
        p->sent++;
    }
}

static void on_over(void *arg)
{
    (void)arg;
    rk_timer_cancel(&bench.stall);
    for (size_t i = 0; i < bench.n_pairs; i++) {
        quic_port_close(&bench.pairs[i].from.port);
        quic_port_close(&bench.pairs[i].to.port);
    }
    rk_loop_stop(bench.loop);
}

static void print_result(void)
{
    double wall = (double)(now_ns() - bench.began_ns) / 1e9;
    double cpu = (double)(process_cpu_ns(bench.server.pid) - bench.cpu_ns);
    uint64_t got = all_received() - bench.received_before, lost = 0;

    for (size_t i = 0; i < bench.n_pairs; i++)
        if (bench.pairs[i].sent > bench.pairs[i].to.received + QUIC_WINDOW)
            lost += bench.pairs[i].sent - bench.pairs[i].to.received - QUIC_WINDOW;
    if (!got)
        die("nothing came through");
    printf("quic   %-6s %8.0f packets/s %6.2f Gbit/s %6.0f ns CPU/packet = %4.0f k/s and core, "
           "%.2f %% lost\n",
           bench.server.name, (double)got / wall, (double)got * 1300 * 8 / 1e9 / wall,
           cpu / (double)got, 1e6 / (cpu / (double)got),
           100.0 * (double)lost / (double)(got + lost));
    (void)fflush(stdout);
}

static void on_counted(void *arg)
{
    print_result();
    on_over(arg);
}

static void on_warm(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < bench.n_pairs; i++)
        bench.pairs[i].lost = 0, bench.pairs[i].sent = bench.pairs[i].to.received;
    bench.began_ns = now_ns();
    bench.cpu_ns = process_cpu_ns(bench.server.pid);
    bench.received_before = all_received();
    rk_timer_start(bench.loop, &bench.timer, bench.seconds * 1000, on_counted, NULL);
}

/* Windows that do not move have lost packets. */
static void on_stall(void *arg)
{
    static uint64_t seen[MAX_PAIRS];

    for (size_t i = 0; i < bench.n_pairs; i++) {
        struct qpair *p = &bench.pairs[i];

        if (seen[i] == p->to.received && p->sent > p->to.received + p->lost)
            p->lost = p->sent - p->to.received;
        seen[i] = p->to.received;
        fill(p);
    }
    rk_timer_start(bench.loop, &bench.stall, STALL_MS, on_stall, arg);
}

static void all_ready(void)
{
    for (size_t i = 0; i < bench.n_pairs; i++)
        if (quic_conn_max_datagram(bench.pairs[i].from.conn) < 1300 ||
            quic_conn_max_datagram(bench.pairs[i].to.conn) < 1300)
            return;
    rk_timer_start(bench.loop, &bench.timer, WARM_MS, on_warm, NULL);
    on_stall(NULL);
}

static void on_quiet(void *arg)
{
    printf("quic   %-6s %6.0f bytes/idle peer\n", bench.server.name,
           (process_private_bytes(bench.server.pid) - bench.private_before) /
               (double)(2 * bench.n_pairs));
    on_over(arg);
}

static void on_look(void *arg)
{
    if (bench.idle) {
        rk_timer_start(bench.loop, &bench.timer, QUIET_MS, on_quiet, arg);
        return;
    }
    all_ready();
    if (!bench.stall)
        rk_timer_start(bench.loop, &bench.timer, 100, on_look, NULL);
}

/* ---- peers */

static void peer_ready(struct quic_conn_user *u)
{
    (void)u;
}

static void send_auth(struct qpeer *p)
{
    uint8_t msg[RLY_MAX_AUTH];
    struct rk_wr w = rk_wr_of(msg, sizeof msg);
    struct hmac_credential cred;
    struct hmac_relay_token token;
    struct rk_key key;

    hmac_relay_key(rk_str_z(SECRET), &key);
    hmac_relay_credential(&key, rk_unix_ms() / 1000 + 3600, &cred);
    if (hmac_relay_token_build(rk_str_z(cred.payload), rk_str_z(cred.signature), &token, NULL))
        die("token");
    rly_put_auth(&w, &p->id, rk_str_of(token.b, token.n));
    quic_port_sending(&p->port);
    (void)quic_conn_send(p->conn, (struct rk_str){0}, rk_wr_done(&w));
}

static void peer_datagram(struct quic_conn_user *u, uint8_t *m, size_t n)
{
    struct qpeer *p = rk_container_of(u, struct qpeer, user);

    if (!p->authenticated && n > 2 && m[1] == RLY_AUTH_RESPONSE) {
        p->authenticated = true;
        if (++bench.n_ready == 2 * bench.n_pairs)
            rk_timer_start(bench.loop, &bench.timer, 100, on_look, NULL);
    } else if (n > RLY_TRANSPORT_HEADER) {
        p->received++;
    }
}

static void peer_turned(struct quic_port *port)
{
    struct qpeer *p = rk_container_of(port, struct qpeer, port);

    if (bench.stall && p == &p->pair->to)
        fill(p->pair);
}

static void peer_writable(struct quic_conn_user *u)
{
    struct qpeer *p = rk_container_of(u, struct qpeer, user);

    if (!p->authenticated && p->conn)
        send_auth(p);
    else if (bench.stall && p == &p->pair->from)
        fill(p->pair);
}

static void peer_closed(struct quic_conn_user *u, const struct rk_err *why)
{
    struct qpeer *p = rk_container_of(u, struct qpeer, user);

    p->conn = NULL;
    if (why->code) {
        (void)fprintf(stderr, "bench: %s\n", why->msg);
        exit(EXIT_FAILURE);
    }
}

static const struct quic_conn_ops PEER_OPS = {.ready = peer_ready,
                                              .datagram = peer_datagram,
                                              .writable = peer_writable,
                                              .closed = peer_closed};

static void ep_send(struct quic_endpoint_user *u, const struct udp_out *v, size_t n)
{
    quic_port_send(&rk_container_of(u, struct qpeer, ep_user)->port, v, n);
}

static const struct quic_endpoint_ops EP_OPS = {.send = ep_send};

static void qpeer_open(struct qpair *pair, struct qpeer *p, const char *name, size_t i)
{
    struct rk_addr to = {.ip = rk_ip4(127, 0, 0, 1), .port = bench.server.port};
    struct udp_opts udp = {
        .bind.ip = {.family = 4}, .peer = to, .buffer_bytes = 4 << 20, .scratch = bench.scratch};
    struct quic_endpoint_opts o = {.tls = bench.tls, .alpn = "nb-quic", .idle_ms = 60000};
    char key[64];

    (void)snprintf(key, sizeof key, "%s %zu", name, i);
    rly_peer_id_of(rk_str_z(key), &p->id);
    p->pair = pair;
    p->user.ops = &PEER_OPS;
    p->ep_user.ops = &EP_OPS;
    quic_port_init(&p->port, bench.loop, peer_turned);
    if (quic_port_bind(&p->port, &udp, NULL))
        die("UDP");
    o.local = *udp_local(p->port.sock);
    if (quic_client_new(&o, &to, "127.0.0.1", quic_port_now_ns(), &p->ep_user, &p->user,
                        &p->port.ep, &p->conn, NULL))
        die("QUIC");
    quic_port_sending(&p->port);
}

static void on_auth_look(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < bench.n_pairs; i++) {
        if (!bench.pairs[i].from.authenticated)
            send_auth(&bench.pairs[i].from);
        if (!bench.pairs[i].to.authenticated)
            send_auth(&bench.pairs[i].to);
    }
    if (bench.n_ready < 2 * bench.n_pairs)
        rk_timer_start(bench.loop, &bench.timer, 300, on_auth_look, NULL);
}

static void run(void)
{
    if (rk_loop_new(&bench.loop, NULL))
        die("loop");
    bench.scratch = udp_scratch_new(SCRATCH_SLOTS, UDP_SCRATCH_GRO);
    bench.n_ready = 0;
    bench.private_before = process_private_bytes(bench.server.pid);
    memset(bench.pairs, 0, sizeof bench.pairs);
    for (size_t i = 0; i < bench.n_pairs; i++) {
        struct qpair *p = &bench.pairs[i];
        struct rk_wr w = rk_wr_of(p->message, sizeof p->message);
        static const char payload[QUIC_PACKET];

        qpeer_open(p, &p->from, "from", i);
        qpeer_open(p, &p->to, "to", i);
        rly_put_transport(&w, &p->to.id, rk_str_of(payload, sizeof payload));
    }
    rk_timer_start(bench.loop, &bench.timer, 300, on_auth_look, NULL);
    rk_loop_run(bench.loop);
    rk_loop_free(bench.loop);
    udp_scratch_free(bench.scratch);
}

int main(int argc, char **argv)
{
    static const struct option long_opts[] = {{"seconds", required_argument, NULL, 's'},
                                              {"pairs", required_argument, NULL, 'p'},
                                              {"loops", required_argument, NULL, 'l'},
                                              {"rounds", required_argument, NULL, 'r'},
                                              {NULL, 0, NULL, 0}};
    struct tls_client_opts tls = {.insecure = true};
    int64_t pairs = 50, rounds = 3;
    struct test_cert cert;
    int c;

    bench.seconds = 3;
    bench.server = (struct server){.name = "ours", .path = "./rookery-relay", .kind = TLS_AES};
    while ((c = getopt_long(argc, argv, "", long_opts, NULL)) != -1)
        if (c == 'l')
            bench.server.loops = optarg;
        else if (c == '?' ||
                 (c == 's' && rk_parse_i64(rk_str_z(optarg), 1, 600, &bench.seconds, NULL)) ||
                 (c == 'p' && rk_parse_i64(rk_str_z(optarg), 1, MAX_PAIRS, &pairs, NULL)) ||
                 (c == 'r' && rk_parse_i64(rk_str_z(optarg), 1, 100, &rounds, NULL)))
            return 2;
    if (optind < argc)
        bench.server.path = argv[optind];
    if (!rk_str_ends(rk_str_z(bench.server.path), RK_STR("rookery-relay")))
        bench.server.name = "other";
    test_cert_new(&cert);
    server_files(cert.cert, cert.key);
    if (tls_client_new(&tls, &bench.tls, NULL))
        die("TLS");
    bench.n_pairs = (size_t)pairs;
    printf("%zu pairs over QUIC, messages of 1300 bytes, %d rounds of %d s\n", bench.n_pairs,
           (int)rounds, (int)bench.seconds);
    for (int64_t i = 0; i <= rounds; i++) {
        bench.idle = i == rounds;
        server_start(&bench.server);
        run();
        server_stop(&bench.server);
    }
    tls_ctx_free(bench.tls);
    test_cert_free(&cert);
    return EXIT_SUCCESS;
}
