/* SPDX-License-Identifier: BSD-3-Clause */
/* See pg_dsn.h. Forms: PostgreSQL manual, "Connection Strings". */
#include "config.h"

#include "management/store/pg_dsn.h"

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define DSN_MAX 8192

/* Settings that a session may have by itself (pg_settings: context user or backend; PostgreSQL 15,
 * and what came later). A name that is none of them, and no custom one with a dot in it, is left to
 * libpq, which refuses what it does not know: a password behind a mistyped key goes nowhere. */
static const char *const SETTINGS[] = {
    "array_nulls",
    "backend_flush_after",
    "backslash_quote",
    "bytea_output",
    "check_function_bodies",
    "client_connection_check_interval",
    "client_min_messages",
    "commit_siblings",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "datestyle",
    "default_statistics_target",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "effective_cache_size",
    "effective_io_concurrency",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_gathermerge",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "escape_string_warning",
    "exit_on_error",
    "extra_float_digits",
    "force_parallel_mode",
    "from_collapse_limit",
    "geqo",
    "geqo_effort",
    "geqo_generations",
    "geqo_pool_size",
    "geqo_seed",
    "geqo_selection_bias",
    "geqo_threshold",
    "gin_fuzzy_search_limit",
    "gin_pending_list_limit",
    "hash_mem_multiplier",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "ignore_system_indexes",
    "intervalstyle",
    "jit",
    "jit_above_cost",
    "jit_expressions",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "jit_tuple_deforming",
    "join_collapse_limit",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "local_preload_libraries",
    "lock_timeout",
    "log_parameter_max_length_on_error",
    "logical_decoding_work_mem",
    "maintenance_io_concurrency",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "password_encryption",
    "plan_cache_mode",
    "post_auth_delay",
    "quote_all_identifiers",
    "random_page_cost",
    "recursive_worktable_factor",
    "restrict_nonsystem_relation_kind",
    "role",
    "row_security",
    "search_path",
    "seq_page_cost",
    "standard_conforming_strings",
    "statement_timeout",
    "stats_fetch_consistency",
    "synchronize_seqscans",
    "synchronous_commit",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "temp_buffers",
    "temp_tablespaces",
    "timezone",
    "timezone_abbreviations",
    "trace_notify",
    "trace_sort",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "transform_null_equals",
    "vacuum_cost_delay",
    "vacuum_cost_limit",
    "vacuum_cost_page_dirty",
    "vacuum_cost_page_hit",
    "vacuum_cost_page_miss",
    "vacuum_failsafe_age",
    "vacuum_freeze_min_age",
    "vacuum_freeze_table_age",
    "vacuum_multixact_failsafe_age",
    "vacuum_multixact_freeze_min_age",
    "vacuum_multixact_freeze_table_age",
    "wal_sender_timeout",
    "wal_skip_threshold",
    "work_mem",
    "xmlbinary",
    "xmloption",
};

/* What the driver of the official server reads for itself: how many connections its pool has, and
 * how it speaks to the server. Nothing of it has a meaning here. */
static const char *const IDLE[] = {
    "pool_max_conns",
    "pool_min_conns",
    "pool_min_idle_conns",
    "pool_max_conn_lifetime",
    "pool_max_conn_lifetime_jitter",
    "pool_max_conn_idle_time",
    "pool_health_check_period",
    "pool_ping_timeout",
    "default_query_exec_mode",
    "statement_cache_capacity",
    "statement_cache_mode",
    "description_cache_capacity",
    "min_read_buffer_size",
    "prefer_simple_protocol",
};

struct dsn {
    struct rk_buf kept;     /* the DSN without what is moved and without options */
    struct rk_buf idle;     /* names out of IDLE, "a, b" */
    struct rk_buf settings; /* "-c name=value ..." as the server reads it */
    bool bad;
};

static bool is_setting(struct rk_str key)
{
    if (rk_str_find_c(key, '.') < key.n)
        return key.p[0] != '.' && !rk_str_ends(key, RK_STR("."));
    for (size_t i = 0; i < RK_ARRAY_LEN(SETTINGS); i++)
        if (rk_str_ieq(key, rk_str_z(SETTINGS[i])))
            return true;
    return false;
}

static bool is_idle(struct rk_str key)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(IDLE); i++)
        if (rk_str_eqz(key, IDLE[i]))
            return true;
    return false;
}

static void add_idle(struct dsn *d, struct rk_str key)
{
    if (d->idle.n)
        rk_buf_addz(&d->idle, ", ");
    rk_buf_add(&d->idle, key);
}

static void add_setting(struct dsn *d, struct rk_str key, struct rk_str value)
{
    rk_buf_addz(&d->settings, d->settings.n ? " -c " : "-c ");
    rk_buf_add(&d->settings, key);
    rk_buf_addc(&d->settings, '=');
    for (size_t i = 0; i < value.n; i++) { /* the server splits at blanks */
        if (value.p[i] == ' ' || value.p[i] == '\\')
            rk_buf_addc(&d->settings, '\\');
        rk_buf_addc(&d->settings, value.p[i]);
    }
}

static void add_options(struct dsn *d, struct rk_str given)
{
    if (d->settings.n && given.n)
        rk_buf_addc(&d->settings, ' ');
    rk_buf_add(&d->settings, given);
}

/* ---- key = value */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static void skip_blanks(struct rk_str *in)
{
    while (in->n && is_blank(in->p[0]))
        *in = rk_str_sub(*in, 1, in->n);
}

static char take(struct rk_str *in)
{
    char c = in->p[0];

    *in = rk_str_sub(*in, 1, in->n);
    return c;
}

