/* SPDX-License-Identifier: BSD-3-Clause */
/* What others have and we do not; see foreign.h. */
#include "config.h"

#include "agent/cli/foreign.h"

#include <string.h>

const char *foreign_verb(int argc, char **argv)
{
    static const struct {
        const char *words[2];
        const char *why;
    } verbs[] = {
        {{"ssh", NULL},
         "this agent has no SSH server and no client of its own: use ssh to the peer's name or "
         "overlay address"},
        {{"debug", "trace"}, "\"nft monitor trace\" follows a packet through the firewall"},
        {{"debug", "capture"}, "use tcpdump on the interface"},
        {{"expose", NULL}, "this agent does not publish ports by a reverse proxy"},
        {{"update", NULL}, "the package manager of this machine does that"},
        {{"kubernetes", NULL}, "kubectl writes its configuration itself"},
    };

    if (argc > 1 && strcmp(argv[0], "ssh") == 0 &&
        (strcmp(argv[1], "detect") == 0 || strcmp(argv[1], "--help") == 0 ||
         strcmp(argv[1], "-h") == 0))
        return NULL;
    for (size_t i = 0; i < RK_ARRAY_LEN(verbs); i++)
        if (strcmp(argv[0], verbs[i].words[0]) == 0 &&
            (!verbs[i].words[1] || (argc > 1 && strcmp(argv[1], verbs[i].words[1]) == 0)))
            return verbs[i].why;
    return NULL;
}
