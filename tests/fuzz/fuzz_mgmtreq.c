/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz what agents send to management: the envelope around it, and the metadata inside, up to the
 * decision whether anything of it is new. The first byte chooses.
 */
#include "config.h"

#include "management/ops/peer_sync.h"
#include "management/rpc/envelope.h"
#include "management/rpc/meta.h"
#include "schema/pb_arena.h"
#include "tests/fuzz/fuzz.h"

#define ARENA ((size_t)4 << 20)

static void envelope(struct rk_arena *mem, struct rk_str in)
{
    static struct envelope *e;
    struct rk_key key = {{1, 2, 3}};
    struct envelope_peer peer = {0};
    struct rk_str plain = {0}, sender;
    enum envelope_fault fault;

    if (!e)
        e = envelope_new(&key);
    fault = envelope_open(e, mem, in, &peer, &plain, &sender);
    FUZZ_CHECK(sender.n <= 64);
    if (fault == ENVELOPE_OK)
        FUZZ_CHECK(plain.n <= in.n && peer.text[RK_KEY_TEXT] == 0);
}

static void meta(struct rk_arena *mem, struct rk_str in)
{
    const Management__PeerSystemMeta *m =
        pb_unpack(mem, &management__peer_system_meta__descriptor, in, NULL);
    struct peer_report report = {0};
    struct peer before = {0}, after, again;
    struct peer_meta out;

    if (!m || rpc_meta(mem, m, &out, NULL))
        return;
    FUZZ_CHECK(out.n_addresses <= META_ADDRESSES_MAX && out.n_files <= META_FILES_MAX);
    FUZZ_CHECK(out.hostname.n <= META_TEXT_MAX);
    report.meta = &out;
    (void)peer_merge_report(&before, &report, &after);
    /* What was stored is no news the second time. */
    FUZZ_CHECK(!peer_merge_report(&after, &report, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_arena *mem = rk_arena_new(ARENA);

    if (size && data[0] % 2)
        envelope(mem, rk_str_of(data + 1, size - 1));
    else if (size)
        meta(mem, rk_str_of(data + 1, size - 1));
    rk_arena_free(mem);
    return 0;
}
