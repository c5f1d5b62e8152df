/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/dns/service.c and what is below it, in a namespace of its own: real sockets, fake
 * name servers, a resolv.conf of its own. */
#include "config.h"

#include "agent/dns/service.h"

#include <stdio.h>
#include <sys/socket.h>

#include "agent/dns/host.h"
#include "agent/os/files.h"
#include "lib/base/file.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "tests/unit/agent/dns/fake_dns.h"
#include "tests/unit/agent/ns.h"
#include "tests/unit/vec.h"

#define CONF    "/run/test/resolv.conf"
#define BACKUP  "/run/test/state/resolv.conf.original"
#define PROGRAM "/run/test/resolvconf"
#define CALLS   "/run/test/calls"
#define BEFORE  "search lan.example\nnameserver 127.0.0.2\n"

static struct rk_loop *loop;
static struct rk_arena *mem;
static struct dns_resolver *r;
static struct state *state;
static struct dns_service *s;
static struct fake_dns host, one, two; /* the host's own, and two for groups */
static struct dns_service_user user;
static const char *told; /* the last that the engine was told */
static unsigned n_told;
static struct rk_addr at = {.ip = {4, {100, 92, 0, 1}}, .port = 53};

static Management__DNSConfig config;
static Management__CustomZone zone, *zones[] = {&zone};
static Management__SimpleRecord records[3], *record_list[3];
static Management__NameServerGroup groups[2], *group_list[2];
static Management__NameServer servers[2][2], *server_list[2][2];

static void put(const char *path, const char *text)
{
    ck_assert_int_eq(files_write(path, rk_str_z(text), 0644, NULL), RK_OK);
}

