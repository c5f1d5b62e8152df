/* SPDX-License-Identifier: BSD-3-Clause */
/* rook: the agent and its commands. */
#include "config.h"

#include "agent/cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
