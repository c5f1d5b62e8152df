/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routing sockets of macOS and FreeBSD, on Linux: recorded bytes, and a kernel that is one end of a
 * socket pair and answers as it is told.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/os/bsd/facts.h"
#include "agent/os/bsd/kernel_bsd.h"
#include "lib/base/num.h"

#define PID 4711

/* ---- recorded on macOS (also the tests of golang.org/x/net/route have these addresses) */

/* `route -n add 192.168.86.0/24` on a link: the mask is cut behind its last byte, its family 0xff.
 */
static const uint8_t LINK_ROUTE[] = {
    0x10, 0x02, 0x00, 0x00, 0xc0, 0xa8, 0x56, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, /* DST */
    0x14, 0x12, 0x04, 0x00, 0x06, 0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0,
    0,    0,    0,    0,                            /* GATEWAY: link 4 */
    0x07, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, /* NETMASK */
};
/* `route -n add -inet6 fd84:1b4e:6281:: -prefixlen 48 fe80::f22f:4bff:fe09:3bff%utun4319` */
static const uint8_t V6_ROUTE[] = {
    0x1c, 0x1e, 0,    0,    0, 0, 0, 0, 0xfd, 0x84, 0x1b, 0x4e, 0x62, 0x81, 0,    0,    0, 0,
    0,    0,    0,    0,    0, 0, 0, 0, 0,    0,    0x1c, 0x1e, 0,    0,    0,    0,    0, 0,
    0xfe, 0x80, 0x00, 0x21, 0, 0, 0, 0, 0xf2, 0x2f, 0x4b, 0xff, 0xfe, 0x09, 0x3b, 0xff, 0, 0,
    0,    0,    0x0e, 0x1e, 0, 0, 0, 0, 0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0,
};
/* A default whose address has length 0. */
static const uint8_t EMPTY_DST[] = {
    0x00, 0x1e, 0,    0,    0x1c, 0x1e, 0,    0,    0,    0,    0, 0, 0xfe, 0x80, 0x00, 0x21, 0, 0,
    0,    0,    0xf2, 0x2f, 0x4b, 0xff, 0xfe, 0x09, 0x3b, 0xff, 0, 0, 0,    0,    0x00, 0x1e, 0, 0,
};
/* `route -n add -inet6 -ifscope en11 -net :: -netmask :: fe80::2d0:4cff:fe10:15d2`: 152 bytes, pid
 * 81198, seq 1, index 13, flags UP GATEWAY DONE STATIC IFSCOPE. */
static const uint8_t SCOPED_V6[] = {
    0x1c, 0x1e, 0, 0, 0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0,    0,    0, 0,
    0,    0,    0, 0, 0,    0,    0,    0,    0x1c, 0x1e, 0,    0,    0, 0, 0, 0, 0xfe, 0x80, 0, 0,
    0,    0,    0, 0, 0x02, 0xd0, 0x4c, 0xff, 0xfe, 0x10, 0x15, 0xd2, 0, 0, 0, 0, 0x02, 0x1e, 0, 0,
};

/* A header in front, as xnu writes it. */
static size_t framed(uint8_t *out, uint8_t type, uint16_t ifindex, uint32_t flags, int pid, int seq,
                     const uint8_t *addrs, size_t n)
{
    const uint32_t fields[] = {flags, BSD_RTA_DST | BSD_RTA_GATEWAY | BSD_RTA_NETMASK,
                               (uint32_t)pid, (uint32_t)seq};
    size_t size = RTMSG_DARWIN.header + n;

    memset(out, 0, RTMSG_DARWIN.header);
    out[0] = (uint8_t)size;
    out[1] = (uint8_t)(size >> 8);
    out[2] = BSD_RTM_VERSION;
    out[3] = type;
    out[4] = (uint8_t)ifindex;
    out[5] = (uint8_t)(ifindex >> 8);
    for (size_t f = 0; f < 4; f++)
        for (size_t i = 0; i < 4; i++)
            out[8 + 4 * f + i] = (uint8_t)(fields[f] >> 8 * i);
    memcpy(out + RTMSG_DARWIN.header, addrs, n);
    return size;
}

