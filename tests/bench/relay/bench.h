/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parts of the relay's bench: streams of the load (clear text or TLS), the servers that are
 * measured, peers and pairs, and the measurements. One thread; every failure ends the program.
 */
#ifndef RK_TESTS_BENCH_RELAY_H
#define RK_TESTS_BENCH_RELAY_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/net/relayproto.h"
#include "lib/net/ws.h"

enum {
    PACKET = 1312, /* bytes of a full WireGuard packet at the overlay's MTU of 1280 */
    BATCH = 16,    /* packets per write */
    WINDOW = 96,   /* packets in flight per pair: fits our queue, so nothing is dropped */
    MAX_PAIRS = 256,
    MAX_IDLE = 20000,
    FILES = 65536, /* open files of the bench and of the servers */
};

#define SECRET "bench-secret"

enum kind { CLEAR, TLS_AES, TLS_CHACHA, KINDS };
extern const char *const KIND_NAMES[KINDS];

/* ---- clock */

__attribute__((noreturn)) void die(const char *what); /* with errno */
int64_t now_ns(void);                                 /* monotonic */
int64_t process_cpu_ns(pid_t pid);
double process_private_bytes(pid_t pid); /* resident, of no file */

/* ---- streams: non-blocking sockets */

struct stream {
    int fd;
    SSL *ssl; /* NULL: clear text */
    BIO *out; /* ciphertext that the socket has not taken; lent by ssl */
};

/** false: nobody listens. */
bool stream_open(struct stream *s, uint16_t port, enum kind kind);
void stream_accepted(struct stream *s, int fd, SSL_CTX *tls); /* a server's end */
/** Two ends with nothing between them. */
void stream_pair(struct stream *a, struct stream *b, enum kind kind);
void stream_close(struct stream *s);
/** Bytes taken or received; 0: would block; -1: the other end is gone. Once ciphertext waits for
 *  the socket nothing more is taken. */
ssize_t stream_send(struct stream *s, const void *p, size_t n);
ssize_t stream_recv(struct stream *s, void *p, size_t size);
void stream_send_all(struct stream *s, const void *p, size_t n); /* waits */
void stream_recv_all(struct stream *s, void *p, size_t n);       /* waits */

/* ---- servers */

struct server {
    const char *name;
    const char *path;  /* NULL: the bare copier */
    const char *loops; /* value of --loops; NULL: not given */
    bool many;         /* --max-connections for MAX_IDLE */
    enum kind kind;
    pid_t pid;
    uint16_t port;
};

void server_files(const char *cert, const char *key); /* PEM, for TLS */
SSL_CTX *server_tls(void);
int server_listen(uint16_t *port); /* bound, not listening yet */
void server_start(struct server *s);
void server_stop(struct server *s);

/* ---- peers */

struct samples {
    int64_t *ns;
    size_t n, max;
};

struct peer {
    struct stream stream;
    struct rly_peer_id id;
    uint8_t head[WS_FRAME_HEAD];
    unsigned head_n;
    uint64_t skip; /* payload bytes of the frame that are still to come */
    uint64_t received;
    uint8_t stamp[8]; /* the first bytes of the packet that is coming */
    uint64_t payload_at;
    struct samples *ages; /* not NULL: of received packets */
};

struct pair {
    struct peer from, to;
    uint8_t *batch; /* BATCH frames, masked with zeroes, ready to be written over and over */
    size_t batch_n, at;
    uint64_t sent;
};

void peer_open(struct peer *p, const struct server *s, const char *name, unsigned i);
void pair_open(struct pair *p, const struct server *s, unsigned i);
void pair_open_direct(struct pair *p, enum kind kind); /* no server between them */
void pair_close(struct pair *p);
/** Read and count what is there; false when nothing was. */
bool peer_receive(struct peer *p);
/** Write the rest of a frame that the socket did not take, then whole batches while the window has
 *  room. */
void pair_fill(struct pair *p);
/** One packet that carries the time; false when the socket takes nothing now. */
bool pair_send_stamped(struct pair *p);
/** Wait until all that was sent has come. */
void pair_settle(struct pair *p);

/** Connect, upgrade, show a wrong token, and see the relay close. */
void peer_stranger(const struct server *s);

/* ---- a process beside the measurement: "greedy", a pair at full speed; "joins", strangers */

bool beside_known(const char *name);
pid_t beside_start(const char *name, const struct server *s); /* name NULL: none, 0 */
void beside_stop(pid_t pid);

/* ---- measurements */

struct result {
    double packets_per_s, cpu_ns;
    double rate, p50_us, p99_us; /* rate: packets a second while the times were taken */
    double busy;                 /* part of a core that the server used meanwhile */
    double idle_bytes;
};

/** Packets per second and CPU time of the server for each, with all pairs at full speed. */
void measure_throughput(const struct server *s, struct pair *pairs, size_t n, double seconds,
                        struct result *r);
/** Ages of packets at their arrival while r->rate packets a second go through all pairs: medians of
 *  the figures of each tenth of a second, so that a scheduler that takes the processor away for a
 *  while does not decide. */
void measure_latency(const struct server *s, struct pair *pairs, size_t n, double seconds,
                     struct result *r); /* s NULL: no server */
/** Memory of the server for each of n connected peers. */
void measure_idle(const struct server *s, unsigned n, struct result *r);

#endif