static const char *get(const char *path)
{
    struct rk_buf b;
    const char *out;

    rk_buf_init(&b, 65536);
    out = rk_file_read(path, 0, &b, NULL) ? "" : rk_arena_dupz(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return out;
}

static char *text(const char *t)
{
    return (char *)(uintptr_t)t;
}

static void make_config(void)
{
    management__dnsconfig__init(&config);
    config.serviceenable = true;
    config.customzones = zones;
    config.n_customzones = 1;
    config.nameservergroups = group_list;
    config.n_nameservergroups = 0;
    management__custom_zone__init(&zone);
    zone.domain = text("nb.example.");
    zone.records = record_list;
    zone.n_records = 3;
    for (size_t i = 0; i < 3; i++) {
        management__simple_record__init(record_list[i] = &records[i]);
        records[i].class_ = text("IN");
        records[i].ttl = 300;
        records[i].type = i < 2 ? DNS_A : DNS_CNAME;
        records[i].name = text(i == 0   ? "a.nb.example"
                               : i == 1 ? "b.nb.example"
                                        : "far.nb.example");
        records[i].rdata = text(i == 0 ? "100.92.0.1" : i == 1 ? "100.92.0.2" : "www.far.test");
    }
    for (size_t g = 0; g < 2; g++) {
        management__name_server_group__init(group_list[g] = &groups[g]);
        groups[g].nameservers = server_list[g];
        groups[g].n_nameservers = 1;
        for (size_t i = 0; i < 2; i++) {
            management__name_server__init(server_list[g][i] = &servers[g][i]);
            servers[g][i].nstype = 1;
            servers[g][i].port = 53;
            servers[g][i].ip = text(i == 0 ? "127.0.0.3" : "127.0.0.4");
        }
    }
}

static struct rk_prefix v6; /* of the overlay; family 0: none */
static bool leave_host;
static uint16_t redirected; /* what the engine was asked for; 1: refuse */

static bool on_redirect(struct dns_service_user *u RK_UNUSED, uint16_t port)
{
    bool ok = redirected != 1;

    redirected = port;
    return ok;
}

static void service(const char *address)
{
    struct dns_service_opts o = {.loop = loop,
                                 .resolver = r,
                                 .state = state,
                                 .v4 = {{4, {100, 92, 0, 1}}, 16},
                                 .v6 = v6,
                                 .leave_host = leave_host,
                                 .iface = "lo",
                                 .ifindex = 1,
                                 .mtu_bytes = 1280,
                                 .address = rk_str_z(address)};
    static const struct dns_service_ops ops = {.redirect = on_redirect};
    struct rk_err err = {0};

    user.ops = &ops;
    ck_assert_msg(dns_service_new(&o, &user, &s, &err) == RK_OK, "%s", err.msg);
}

static void setup(void)
{
    static const char *const local[] = {NULL};
    struct dns_resolver_opts o = {.resolv_conf = CONF,
                                  .backup = BACKUP,
                                  .hosts = "/run/test/hosts",
                                  .resolvconf = PROGRAM,
                                  .local = local};

    mem = rk_arena_new(0);
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    o.loop = loop;
    put(CONF, BEFORE);
    (void)unlink(BACKUP);
    (void)unlink("/run/test/state.json");
    state = state_open("/run/test/state.json", NULL);
    fake_dns_open(&host, loop, "127.0.0.2:53", rk_ip4(192, 0, 2, 1));
    fake_dns_open(&one, loop, "127.0.0.3:53", rk_ip4(192, 0, 2, 11));
    fake_dns_open(&two, loop, "127.0.0.4:53", rk_ip4(192, 0, 2, 12));
    r = dns_resolver_new(&o);
    make_config();
    service("");
}

static void teardown(void)
{
    struct fake_dns *all[] = {&host, &one, &two};

    dns_service_free(s);
    dns_resolver_free(r);
    for (size_t i = 0; i < RK_ARRAY_LEN(all); i++)
        dns_listener_close(all[i]->l);
    for (int i = 0; i < 8; i++)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    rk_loop_free(loop); /* aborts when a handle is left */
    state_free(state);
    rk_arena_free(mem);
}

static void turn_once(void)
{
    (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
}

static void apply(void)
{
    struct rk_err err = {0};

    ck_assert_msg(dns_service_apply(s, &config, &err) == RK_OK, "%s", err.msg);
}

static const char *ask_by(const char *name, uint16_t type, bool tcp)
{
    struct fake_client c;

    fake_client_start(&c, loop, mem, &at, name, type, tcp);
    while (!c.text)
        turn_once();
    return c.text;
}

static const char *ask(const char *name)
{
    return ask_by(name, DNS_A, false);
}

static void group(size_t i, bool primary, const char *domain, size_t n_servers)
{
    static char *domains[2];

    domains[i] = text(domain);
    groups[i].primary = primary;
    groups[i].domains = &domains[i];
    groups[i].n_domains = domain ? 1 : 0;
    groups[i].n_nameservers = n_servers;
    config.n_nameservergroups = i + 1;
}

START_TEST(names_of_peers)
{
    apply();
    ck_assert_str_eq(ask("b.nb.example"), "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
    ck_assert_str_eq(ask_by("b.nb.example", DNS_AAAA, false), "NOERROR aa edns:");
    ck_assert_str_eq(ask("c.nb.example"), "NXDOMAIN aa edns:");
    ck_assert_str_eq(ask_by("b.nb.example", DNS_A, true),
                     "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
    ck_assert_str_eq(ask_by("2.0.92.100.in-addr.arpa", DNS_PTR, false),
                     "NOERROR aa edns: 2.0.92.100.in-addr.arpa 300 PTR b.nb.example");
    ck_assert_uint_eq(host.asked, 0);
}
END_TEST

START_TEST(all_other_names_go_where_they_went_before)
{
    apply();
    ck_assert_str_eq(ask("www.example"), "NOERROR edns: www.example 30 A 192.0.2.1");
    ck_assert_str_eq(ask_by("www.example", DNS_A, true),
                     "NOERROR edns: www.example 30 A 192.0.2.1");
    ck_assert_uint_eq(host.by_tcp, 1);
    host.mood = FAKE_DNS_NXDOMAIN;
    ck_assert_str_eq(ask("nobody.example"), "NXDOMAIN edns:");
    /* an alias of ours that leads there */
    host.mood = FAKE_DNS_ANSWER;
    ck_assert_str_eq(ask("far.nb.example"), "NOERROR edns: far.nb.example 300 CNAME www.far.test, "
                                            "www.far.test 30 A 192.0.2.1");
}
END_TEST

START_TEST(groups_have_their_domains)
{
    group(0, false, "corp.test", 1);
    group(1, true, NULL, 1);
    servers[1][0].ip = text("127.0.0.4");
    apply();
    ck_assert_str_eq(ask("x.corp.test"), "NOERROR edns: x.corp.test 30 A 192.0.2.11");
    ck_assert_str_eq(ask("corp.test"), "NOERROR edns: corp.test 30 A 192.0.2.11");
    ck_assert_str_eq(ask("xcorp.test"), "NOERROR edns: xcorp.test 30 A 192.0.2.12");
    ck_assert_uint_eq(host.asked, 0);
}
END_TEST

START_TEST(a_group_survives_its_first_server)
{
    char *where;
    json_t *j;

    group(0, true, NULL, 2);
    apply();
    one.mood = FAKE_DNS_SERVFAIL;
    ck_assert_str_eq(ask("a.test"), "NOERROR edns: a.test 30 A 192.0.2.12");
    ck_assert_uint_eq(one.asked, 1);
    ck_assert_str_eq(ask("b.test"), "NOERROR edns: b.test 30 A 192.0.2.12");
    ck_assert_uint_eq(one.asked, 1); /* failed lately: asked last */
    /* nothing listens there: told at once by the kernel */
    servers[0][0].ip = text("127.0.0.9");
    apply();
    ck_assert_str_eq(ask("c.test"), "NOERROR edns: c.test 30 A 192.0.2.12");
    two.mood = FAKE_DNS_SERVFAIL;
    ck_assert_str_eq(ask("d.test"), "the name server answered SERVFAIL");
    j = dns_service_json(s);
    where = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(where, "[{\"domains\":[],\"enabled\":false,\"error\":\"no server of the group "
                            "answers\",\"servers\":[\"127.0.0.9:53\",\"127.0.0.4:53\"]}]");
    free(where);
    json_decref(j);
}
END_TEST

START_TEST(a_failed_validation_is_final)
{
    group(0, true, NULL, 2);
    apply();
    one.mood = FAKE_DNS_BOGUS;
    ck_assert_str_eq(ask("a.test"), "SERVFAIL edns:");
    ck_assert_uint_eq(two.asked, 0);
}
END_TEST

START_TEST(groups_of_one_domain_race)
{
    group(0, true, NULL, 1);
    group(1, true, NULL, 1);
    servers[1][0].ip = text("127.0.0.4");
    apply();
    one.mood = FAKE_DNS_SILENT;
    ck_assert_str_eq(ask("a.test"), "NOERROR edns: a.test 30 A 192.0.2.12");
}
END_TEST

START_TEST(long_answers_come_by_tcp)
{
    const char *got;

    apply();
    host.mood = FAKE_DNS_BIG;
    got = ask("big.example");
    ck_assert_msg(strstr(got, "10.0.0.99"), "%s", got);
    ck_assert_uint_ge(host.by_tcp, 1);
}
END_TEST

static const char *raw(const char *hex)
{
    struct rk_str q = vec_hex(mem, hex);
    struct sockaddr_storage sa;
    socklen_t len = rk_addr_to_sa(&at, &sa);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    char *buf = rk_arena_alloc(mem, 2048);
    ssize_t n = -1;

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(send(fd, q.p, q.n, 0), (ssize_t)q.n);
    for (int i = 0; i < 50 && n < 0; i++) {
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
        n = recv(fd, buf, 2048, 0);
    }
    (void)close(fd);
    return n < 0 ? "" : rk_hex_encode(mem, rk_str_of(buf, (size_t)n)).p;
}

START_TEST(nonsense_is_answered_as_such)
{
    apply();
    ck_assert_str_eq(raw("1234 0100 0002 0000 0000 0000"), "123481010000000000000000");
    ck_assert_str_eq(raw("1234 2900 0001 0000 0000 0000 00 0006 0001"), "1234a9040001000000000000"
                                                                        "0000060001");
    ck_assert_str_eq(raw("1234 0100 0001 0000 0000 0000 00 0001 0003"), "123481050001000000000000"
                                                                        "0000010003");
    /* an answer is not a question, and this is not even a header */
    ck_assert_str_eq(raw("1234 8100 0001 0000 0000 0000 00 0001 0001"), "");
    ck_assert_str_eq(raw("1234 01"), "");
}
END_TEST

static void until(const char *path, const char *want)
{
    while (strcmp(get(path), want) != 0)
        turn_once();
}

START_TEST(the_host_asks_us_and_gets_its_file_back)
{
    static const char ours[] = "# Generated by rook\n# The file that was here before is " BACKUP
                               "\n\nsearch nb.example lan.example\nnameserver 100.92.0.1\n";

    apply();
    ck_assert_str_eq(get(CONF), ours);
    ck_assert_str_eq(get(BACKUP), BEFORE);
    ck_assert_ptr_nonnull(state_get(state, STATE_DNS));
    /* somebody writes another one: that is what the host has now */
    put(CONF, "nameserver 127.0.0.3\n");
    until(CONF, "# Generated by rook\n# The file that was here before is " BACKUP
                "\n\nsearch nb.example\nnameserver 100.92.0.1\n");
    ck_assert_str_eq(get(BACKUP), "nameserver 127.0.0.3\n");
    config.serviceenable = false;
    apply();
    ck_assert_str_eq(get(CONF), "nameserver 127.0.0.3\n");
    ck_assert_str_eq(get(BACKUP), "");
    ck_assert_ptr_null(state_get(state, STATE_DNS));
    ck_assert_ptr_null(dns_service_addr(s));
    config.serviceenable = true;
    apply();
    ck_assert_ptr_nonnull(strstr(get(CONF), "nameserver 100.92.0.1"));
    dns_service_free(s);
    s = NULL;
    ck_assert_str_eq(get(CONF), "nameserver 127.0.0.3\n");
}
END_TEST

START_TEST(a_killed_agent_leaves_nothing_for_long)
{
    struct rk_err err = {0};
    json_t *left;
    char *ours;

    apply();
    left = json_deep_copy(state_get(state, STATE_DNS));
    ours = rk_str_dupz(rk_str_z(get(CONF)));
    dns_service_free(s); /* and as if that had not happened: */
    s = NULL;
    put(CONF, ours);
    put(BACKUP, BEFORE);
    ck_assert_msg(dns_host_recover(left, &err) == RK_OK, "%s", err.msg);
    ck_assert_str_eq(get(CONF), BEFORE);
    /* somebody else has set the file since: it stays */
    put(CONF, "nameserver 9.9.9.9\n");
    put(BACKUP, BEFORE);
    ck_assert_int_eq(dns_host_recover(left, &err), RK_OK);
    ck_assert_str_eq(get(CONF), "nameserver 9.9.9.9\n");
    /* the backup is gone: nothing to give back, and that is said */
    put(CONF, ours);
    ck_assert_int_eq(dns_host_recover(left, &err), RK_NOT_FOUND);
    free(ours);
    json_decref(left);
}
END_TEST

/* resolvconf(8) as a program that writes down what it was asked. */
static void fake_resolvconf(const char *more)
{
    const char *script = rk_arena_printf(mem,
                                         "#!/bin/sh\n# %s\n%s\n"
                                         "{ echo \"$@\"; cat; echo .; } >>" CALLS "\n",
                                         more[0] == 'R' ? more : "", more[0] == 'R' ? "" : more)
                             .p;

    ck_assert_int_eq(files_write(PROGRAM, rk_str_z(script), 0755, NULL), RK_OK);
    put(CONF, "# Dynamic resolv.conf(5) file generated by resolvconf(8)\nnameserver 127.0.0.2\n");
    (void)unlink(CALLS);
}

START_TEST(resolvconf_gets_a_record_of_our_interface)
{
    static const char ours[] = "-a lo\n# Generated by rook\n\nsearch nb.example\n"
                               "nameserver 100.92.0.1\n.\n";
    json_t *left;

    fake_resolvconf("");
    apply();
    until(CALLS, ours);
    left = json_deep_copy(state_get(state, STATE_DNS));
    dns_service_free(s);
    s = NULL;
    ck_assert_str_eq(get(CALLS), rk_arena_printf(mem, "%s-d lo\n.\n", ours).p);
    ck_assert_ptr_null(state_get(state, STATE_DNS));
    /* after a crash the next start takes it back */
    (void)unlink(CALLS);
    ck_assert_int_eq(dns_host_recover(left, NULL), RK_OK);
    ck_assert_str_eq(get(CALLS), "-d lo\n.\n");
    json_decref(left);
}
END_TEST

START_TEST(openresolv_is_asked_for_our_server_alone)
{
    fake_resolvconf("Roy Marples");
    apply();
    until(CALLS, "-x -a lo\n# Generated by rook\n\nsearch nb.example\nnameserver 100.92.0.1\n.\n");
    (void)unlink(CALLS);
    dns_service_free(s);
    s = NULL;
    ck_assert_str_eq(get(CALLS), "-f -d lo\n.\n");
}
END_TEST

/* It hangs when it sets us: names are answered all the same, and giving back waits no longer than
 * its limit. */
START_TEST(a_hanging_resolvconf_holds_nobody)
{
    int64_t began;

    fake_resolvconf("case $1 in -a) exec sleep 1000;; esac");
    began = rk_mono_ms();
    apply();
    ck_assert_str_eq(ask("b.nb.example"), "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
    ck_assert_int_lt(rk_mono_ms() - began, 500000); /* it sleeps for twice that */
    dns_service_free(s);
    s = NULL;
    ck_assert_str_eq(get(CALLS), "-d lo\n.\n");
}
END_TEST

START_TEST(without_a_file_there_is_none_afterwards)
{
    (void)unlink(CONF);
    apply();
    ck_assert_ptr_nonnull(strstr(get(CONF), "nameserver 100.92.0.1"));
    dns_service_free(s);
    s = NULL;
    ck_assert_int_ne(access(CONF, F_OK), 0);
}
END_TEST

START_TEST(another_server_on_port_53_is_left_alone)
{
    struct fake_dns taken[3];
    struct rk_err err = {0};

    fake_dns_open(&taken[0], loop, "100.92.0.1:53", rk_ip4(192, 0, 2, 9));
    apply();
    ck_assert_uint_eq(dns_service_addr(s)->port, 53);
    ck_assert_int_eq(dns_service_addr(s)->ip.b[0], 127);
    config.serviceenable = false;
    apply();
    fake_dns_open(&taken[1], loop, "127.0.0.1:53", rk_ip4(192, 0, 2, 9));
    fake_dns_open(&taken[2], loop, "127.0.0.153:53", rk_ip4(192, 0, 2, 9));
    config.serviceenable = true;
    redirected = 1;
    /* resolv.conf cannot name another port: the host stays as it is, the server answers */
    ck_assert_msg(dns_service_apply(s, &config, &err) == RK_OK, "%s", err.msg);
    ck_assert_uint_eq(dns_service_addr(s)->port, 5053);
    ck_assert_str_eq(get(CONF), BEFORE);
    at.port = 5053;
    ck_assert_str_eq(ask("b.nb.example"), "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
    at.port = 53;
    /* unless the firewall leads there what comes for port 53 of our address */
    config.serviceenable = false;
    apply();
    config.serviceenable = true;
    redirected = 0;
    apply();
    ck_assert_uint_eq(redirected, 5053);
    ck_assert_ptr_nonnull(strstr(get(CONF), "nameserver 100.92.0.1\n"));
    config.serviceenable = false;
    apply();
    ck_assert_uint_eq(redirected, 0);
    ck_assert_str_eq(get(CONF), BEFORE);
    for (size_t i = 0; i < 3; i++)
        dns_listener_close(taken[i].l);
}
END_TEST

START_TEST(our_ipv6_address_answers_too)
{
    static const struct rk_addr v4 = {.ip = {4, {100, 92, 0, 1}}, .port = 53};

    dns_service_free(s);
    ck_assert_int_eq(rk_prefix_parse(RK_STR("fd00:92::1/64"), &v6, NULL), RK_OK);
    service("");
    v6 = (struct rk_prefix){0};
    apply();
    ck_assert_int_eq(rk_addr_parse(RK_STR("[fd00:92::1]:53"), &at, NULL), RK_OK);
    ck_assert_str_eq(ask("b.nb.example"), "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
    ck_assert_str_eq(ask_by("b.nb.example", DNS_A, true),
                     "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
    at = v4;
    ck_assert_str_eq(ask("b.nb.example"), "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
}
END_TEST

/* --disable-dns: it answers who asks, and the host is not told to. */
START_TEST(a_host_that_is_left_alone)
{
    dns_service_free(s);
    leave_host = true;
    service("");
    leave_host = false;
    group(0, true, NULL, 1);
    apply();
    ck_assert_str_eq(get(CONF), BEFORE);
    ck_assert_str_eq(ask("b.nb.example"), "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
    ck_assert_str_eq(ask("x.test"), "NOERROR edns: x.test 30 A 192.0.2.11");
    ck_assert_str_eq(get(CONF), BEFORE);
}
END_TEST

/* Domains with letters outside of ASCII, as people write them and as programs ask for them. */
START_TEST(names_of_all_letters)
{
    group(0, false,
          "B\xc3\xbc"
          "cher.test",
          1);
    zone.domain = text("stra\xc3\x9f"
                       "e.example.");
    records[0].name = text("a.stra\xc3\x9f"
                           "e.example");
    zone.n_records = 1;
    apply();
    ck_assert_str_eq(ask("x.xn--bcher-kva.test"),
                     "NOERROR edns: x.xn--bcher-kva.test 30 A 192.0.2.11");
    ck_assert_str_eq(ask("a.xn--strae-oqa.example"),
                     "NOERROR aa edns: a.xn--strae-oqa.example 300 A 100.92.0.1");
}
END_TEST

START_TEST(an_address_of_the_admin)
{
    struct rk_err err = {0};
    struct dns_service_opts bad = {.loop = loop, .resolver = r, .address = RK_STR("1.2.3.4")};
    struct dns_service *none = NULL;

    ck_assert_int_eq(dns_service_new(&bad, &user, &none, &err), RK_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "--dns-resolver-address"));
    dns_service_free(s);
    service("127.0.0.7:5300");
    apply();
    ck_assert_uint_eq(dns_service_addr(s)->port, 5300);
    ck_assert_str_eq(get(CONF), BEFORE);
}
END_TEST

/* The host's own server sends everything back to us. */
START_TEST(loops_end)
{
    struct fake_client c[12];
    struct dns_service *other;
    size_t waiting = 0;

    dns_listener_close(host.l);
    for (int i = 0; i < 4; i++)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    apply(); /* asks 127.0.0.2 for what it does not know */
    other = s;
    service("127.0.0.2:53");
    put(BACKUP, "nameserver 100.92.0.1\nnameserver 127.0.0.2\n");
    dns_resolver_overlay_up(r, NULL, 0);
    apply();
    for (size_t i = 0; i < RK_ARRAY_LEN(c); i++)
        fake_client_start(&c[i], loop, mem, &at, "loop.example", DNS_A, false);
    do {
        turn_once();
        waiting = 0;
        for (size_t i = 0; i < RK_ARRAY_LEN(c); i++)
            waiting += !c[i].text;
    } while (waiting);
    for (size_t i = 0; i < RK_ARRAY_LEN(c); i++)
        ck_assert_str_eq(c[i].text, "the name server answered SERVFAIL");
    dns_service_free(other);
    fake_dns_open(&host, loop, "127.0.0.12:53", rk_ip4(192, 0, 2, 1));
}
END_TEST

START_TEST(control_plane_names_need_no_group)
{
    struct rk_str relay = RK_STR("rels://relay.example:443");

    group(0, true, NULL, 1);
    dns_resolver_names(r, DNS_ROLE_RELAY, &relay, 1);
    apply();
    one.mood = FAKE_DNS_SILENT; /* the primary group is behind a tunnel that is down */
    ck_assert_ptr_nonnull(strstr(ask("relay.example"), "A 192.0.2.1"));
    ck_assert_ptr_nonnull(strstr(ask("fra-7.relay.example"), "A 192.0.2.1"));
    ck_assert_str_eq(ask_by("relay.example", DNS_AAAA, false), "NOERROR edns:");
    host.mood = FAKE_DNS_SILENT;
    ck_assert_ptr_nonnull(strstr(ask("fra-7.relay.example"), "A 192.0.2.1"));
    ck_assert_uint_eq(one.asked, 0);
}
END_TEST

/* ---- names of networks behind peers */

static void on_resolved(struct dns_service_user *u RK_UNUSED, struct rk_str id, struct rk_str name,
                        uint8_t family, const struct rk_ip *ips, size_t n)
{
    char addr[RK_ADDR_TEXT] = "-";

    if (n)
        (void)rk_ip_format(&ips[0], addr);
    told =
        rk_arena_printf(mem, "%.*s %.*s %u %s", RK_STR_ARG(id), RK_STR_ARG(name), family, addr).p;
    n_told++;
}

static void on_forwarded(struct dns_service_user *u RK_UNUSED, struct rk_str domain,
                         const struct rk_ip *ip)
{
    char addr[RK_ADDR_TEXT];

    (void)rk_ip_format(ip, addr);
    told = rk_arena_printf(mem, "%.*s %s", RK_STR_ARG(domain), addr).p;
    n_told++;
}

static const struct dns_service_ops NET_OPS = {.resolved = on_resolved, .forwarded = on_forwarded};

static void routes(bool by_peer, bool has_peer)
{
    static const struct rk_str domains[] = {RK_STR("one.test"), RK_STR("*.many.test")};
    struct dns_route v = {.id = RK_STR("net"), .domains = domains, .n_domains = 2};
    struct dns_routes_opts o = {.by_peer = by_peer, .port = 22054, .interval_ms = 2000};

    user.ops = &NET_OPS;
    if (has_peer)
        v.peer = rk_ip4(127, 0, 0, 5);
    ck_assert_int_eq(dns_service_routes(s, &v, 1, o, NULL), RK_OK);
}

START_TEST(names_behind_a_peer_are_asked_of_it)
{
    struct fake_dns peer;

    fake_dns_open(&peer, loop, "127.0.0.5:22054", rk_ip4(10, 1, 0, 1));
    apply();
    routes(true, true);
    ck_assert_str_eq(ask("one.test"), "NOERROR edns: one.test 30 A 10.1.0.1");
    ck_assert_str_eq(told, "net one.test 4 10.1.0.1");
    ck_assert_str_eq(ask_by("one.test", DNS_AAAA, false), "NOERROR edns:");
    ck_assert_str_eq(told, "net one.test 6 -");
    ck_assert_str_eq(ask("x.y.many.test"), "NOERROR edns: x.y.many.test 30 A 10.1.0.1");
    ck_assert_str_eq(told, "net x.y.many.test 4 10.1.0.1");
    n_told = 0;
    ck_assert_str_eq(ask("x.one.test"), "NOERROR edns: x.one.test 30 A 192.0.2.1");
    ck_assert_str_eq(ask("many.test"), "NOERROR edns: many.test 30 A 192.0.2.1");
    /* nothing that is not an answer brings a route, and nobody else is asked */
    peer.mood = FAKE_DNS_NXDOMAIN;
    ck_assert_str_eq(ask("one.test"), "NXDOMAIN edns:");
    routes(true, false);
    host.asked = 0;
    ck_assert_str_eq(ask("one.test"), "the name server answered SERVFAIL");
    ck_assert_uint_eq(host.asked, 0);
    ck_assert_uint_eq(n_told, 0);
    /* the host sends such names to us */
    ck_assert_ptr_nonnull(strstr(get(CONF), "nameserver 100.92.0.1"));
    dns_listener_close(peer.l);
}
END_TEST

START_TEST(names_are_looked_up_here_when_peers_do_not)
{
    apply();
    routes(false, false);
    while (n_told < 2)
        turn_once();
    ck_assert_uint_eq(host.asked, 2); /* not for the wildcard */
    ck_assert_str_eq(ask("one.test"), "NOERROR edns: one.test 30 A 192.0.2.1");
    ck_assert_str_eq(ask("x.many.test"), "NOERROR edns: x.many.test 30 A 192.0.2.1");
}
END_TEST

START_TEST(the_forwarder_resolves_its_domains_and_no_others)
{
    static const struct rk_str domains[] = {RK_STR("one.test"), RK_STR("*.many.test")};
    struct rk_err err = {0};

    user.ops = &NET_OPS;
    put("/run/test/hosts", "10.1.1.1 pinned.many.test\n");
    apply();
    ck_assert_msg(dns_service_forward(s, domains, 2, 22054, &err) == RK_OK, "%s", err.msg);
    at.port = 22054;
    ck_assert_str_eq(ask("one.test"), "NOERROR edns: one.test 60 A 192.0.2.1");
    ck_assert_str_eq(told, "one.test 192.0.2.1");
    at.port = 5353;
    ck_assert_str_eq(ask("x.many.test"), "NOERROR edns: x.many.test 60 A 192.0.2.1");
    ck_assert_str_eq(told, "*.many.test 192.0.2.1");
    ck_assert_str_eq(ask("pinned.many.test"), "NOERROR edns: pinned.many.test 60 A 10.1.1.1");
    ck_assert_str_eq(told, "*.many.test 10.1.1.1");
    n_told = 0;
    ck_assert_str_eq(ask("x.one.test"), "the name server answered REFUSED");
    ck_assert_str_eq(ask("www.example"), "the name server answered REFUSED");
    ck_assert_str_eq(ask_by("one.test", DNS_HTTPS, false), "NOERROR edns:");
    ck_assert_uint_eq(n_told, 0);
    /* the last good answer outlives the way to a name server */
    host.mood = FAKE_DNS_SERVFAIL;
    ck_assert_str_eq(ask("one.test"), "NOERROR edns: one.test 60 A 192.0.2.1");
    ck_assert_str_eq(ask("new.many.test"), "the name server answered SERVFAIL");
    host.mood = FAKE_DNS_NXDOMAIN;
    ck_assert_str_eq(ask("one.test"), "NXDOMAIN edns:");
    /* without domains nobody is answered */
    ck_assert_int_eq(dns_service_forward(s, NULL, 0, 22054, &err), RK_OK);
    ck_assert_ptr_nonnull(strstr(ask("one.test"), "refused"));
    at.port = 53;
}
END_TEST

START_TEST(a_group_for_nothing_changes_nothing)
{
    struct rk_err err = {0};

    apply();
    group(0, false, NULL, 1);
    ck_assert_int_eq(dns_service_apply(s, &config, &err), RK_INVALID);
    ck_assert_str_eq(ask("b.nb.example"), "NOERROR aa edns: b.nb.example 300 A 100.92.0.2");
}
END_TEST

START_TEST(peers_may_not_ask)
{
    struct rk_addr from = at;

    ck_assert_int_eq(ns_run("ip", "addr", "add", "100.92.0.2/32", "dev", "lo", NULL), 0);
    apply();
    ck_assert_int_eq(ns_run("ip", "route", "add", "local", "100.92.0.1", "dev", "lo", "src",
                            "100.92.0.2", "table", "local", "metric", "1", NULL),
                     0);
    ck_assert_int_eq(ns_run("ip", "route", "del", "local", "100.92.0.1", "table", "local", NULL),
                     0);
    ck_assert_int_eq(from.port, 53);
    ck_assert_str_eq(ask("b.nb.example"), "the name server answered REFUSED");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("service");

    if (!ns_enter() || ns_run("ip", "addr", "add", "100.92.0.1/32", "dev", "lo", NULL) ||
        ns_run("ip", "addr", "add", "fd00:92::1/128", "dev", "lo", "nodad", NULL)) {
        (void)fprintf(stderr, "skipped: needs root for a network namespace\n");
        return NS_SKIP;
    }
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, names_of_peers);
    tcase_add_test(t, all_other_names_go_where_they_went_before);
    tcase_add_test(t, groups_have_their_domains);
    tcase_add_test(t, a_group_survives_its_first_server);
    tcase_add_test(t, a_failed_validation_is_final);
    tcase_add_test(t, groups_of_one_domain_race);
    tcase_add_test(t, long_answers_come_by_tcp);
    tcase_add_test(t, nonsense_is_answered_as_such);
    tcase_add_test(t, the_host_asks_us_and_gets_its_file_back);
    tcase_add_test(t, a_killed_agent_leaves_nothing_for_long);
    tcase_add_test(t, resolvconf_gets_a_record_of_our_interface);
    tcase_add_test(t, openresolv_is_asked_for_our_server_alone);
    tcase_add_test(t, a_hanging_resolvconf_holds_nobody);
    tcase_add_test(t, without_a_file_there_is_none_afterwards);
    tcase_add_test(t, another_server_on_port_53_is_left_alone);
    tcase_add_test(t, our_ipv6_address_answers_too);
    tcase_add_test(t, a_host_that_is_left_alone);
    tcase_add_test(t, names_of_all_letters);
    tcase_add_test(t, an_address_of_the_admin);
    tcase_add_test(t, loops_end);
    tcase_add_test(t, control_plane_names_need_no_group);
    tcase_add_test(t, a_group_for_nothing_changes_nothing);
    tcase_add_test(t, names_behind_a_peer_are_asked_of_it);
    tcase_add_test(t, names_are_looked_up_here_when_peers_do_not);
    tcase_add_test(t, the_forwarder_resolves_its_domains_and_no_others);
    tcase_add_test(t, peers_may_not_ask);
    return vec_run(t, "agent/dns/service");
}