static struct rtmsg read_one(const uint8_t *addrs, size_t n, uint32_t flags)
{
    uint8_t buf[512];
    size_t size = framed(buf, BSD_RTM_GET, 13, flags, 81198, 1, addrs, n);
    struct rtmsg m = {0};
    struct rk_err err = {0};

    ck_assert_msg(rtmsg_decode(&RTMSG_DARWIN, rk_str_of((char *)buf, size), &m, &err) == RK_OK,
                  "%s", err.msg);
    return m;
}

static void is_text(struct rk_str s, const char *want)
{
    ck_assert_msg(rk_str_eqz(s, want), "%.*s is not %s", RK_STR_ARG(s), want);
}

START_TEST(recorded_messages)
{
    char buf[RK_ADDR_TEXT];
    struct rtmsg m = read_one(LINK_ROUTE, sizeof LINK_ROUTE, BSD_RTF_UP);

    is_text(rk_prefix_format(&m.dst, buf), "192.168.86.0/24");
    ck_assert_uint_eq(m.gateway_link, 4);
    ck_assert_uint_eq(m.gateway.family, 0);
    m = read_one(V6_ROUTE, sizeof V6_ROUTE, BSD_RTF_UP | BSD_RTF_GATEWAY);
    is_text(rk_prefix_format(&m.dst, buf), "fd84:1b4e:6281::/48");
    is_text(rk_ip_format(&m.gateway, buf), "fe80::f22f:4bff:fe09:3bff");
    m = read_one(EMPTY_DST, sizeof EMPTY_DST, BSD_RTF_UP | BSD_RTF_GATEWAY);
    ck_assert(m.has_dst);
    is_text(rk_prefix_format(&m.dst, buf), "::/0");
    m = read_one(SCOPED_V6, sizeof SCOPED_V6,
                 BSD_RTF_UP | BSD_RTF_GATEWAY | BSD_RTF_DONE | BSD_RTF_STATIC | BSD_RTF_IFSCOPE);
    is_text(rk_prefix_format(&m.dst, buf), "::/0");
    is_text(rk_ip_format(&m.gateway, buf), "fe80::2d0:4cff:fe10:15d2");
    ck_assert_int_eq(m.pid, 81198);
    ck_assert_int_eq(m.seq, 1);
    ck_assert_uint_eq(m.ifindex, 13);
    ck_assert(!scoped_is_default_news(&m));
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    uint8_t buf[512];
    size_t size = framed(buf, BSD_RTM_ADD, 4, BSD_RTF_UP, 1, 1, V6_ROUTE, sizeof V6_ROUTE);

    for (size_t n = 0; n < size; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_malloc(n + 1);
        struct rtmsg m;

        memcpy(exact, buf, n);
        ck_assert_int_eq(rtmsg_decode(&RTMSG_DARWIN, rk_str_of(exact, n), &m, NULL),
                         RK_BAD_REQUEST);
        if (n < 2)
            continue;
        exact[0] = (char)n; /* a message that says so itself: addresses that are cut */
        exact[1] = (char)(n >> 8);
        RK_IGNORE(rtmsg_decode(&RTMSG_DARWIN, rk_str_of(exact, n), &m, NULL));
        RK_IGNORE(rtmsg_decode(&RTMSG_FREEBSD, rk_str_of(exact, n), &m, NULL));
    }
    buf[2] = 3;
    ck_assert_int_eq(
        rtmsg_decode(&RTMSG_DARWIN, rk_str_of((char *)buf, size), &(struct rtmsg){0}, NULL),
        RK_BAD_REQUEST);
}
END_TEST

static struct rtmsg route_of(uint8_t type, const char *dst, const char *gateway, uint32_t flags)
{
    struct rtmsg m = {
        .type = type, .ifindex = 5, .flags = flags, .has_dst = true, .pid = PID, .seq = 9};

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(dst), &m.dst, NULL), RK_OK);
    if (gateway)
        ck_assert_int_eq(rk_ip_parse(rk_str_z(gateway), &m.gateway, NULL), RK_OK);
    return m;
}

