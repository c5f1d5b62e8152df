/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/ssh/ssh_files.c, where there is one with OpenSSH's own client as the reader. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ssh/ssh_files.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tests/unit/run.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0nuGhPqmK5Ymd2wQhyVTS0mbF4D0tKRM8XvWUvNOeX"

static char dir[64], config[128], known[128], program[128], state_path[128];
static struct state *state;
static struct rk_log *logger;
static struct rk_prefix v4, v6;

static void setup(void)
{
    char sub[128];
    FILE *f;

    (void)snprintf(dir, sizeof dir, "/tmp/test_ssh_files.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(sub, sizeof sub, "%s/ssh_config.d", dir);
    ck_assert_int_eq(mkdir(sub, 0755), 0);
    (void)snprintf(config, sizeof config, "%s/ssh_config.d/99-rook-wt_0.conf", dir);
    (void)snprintf(known, sizeof known, "%s/rook_known_hosts-wt_0", dir);
    (void)snprintf(program, sizeof program, "%s/program", dir);
    (void)snprintf(state_path, sizeof state_path, "%s/state.json", dir);
    f = fopen(program, "w");
    ck_assert_ptr_nonnull(f);
    (void)fprintf(f, "#!/bin/sh\n[ \"$*\" = \"ssh detect $3 22 any\" ] && [ \"$3\" != b ]\n");
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(program, 0755), 0);
    state = state_open(state_path, logger);
    ck_assert_int_eq(rk_prefix_parse(rk_str_z("100.92.0.1/16"), &v4, NULL), RK_OK);
    ck_assert_int_eq(rk_prefix_parse(rk_str_z("fd00:1::1/64"), &v6, NULL), RK_OK);
}

static void teardown(void)
{
    char text[128];

    state_free(state);
    (void)snprintf(text, sizeof text, "%s/ssh_config.d", dir);
    (void)unlink(config);
    (void)unlink(known);
    (void)unlink(program);
    (void)unlink(state_path);
    (void)rmdir(text);
}

static struct ssh_files *make(bool off, bool force)
{
    struct ssh_files_opts o = {.state = state,
                               .log = logger,
                               .folder = dir,
                               .iface = "wt%0",
                               .program = program,
                               .off = off,
                               .force = force};

    return ssh_files_new(&o);
}

static bool there(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool has(const char *path, const char *what)
{
    struct rk_buf text;
    bool yes;

    rk_buf_init(&text, 1 << 20);
    ck_assert_int_eq(rk_file_read(path, 0, &text, NULL), RK_OK);
    yes = rk_str_find(rk_buf_str(&text), rk_str_z(what)) < text.n;
    rk_buf_done(&text);
    return yes;
}

/* A map of one or many peers that are alike. */
#define PEERS 201
static Management__RemotePeerConfig peers[PEERS], *list[PEERS];
static Management__SSHConfig keys[PEERS];
static char *ips[PEERS][3];

static Management__NetworkMap map_of(size_t n, const char *fqdn, const char *key)
{
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;

    for (size_t i = 0; i < n; i++) {
        management__remote_peer_config__init(&peers[i]);
        management__sshconfig__init(&keys[i]);
        ips[i][0] = (char *)"10.0.0.0/8"; /* a network behind it */
        ips[i][1] = (char *)"100.92.0.7/32";
        ips[i][2] = (char *)"fd00:1::7/128";
        peers[i].allowedips = ips[i];
        peers[i].n_allowedips = 3;
        peers[i].fqdn = (char *)fqdn;
        peers[i].sshconfig = &keys[i];
        keys[i].sshpubkey.data = (uint8_t *)key;
        keys[i].sshpubkey.len = strlen(key);
        list[i] = &peers[i];
    }
    map.remotepeers = list;
    map.n_remotepeers = n;
    return map;
}

static enum rk_code apply(struct ssh_files *f, const Management__NetworkMap *map)
{
    return ssh_files_apply(f, map, &v4, &v6, NULL);
}

START_TEST(both_files_come_and_go)
{
    struct ssh_files *f = make(false, false);
    Management__NetworkMap map = map_of(1, "Peer-A.mesh.example", KEY " somebody");

    ck_assert_int_eq(apply(f, &map), RK_OK);
    ck_assert(has(known, "100.92.0.7,[100.92.0.7]:22022,fd00:1::7,[fd00:1::7]:22022,"
                         "peer-a.mesh.example,[peer-a.mesh.example]:22022,peer-a,"
                         "[peer-a]:22022 " KEY "\n"));
    ck_assert(has(config, "Match host \"100.92.0.7,fd00:1::7,peer-a.mesh.example,peer-a\" exec"));
    ck_assert(!has(known, "10.0.0.0"));
    ck_assert_ptr_nonnull(state_get(state, STATE_SSH));
    map.n_remotepeers = 0; /* the last of them has gone */
    ck_assert_int_eq(apply(f, &map), RK_OK);
    ck_assert(!there(known) && !there(config));
    map.n_remotepeers = 1;
    ck_assert_int_eq(apply(f, &map), RK_OK);
    ck_assert(there(known) && there(config));
    ssh_files_free(f);
    ck_assert(!there(known) && !there(config));
    ck_assert_ptr_null(state_get(state, STATE_SSH));
}
END_TEST

START_TEST(what_means_something_else_is_left_out)
{
    static const char *const names[] = {"a\" exec \"x.example", "*.example",    "a b.c",
                                        "-o.example",           "a\nb.example", "$(x).example"};
    static const char *const bad[] = {"",
                                      "ssh-ed25519",
                                      "ssh-ed25519 ",
                                      "ssh-ed25519 AAAA\n*",
                                      "a,* AAAA",
                                      "@cert-authority\n* AAAA",
                                      "ssh-ed25519 AA*A"};
    struct ssh_files *f = make(false, false);

    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++) {
        Management__NetworkMap map = map_of(1, names[i], KEY);

        ck_assert_int_eq(apply(f, &map), RK_OK);
        ck_assert(has(config, "Match host \"100.92.0.7,fd00:1::7\" exec"));
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        Management__NetworkMap map = map_of(1, "a.example", bad[i]);

        ck_assert_int_eq(apply(f, &map), RK_OK);
        ck_assert_msg(!there(config) && !there(known), "key %zu", i);
    }
    ssh_files_free(f);
}
END_TEST

