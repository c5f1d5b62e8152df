/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of swarm; see swarm.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/bench/swarm/swarm.h"

#define AT(m) offsetof(struct options, m)

static const struct rk_opt TABLE[] = {
    {.flag = "scenario",
     .type = RK_OPT_CHOICE,
     .def = "push",
     .choices = "register|reconnect|push|join|idle|limit",
     .at = AT(scenario),
     .help = "what to measure"},
    {.flag = "shape",
     .type = RK_OPT_TEXT,
     .def = "allow-all",
     .at = AT(shape),
     .arg = "allow-all|hub|groups:N",
     .help = "who may reach whom"},
    {.flag = "agents",
     .letter = 'n',
     .type = RK_OPT_I64,
     .def = "1000",
     .min = 1,
     .max = SWARM_MAX,
     .at = AT(agents),
     .help = "how many agents"},
    {.flag = "url",
     .type = RK_OPT_TEXT,
     .def = "http://127.0.0.1:8080",
     .at = AT(url),
     .help = "management server"},
    {.flag = "ca-file",
     .type = RK_OPT_TEXT,
     .at = AT(ca_file),
     .arg = "PATH",
     .help = "certificate to trust besides the system's"},
    {.flag = "api-token",
     .type = RK_OPT_SECRET,
     .at = AT(api_token),
     .help = "access token of an owner; without it a fresh server is set up"},
    {.flag = "setup-key",
     .type = RK_OPT_SECRET,
     .at = AT(setup_key),
     .help = "use this setup key (shape allow-all)"},
    {.flag = "server-pid",
     .type = RK_OPT_I64,
     .max = INT32_MAX,
     .at = AT(server_pid),
     .help = "process whose CPU and memory are measured"},
    {.flag = "parallel",
     .type = RK_OPT_I64,
     .def = "64",
     .max = SWARM_MAX,
     .at = AT(parallel),
     .help = "enrolments at a time (scenario register); 0 for all"},
    {.flag = "rounds",
     .type = RK_OPT_I64,
     .def = "3",
     .min = 1,
     .max = 1000,
     .at = AT(rounds),
     .help = "edits of scenario push; the median one is reported"},
    {.flag = "loops",
     .type = RK_OPT_I64,
     .def = "1",
     .min = 1,
     .max = LOOPS_MAX,
     .at = AT(loops),
     .help = "threads of the generator"},
    {.flag = "settle-ms",
     .type = RK_OPT_I64,
     .def = "2000",
     .max = 600000,
     .at = AT(settle_ms),
     .help = "rest between preparing and measuring"},
    {.flag = "timeout",
     .type = RK_OPT_I64,
     .def = "300",
     .min = 1,
     .max = 86400,
     .at = AT(timeout_s),
     .arg = "SECONDS",
     .help = "how long to wait for all agents"},
    {.flag = "verify",
     .type = RK_OPT_BOOL,
     .at = AT(verify),
     .help = "open and check every message whole, not only its beginning"},
    {.flag = "upgrade",
     .type = RK_OPT_BOOL,
     .at = AT(upgrade),
     .help = "agents report another version with Sync than they enrolled with"},
    {.flag = "components",
     .type = RK_OPT_BOOL,
     .at = AT(components),
     .help = "announce the component form of maps"},
};

int main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rlimit files;
    struct options o = {0};
    struct rk_opts opts;
    struct rk_err err = {0};
    bool help = false;
    int rest = 0;

    if (rk_opts_load(&opts, TABLE, RK_ARRAY_LEN(TABLE), &o, mem, argc - 1, argv + 1, &rest, &help,
                     &err)) {
        (void)fprintf(stderr, "swarm: %s\n", err.msg);
        return 2;
    }
    if (help) {
        struct rk_buf b;

        rk_buf_init(&b, 1 << 16);
        rk_opts_help(TABLE, RK_ARRAY_LEN(TABLE), &b);
        (void)fwrite(b.p, 1, b.n, stdout);
        rk_buf_done(&b);
        return 0;
    }
    o.newcomer = rk_str_eqz(o.scenario, "join");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    return scenario_run(&o);
}