START_TEST(what_is_written_is_read_again)
{
    static const struct rtmsg_layout *const layouts[] = {&RTMSG_DARWIN, &RTMSG_FREEBSD};
    struct rtmsg list[] = {
        route_of(BSD_RTM_ADD, "0.0.0.0/0", "192.168.1.1", BSD_RTF_UP | BSD_RTF_GATEWAY),
        route_of(BSD_RTM_ADD, "128.0.0.0/1", NULL, BSD_RTF_UP),
        route_of(BSD_RTM_DELETE, "::/0", "fd00::1", BSD_RTF_UP | BSD_RTF_GATEWAY),
        route_of(BSD_RTM_ADD, "203.0.113.7/32", "10.0.0.1", BSD_RTF_UP | BSD_RTF_HOST)};

    list[1].gateway_link = 5;
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < RK_ARRAY_LEN(list); i++) {
            uint8_t buf[RTMSG_MAX_BYTES];
            struct rk_str bytes = rtmsg_encode(layouts[l], &list[i], buf);
            struct rtmsg m = {0};

            ck_assert_int_eq(rtmsg_decode(layouts[l], bytes, &m, NULL), RK_OK);
            ck_assert_int_eq(rk_prefix_cmp(&m.dst, &list[i].dst), 0);
            ck_assert_int_eq(rk_ip_cmp(&m.gateway, &list[i].gateway), 0);
            ck_assert_uint_eq(m.gateway_link, list[i].gateway_link);
            ck_assert(rtmsg_answers(&list[i], &m));
            ck_assert_uint_eq(bytes.n % layouts[l]->round, 0);
        }
}
END_TEST

/* ---- a kernel */

enum kernel_does { ANSWERS, CHATTERS, FORGETS, REFUSES, SILENT };

struct kernel {
    struct rtsock sock;
    struct scoped scoped;
    struct bound bound;
    enum kernel_does does[8]; /* attempt by attempt; then ANSWERS */
    int error;
    unsigned attempts, messages;
    struct rtmsg last;
    pthread_t thread;
    int fd;
    bool running;
    uint8_t table[4096];
    size_t table_n;
    bool p2p;
};

