/* SPDX-License-Identifier: BSD-3-Clause */
/* What others have and we do not; see foreign.h. */
#include "config.h"

#include "agent/cli/foreign.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/options.h"

void foreign_env(struct rk_log *log)
{
    static const char *const prefixes[] = {"ROOK_", "NB_"};
    size_t n;
    const struct rk_opt *rows = options_foreign(&n);

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < RK_ARRAY_LEN(prefixes); k++) {
            char name[64];
            const char *value;

            (void)snprintf(name, sizeof name, "%s%s", prefixes[k], rows[i].flag);
            for (char *c = name; *c; c++)
                *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
            value = getenv(name);
            if (value && !rk_opt_is_quiet(rows[i].quiet, rk_str_z(value)))
                rk_log(log, RK_WARN, "a variable of the environment has no effect",
                       kv_z("name", name),
                       kv_z("why", rows[i].refuse ? rows[i].refuse : rows[i].idle));
        }
}

const char *foreign_verb(int argc, char **argv)
{
    static const struct {
        const char *words[2];
        const char *why;
    } verbs[] = {
        {{"ssh", NULL},
         "this agent has no SSH server and no client for one: use ssh to the peer's overlay "
         "address"},
        {{"debug", "trace"}, "\"nft monitor trace\" follows a packet through the firewall"},
        {{"debug", "capture"}, "use tcpdump on the interface"},
        {{"expose", NULL}, "this agent does not publish ports by a reverse proxy"},
        {{"update", NULL}, "the package manager of this machine does that"},
        {{"kubernetes", NULL}, "kubectl writes its configuration itself"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(verbs); i++)
        if (strcmp(argv[0], verbs[i].words[0]) == 0 &&
            (!verbs[i].words[1] || (argc > 1 && strcmp(argv[1], verbs[i].words[1]) == 0)))
            return verbs[i].why;
    return NULL;
}