START_TEST(switches_and_the_limit)
{
    Management__NetworkMap map = map_of(PEERS, "a.example", KEY);
    struct ssh_files *f = make(false, false);

    ck_assert_int_eq(apply(f, &map), RK_LIMIT);
    ck_assert(!there(config));
    ck_assert_int_eq(apply(f, &map), RK_OK); /* said once */
    ck_assert(!there(config));
    map.n_remotepeers = SSH_FILES_PEERS_MAX;
    ck_assert_int_eq(apply(f, &map), RK_OK);
    ck_assert(there(config));
    map.n_remotepeers = PEERS;
    ck_assert_int_eq(apply(f, &map), RK_LIMIT);
    ck_assert(!there(config));
    ssh_files_free(f);
    f = make(false, true);
    ck_assert_int_eq(apply(f, &map), RK_OK);
    ck_assert(there(config));
    ssh_files_free(f);
    f = make(true, true);
    ck_assert_int_eq(apply(f, &map), RK_OK);
    ck_assert(!there(config));
    ssh_files_free(f);
}
END_TEST

START_TEST(a_killed_agents_files_go_and_others_stay)
{
    Management__NetworkMap map = map_of(1, "a.example", KEY);
    struct ssh_files *f = make(false, false);
    json_t *left;
    FILE *other;

    ck_assert_int_eq(apply(f, &map), RK_OK);
    left = json_deep_copy(state_get(state, STATE_SSH));
    ck_assert_int_eq(ssh_files_recover(left, NULL), RK_OK);
    ck_assert(!there(config) && !there(known));
    other = fopen(config, "w"); /* somebody's own under that name */
    ck_assert_ptr_nonnull(other);
    (void)fprintf(other, "Host x\n");
    ck_assert_int_eq(fclose(other), 0);
    ck_assert_int_eq(ssh_files_recover(left, NULL), RK_OK);
    ck_assert(there(config));
    json_decref(left);
    ssh_files_free(f);
}
END_TEST

/* What OpenSSH makes of the drop-in for a host. */
static bool ssh_uses(const char *host)
{
    char cmd[512], line[512];
    bool yes = false;
    FILE *p;

    (void)snprintf(cmd, sizeof cmd, "SHELL=/bin/sh ssh -G -F %s %s", config, host);
    p = popen(cmd, "r");
    ck_assert_ptr_nonnull(p);
    while (fgets(line, sizeof line, p))
        yes |= strncmp(line, "userknownhostsfile ", 19) == 0 && strstr(line, known) != NULL;
    ck_assert_int_eq(pclose(p), 0);
    return yes;
}

START_TEST(openssh_reads_them)
{
    Management__NetworkMap map = map_of(1, "a.example", KEY);
    struct ssh_files *f = make(false, false);
    char cmd[256];
    FILE *p;

    if (!there("/usr/bin/ssh") || !there("/usr/bin/ssh-keygen")) {
        (void)fprintf(stderr, "skip: no OpenSSH client here to read the files\n");
        ssh_files_free(f);
        return;
    }
    ck_assert_int_eq(apply(f, &map), RK_OK);
    ck_assert(ssh_uses("a.example"));
    ck_assert(ssh_uses("100.92.0.7"));
    ck_assert(ssh_uses("fd00:1::7"));
    ck_assert(!ssh_uses("other.example"));
    (void)snprintf(cmd, sizeof cmd, "ssh-keygen -F '[a]:22022' -f %s >/dev/null", known);
    p = popen(cmd, "r");
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(pclose(p), 0);
    map = map_of(1, "b.example", KEY);
    ck_assert_int_eq(apply(f, &map), RK_OK);
    ck_assert(ssh_uses("b.example"));
    ck_assert(!ssh_uses("b")); /* the program says: another server */
    ssh_files_free(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ssh_files");
    TCase *t = tcase_create("files");
    int rc;

    logger = rk_log_new(STDERR_FILENO, RK_ERROR, false);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, both_files_come_and_go);
    tcase_add_test(t, what_means_something_else_is_left_out);
    tcase_add_test(t, switches_and_the_limit);
    tcase_add_test(t, a_killed_agents_files_go_and_others_stay);
    tcase_add_test(t, openssh_reads_them);
    suite_add_tcase(s, t);
    rc = run_suite(s);
    rk_log_free(logger);
    return rc;
}