static void say(int fd, const struct rtmsg *m, int error)
{
    uint8_t buf[RTMSG_MAX_BYTES];
    struct rk_str s = rtmsg_encode(&RTMSG_DARWIN, m, buf);

    buf[24] = (uint8_t)error;
    (void)!send(fd, s.p, s.n, MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
    struct kernel *k = arg;
    enum kernel_does does = k->does[k->attempts - 1];
    uint8_t buf[2048];
    ssize_t n = recv(k->fd, buf, sizeof buf, 0);
    struct rtmsg q, other;

    if (n <= 0 || rtmsg_decode(&RTMSG_DARWIN, rk_str_of((char *)buf, (size_t)n), &q, NULL))
        return NULL;
    k->last = q;
    k->messages++;
    if (does == FORGETS || does == SILENT)
        return NULL;
    if (does == CHATTERS) { /* others' messages, short ones, our own of before */
        for (int i = 0; i < 50; i++) {
            other = q;
            other.pid = i % 2 ? q.pid : 1;
            other.seq = i % 2 ? q.seq - 1 : q.seq;
            say(k->fd, &other, BSD_EEXIST);
            (void)!send(k->fd, "x", 1, MSG_NOSIGNAL);
            other = q;
            other.type = BSD_RTM_CHANGE;
            say(k->fd, &other, BSD_EEXIST);
        }
    }
    say(k->fd, &q, does == REFUSES ? k->error : 0);
    return NULL;
}

static void join(struct kernel *k)
{
    if (k->running)
        (void)pthread_join(k->thread, NULL);
    if (k->running)
        (void)close(k->fd);
    k->running = false;
}

static int open_pair(struct rtsock *s)
{
    struct kernel *k = rk_container_of(s, struct kernel, sock);
    int ends[2];

    join(k);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    k->fd = ends[1];
    ck_assert_uint_lt(k->attempts, RK_ARRAY_LEN(k->does));
    k->attempts++;
    k->running = true;
    ck_assert_int_eq(pthread_create(&k->thread, NULL, serve, k), 0);
    return ends[0];
}

static enum rk_code give_table(struct scoped *s, struct rk_str *out, struct rk_err *err RK_UNUSED)
{
    struct kernel *k = rk_container_of(s, struct kernel, scoped);

    *out = rk_str_of((char *)k->table, k->table_n);
    return RK_OK;
}

static bool is_p2p(struct scoped *s, uint32_t ifindex RK_UNUSED)
{
    return rk_container_of(s, struct kernel, scoped)->p2p;
}

static void kernel_init(struct kernel *k)
{
    memset(k, 0, sizeof *k);
    k->sock = (struct rtsock){.layout = &RTMSG_DARWIN, .open = open_pair, .pid = PID};
    k->scoped = (struct scoped){.sock = &k->sock,
                                .proto_flag = BSD_RTF_PROTO1,
                                .bound = &k->bound,
                                .table = give_table,
                                .point_to_point = is_p2p};
}

static void has_route(struct kernel *k, const struct rtmsg *m)
{
    uint8_t buf[RTMSG_MAX_BYTES];
    struct rk_str s = rtmsg_encode(&RTMSG_DARWIN, m, buf);

    memcpy(k->table + k->table_n, s.p, s.n);
    k->table_n += s.n;
}

START_TEST(the_answer_is_found_among_others)
{
    struct rtmsg m = route_of(BSD_RTM_ADD, "203.0.113.7/32", "10.0.0.1", BSD_RTF_UP), a = {0};
    struct kernel k;

    kernel_init(&k);
    k.does[0] = CHATTERS;
    ck_assert_int_eq(rtsock_ask(&k.sock, &m, 1, &a, NULL), RK_OK);
    ck_assert_int_eq(a.seq, 1);
    ck_assert_int_eq(rtsock_ask(&k.sock, &m, 1, &a, NULL), RK_OK);
    ck_assert_int_eq(a.seq, 2); /* never the same number twice */
    join(&k);
}
END_TEST

START_TEST(what_the_kernel_refuses_is_not_tried_again)
{
    struct rtmsg m = route_of(BSD_RTM_ADD, "203.0.113.7/32", "10.0.0.1", BSD_RTF_UP);
    const struct {
        int error;
        enum rk_code code;
    } cases[] = {{BSD_EEXIST, RK_EXISTS}, {BSD_ESRCH, RK_NOT_FOUND}, {EINVAL, RK_INTERNAL}};

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        struct kernel k;

        kernel_init(&k);
        k.does[0] = REFUSES;
        k.error = cases[i].error;
        ck_assert_int_eq(rtsock_ask(&k.sock, &m, RTSOCK_ATTEMPTS_HOST, NULL, NULL), cases[i].code);
        ck_assert_uint_eq(k.attempts, 1);
        join(&k);
    }
}
END_TEST

START_TEST(a_lost_answer_is_asked_for_again)
{
    struct rtmsg m = route_of(BSD_RTM_ADD, "203.0.113.7/32", "10.0.0.1", BSD_RTF_UP);
    int64_t start = rk_mono_ms();
    struct kernel k;

    ck_assert_int_gt(RTSOCK_ATTEMPTS_HOST, 1); /* the budget is more than one attempt */
    kernel_init(&k);
    k.does[0] = FORGETS;
    ck_assert_int_eq(rtsock_ask(&k.sock, &m, RTSOCK_ATTEMPTS_HOST, NULL, NULL), RK_OK);
    ck_assert_uint_eq(k.attempts, 2);
    ck_assert_int_ge(rk_mono_ms() - start, RTSOCK_REPLY_MS);
    join(&k);

    kernel_init(&k);
    k.does[0] = k.does[1] = SILENT;
    ck_assert_int_eq(rtsock_ask(&k.sock, &m, 2, NULL, NULL), RK_TIMEOUT);
    ck_assert_uint_eq(k.attempts, 2);
    join(&k);
}
END_TEST

/* ---- scoped defaults */