/* 'quoted \' value' or bare\ value. */
static void take_value(struct dsn *d, struct rk_str *in, struct rk_buf *out)
{
    bool quoted = in->n && in->p[0] == '\'';

    if (quoted)
        (void)take(in);
    while (in->n && (quoted ? in->p[0] != '\'' : !is_blank(in->p[0]))) {
        char c = take(in);

        if (c == '\\' && in->n)
            c = take(in);
        rk_buf_addc(out, c);
    }
    if (quoted && !in->n)
        d->bad = true;
    else if (quoted)
        (void)take(in);
}

static void add_quoted(struct rk_buf *out, struct rk_str key, struct rk_str value)
{
    if (out->n)
        rk_buf_addc(out, ' ');
    rk_buf_add(out, key);
    rk_buf_addz(out, "='");
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\'' || value.p[i] == '\\')
            rk_buf_addc(out, '\\');
        rk_buf_addc(out, value.p[i]);
    }
    rk_buf_addc(out, '\'');
}

static void read_pair(struct dsn *d, struct rk_str *in)
{
    struct rk_str key = {in->p, 0};
    struct rk_buf value;

    while (key.n < in->n && in->p[key.n] != '=' && !is_blank(in->p[key.n]))
        key.n++;
    *in = rk_str_sub(*in, key.n, in->n);
    skip_blanks(in);
    if (!in->n || take(in) != '=') {
        d->bad = true;
        return;
    }
    skip_blanks(in);
    rk_buf_init(&value, DSN_MAX);
    take_value(d, in, &value);
    if (is_setting(key))
        add_setting(d, key, rk_buf_str(&value));
    else if (rk_str_eqz(key, "options"))
        add_options(d, rk_buf_str(&value));
    else if (is_idle(key))
        add_idle(d, key);
    else
        add_quoted(&d->kept, key, rk_buf_str(&value));
    rk_buf_done(&value);
}

static void read_keywords(struct dsn *d, struct rk_str in)
{
    for (skip_blanks(&in); in.n && !d->bad; skip_blanks(&in))
        read_pair(d, &in);
    if (!d->bad && d->settings.n)
        add_quoted(&d->kept, RK_STR("options"), rk_buf_str(&d->settings));
}

/* ---- URI */

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void percent_decode(struct dsn *d, struct rk_str in, struct rk_buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '%') {
            rk_buf_addc(out, in.p[i]);
        } else if (i + 2 < in.n && hex_of(in.p[i + 1]) >= 0 && hex_of(in.p[i + 2]) >= 0) {
            rk_buf_addc(out, (char)(hex_of(in.p[i + 1]) * 16 + hex_of(in.p[i + 2])));
            i += 2;
        } else {
            d->bad = true;
        }
    }
}

static void percent_encode(struct rk_buf *out, struct rk_str in)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.') {
            rk_buf_addc(out, (char)c);
        } else {
            rk_buf_addc(out, '%');
            rk_buf_addc(out, hex[c >> 4]);
            rk_buf_addc(out, hex[c & 15]);
        }
    }
}

static void read_uri(struct dsn *d, struct rk_str in)
{
    struct rk_str head, query, pair, key, value;
    bool more = rk_str_cut(in, '?', &head, &query), first = true;

    rk_buf_add(&d->kept, head);
    while (more && !d->bad) {
        struct rk_buf plain;

        more = rk_str_cut(query, '&', &pair, &query);
        (void)rk_str_cut(pair, '=', &key, &value);
        rk_buf_init(&plain, DSN_MAX);
        percent_decode(d, value, &plain);
        if (is_setting(key)) {
            add_setting(d, key, rk_buf_str(&plain));
        } else if (rk_str_eqz(key, "options")) {
            add_options(d, rk_buf_str(&plain));
        } else if (is_idle(key)) {
            add_idle(d, key);
        } else {
            rk_buf_addc(&d->kept, first ? '?' : '&');
            rk_buf_add(&d->kept, pair);
            first = false;
        }
        rk_buf_done(&plain);
    }
    if (d->settings.n) {
        rk_buf_addz(&d->kept, first ? "?options=" : "&options=");
        percent_encode(&d->kept, rk_buf_str(&d->settings));
    }
}

static void dsn_read(struct dsn *d, struct rk_str text)
{
    *d = (struct dsn){.bad = false};
    rk_buf_init(&d->kept, DSN_MAX);
    rk_buf_init(&d->idle, DSN_MAX);
    rk_buf_init(&d->settings, DSN_MAX);
    if (rk_str_starts(text, RK_STR("postgres://")) || rk_str_starts(text, RK_STR("postgresql://")))
        read_uri(d, text);
    else
        read_keywords(d, text);
    d->bad |= d->kept.full || d->idle.full || d->settings.full;
}

static void dsn_done(struct dsn *d)
{
    rk_buf_done(&d->kept);
    rk_buf_done(&d->idle);
    rk_buf_done(&d->settings);
}

struct rk_str pg_dsn_for_libpq(struct rk_arena *mem, struct rk_str dsn)
{
    struct rk_str out = dsn;
    struct dsn d;

    dsn_read(&d, dsn);
    if (!d.bad && (d.settings.n || d.idle.n))
        out = rk_arena_dup(mem, rk_buf_str(&d.kept));
    dsn_done(&d);
    return out;
}

struct rk_str pg_dsn_idle(struct rk_arena *mem, struct rk_str dsn)
{
    struct rk_str out = {0};
    struct dsn d;

    dsn_read(&d, dsn);
    if (!d.bad && d.idle.n)
        out = rk_arena_dup(mem, rk_buf_str(&d.idle));
    dsn_done(&d);
    return out;
}