START_TEST(scoped_defaults)
{
    struct rtmsg def = route_of(BSD_RTM_GET, "0.0.0.0/0", "192.168.1.1",
                                BSD_RTF_UP | BSD_RTF_GATEWAY | BSD_RTF_STATIC);
    struct rtmsg left = def, system = def, net;
    struct kernel k;

    kernel_init(&k);
    left.flags |= BSD_RTF_IFSCOPE | BSD_RTF_PROTO1 | BSD_RTF_DONE;
    system.flags |= BSD_RTF_IFSCOPE; /* the system's own */
    net = route_of(BSD_RTM_GET, "10.0.0.0/8", "192.168.1.1", BSD_RTF_UP | BSD_RTF_PROTO1);
    has_route(&k, &system);
    has_route(&k, &net);
    has_route(&k, &left);
    has_route(&k, &def);
    k.bound.v6 = 77; /* of the network before */
    ck_assert_int_eq(scoped_set_up(&k.scoped, NULL), RK_OK);
    ck_assert_uint_eq(k.messages, 2); /* one delete, one add; nothing for IPv6 */
    join(&k);
    ck_assert_uint_eq(k.last.type, BSD_RTM_ADD);
    ck_assert_uint_eq(k.last.flags, BSD_RTF_UP | BSD_RTF_STATIC | BSD_RTF_IFSCOPE | BSD_RTF_PROTO1 |
                                        BSD_RTF_GATEWAY);
    ck_assert_uint_eq(k.last.ifindex, 5);
    ck_assert_uint_eq(k.bound.v4, 5);
    ck_assert_uint_eq(k.bound.v6, 0);

    k.attempts = k.messages = 0;
    ck_assert_int_eq(scoped_undo(&k.scoped, NULL), RK_OK);
    join(&k);
    ck_assert_uint_eq(k.messages, 1);
    ck_assert_uint_eq(k.last.type, BSD_RTM_DELETE);
    ck_assert_uint_eq(k.last.flags & BSD_RTF_DONE, 0);
    ck_assert_uint_eq(k.bound.v4, 0);
}
END_TEST

/* What legacy routing left: routes of single addresses with our flag, nobody else's. */
START_TEST(single_addresses_of_ours_go_too)
{
    struct rtmsg ours = route_of(BSD_RTM_GET, "203.0.113.7/32", "192.168.1.1",
                                 BSD_RTF_UP | BSD_RTF_GATEWAY | BSD_RTF_HOST | BSD_RTF_PROTO1);
    struct rtmsg theirs = ours, other = ours;
    struct kernel k;

    kernel_init(&k);
    theirs.flags &= ~(uint32_t)BSD_RTF_PROTO1;
    other.flags = (other.flags & ~(uint32_t)BSD_RTF_PROTO1) | BSD_RTF_PROTO2;
    has_route(&k, &theirs);
    has_route(&k, &other);
    has_route(&k, &ours);
    ck_assert_int_eq(scoped_undo(&k.scoped, NULL), RK_OK);
    join(&k);
    ck_assert_uint_eq(k.messages, 1);
    ck_assert_uint_eq(k.last.type, BSD_RTM_DELETE);
    ck_assert_uint_eq(k.last.dst.bits, 32);
    ck_assert_uint_ne(k.last.flags & BSD_RTF_HOST, 0);
}
END_TEST

START_TEST(a_scoped_default_that_is_there_is_used)
{
    struct rtmsg def =
        route_of(BSD_RTM_GET, "::/0", "fd00::1", BSD_RTF_UP | BSD_RTF_GATEWAY | BSD_RTF_STATIC);
    struct kernel k;

    kernel_init(&k);
    has_route(&k, &def);
    k.does[0] = REFUSES;
    k.error = BSD_EEXIST;
    ck_assert_int_eq(scoped_set_up(&k.scoped, NULL), RK_OK);
    join(&k);
    ck_assert_uint_eq(k.bound.v6, 5);
}
END_TEST

START_TEST(an_interface_alone_is_no_next_hop)
{
    struct rtmsg def = route_of(BSD_RTM_GET, "0.0.0.0/0", NULL, BSD_RTF_UP | BSD_RTF_STATIC);
    struct rtmsg v6 = route_of(BSD_RTM_GET, "::/0", "fd00::1", BSD_RTF_UP | BSD_RTF_GATEWAY);
    struct rk_err err = {0};
    struct kernel k;

    kernel_init(&k);
    def.gateway_link = 5;
    has_route(&k, &def);
    ck_assert_int_eq(scoped_set_up(&k.scoped, &err), RK_PRECONDITION);
    ck_assert_uint_eq(k.attempts, 0); /* the kernel was not asked for it */
    ck_assert_uint_eq(k.bound.v4, 0);
    k.p2p = true; /* unless it has only one other end */
    ck_assert_int_eq(scoped_set_up(&k.scoped, NULL), RK_OK);
    join(&k);
    ck_assert_uint_eq(k.last.gateway_link, 5);
    ck_assert_uint_eq(k.last.flags & BSD_RTF_GATEWAY, 0);
    k.p2p = false; /* one family that fails does not undo the other */
    k.attempts = 0;
    has_route(&k, &v6);
    ck_assert_int_eq(scoped_set_up(&k.scoped, NULL), RK_OK);
    join(&k);
    ck_assert_uint_eq(k.bound.v4, 0);
    ck_assert_uint_eq(k.bound.v6, 5);
}
END_TEST

START_TEST(sockets_are_bound)
{
    struct bound b = {0};
    struct bound_option o;

    ck_assert(!bound_option(&b, 4, 0, &o));
    bound_set(&b, 4, 3);
    ck_assert(bound_option(&b, 4, 0, &o) && o.level == 0 && o.name == 25 && o.ifindex == 3);
    ck_assert(bound_option(&b, 6, 0, &o) && o.level == 41 && o.name == 125 && o.ifindex == 3);
    bound_set(&b, 6, 4);
    ck_assert(bound_option(&b, 6, 0, &o) && o.ifindex == 4);
    ck_assert(bound_option(&b, 6, 9, &o) && o.ifindex == 9); /* the address's own zone wins */
    ck_assert(!bound_option(&b, 1, 9, &o));
    bound_clear(&b);
    ck_assert(!bound_option(&b, 6, 0, &o));
}
END_TEST

START_TEST(small_rules)
{
    struct rk_prefix connected[2];
    struct rk_ip in, out;
    struct rtmsg m = route_of(BSD_RTM_ADD, "0.0.0.0/0", "10.0.0.1", BSD_RTF_UP | BSD_RTF_GATEWAY);
    struct bsd_kernel k;

    RK_IGNORE(rk_prefix_parse(RK_STR("192.168.1.0/24"), &connected[0], NULL));
    RK_IGNORE(rk_prefix_parse(RK_STR("0.0.0.0/0"), &connected[1], NULL));
    RK_IGNORE(rk_ip_parse(RK_STR("192.168.1.9"), &in, NULL));
    RK_IGNORE(rk_ip_parse(RK_STR("203.0.113.9"), &out, NULL));
    ck_assert(!scoped_may_exclude(&in, connected, 2));
    ck_assert(scoped_may_exclude(&out, connected, 2));
    ck_assert_uint_eq(scoped_proto_flag(NULL), BSD_RTF_PROTO1);
    ck_assert_uint_eq(scoped_proto_flag("2"), BSD_RTF_PROTO2);
    ck_assert_uint_eq(scoped_proto_flag("3"), BSD_RTF_PROTO3);
    ck_assert_uint_eq(scoped_proto_flag("x"), BSD_RTF_PROTO1);
    ck_assert(scoped_is_default_news(&m));
    m.flags |= BSD_RTF_REJECT;
    ck_assert(!scoped_is_default_news(&m));
    bsd_kernel_init(&k, &RTMSG_FREEBSD);
    ck_assert_int_eq(k.sock.pid, getpid());
    bsd_kernel_done(&k);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bsd");
    TCase *t = tcase_create("bsd");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, recorded_messages);
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, what_is_written_is_read_again);
    tcase_add_test(t, the_answer_is_found_among_others);
    tcase_add_test(t, what_the_kernel_refuses_is_not_tried_again);
    tcase_add_test(t, a_lost_answer_is_asked_for_again);
    tcase_add_test(t, scoped_defaults);
    tcase_add_test(t, single_addresses_of_ours_go_too);
    tcase_add_test(t, a_scoped_default_that_is_there_is_used);
    tcase_add_test(t, an_interface_alone_is_no_next_hop);
    tcase_add_test(t, sockets_are_bound);
    tcase_add_test(t, small_rules);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
