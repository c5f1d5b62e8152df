/* SPDX-License-Identifier: BSD-3-Clause */
/* A tree as YAML and as JSON text; see tree.h. */
#include "config.h"

#include "lib/base/num.h"
#include "lib/json/json.h"
#include "management/wanted/tree.h"

/* Addresses: of digits, and taken for a number by nobody. */
static bool is_address(struct rk_str s)
{
    size_t dots = 0, slashes = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '.' && s.p[i] != '/' && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
        dots += s.p[i] == '.';
        slashes += s.p[i] == '/';
    }
    return dots > 1 && slashes < 2 && s.p[0] >= '0' && s.p[s.n - 1] >= '0';
}

/* What needs no quotes: starts like a name, goes on like one, and is no other type. */
static bool is_bare(struct rk_str s)
{
    static const char *const WORDS[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n"};

    for (size_t i = 0; i < RK_ARRAY_LEN(WORDS); i++)
        if (rk_str_ieq(s, rk_str_z(WORDS[i])))
            return false;
    if (is_address(s))
        return true;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool more = (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '/' ||
                    (c == ' ' && i + 1 < s.n);

        if (!letter && (i == 0 || !more))
            return false;
    }
    return s.n > 0 && s.n < 200;
}

/* JSON's quotes are YAML's; what a terminal would act on and what YAML takes for the end of a line
 * goes by number. */
static void put_quoted(struct rk_str s, struct rk_buf *out)
{
    struct rk_buf b;
    struct rk_str q;

    rk_buf_init(&b, 8 * s.n + 16);
    json_put_str(&b, s);
    q = rk_buf_str(&b);
    for (size_t i = 0; i < q.n; i++) {
        unsigned char c = (unsigned char)q.p[i], next = i + 1 < q.n ? (unsigned char)q.p[i + 1] : 0;

        if (c == 0x7f) {
            rk_buf_addz(out, "\\u007f");
        } else if (c == 0xc2 && next < 0xa0) {
            rk_buf_printf(out, "\\u00%02x", next);
            i++;
        } else {
            rk_buf_addc(out, q.p[i]);
        }
    }
    rk_buf_done(&b);
}

static void put_plain(const struct want_node *n, struct rk_buf *out)
{
    if (n->type == WANT_NULL)
        rk_buf_addz(out, "null");
    else if (n->type != WANT_TEXT || is_bare(n->text))
        rk_buf_add(out, n->text);
    else
        put_quoted(n->text, out);
}

static void indent(struct rk_buf *out, int depth)
{
    for (int i = 0; i < depth; i++)
        rk_buf_addz(out, "  ");
}

static bool all_plain(const struct want_node *n)
{
    WANT_EACH (it, n)
        if (it->type == WANT_LIST || it->type == WANT_MAP)
            return false;
    return true;
}

static void put_short_list(const struct want_node *n, struct rk_buf *out)
{
    rk_buf_addc(out, '[');
    WANT_EACH (it, n) {
        if (it != n->first)
            rk_buf_addz(out, ", ");
        put_plain(it, out);
    }
    rk_buf_addc(out, ']');
}

static void put_members(const struct want_node *map, int depth, bool inside, struct rk_buf *out);

/* Behind "key:" or "-". */
static void put_value(const struct want_node *n, int depth, bool item, struct rk_buf *out)
{
    if (n->type != WANT_LIST && n->type != WANT_MAP) {
        rk_buf_addc(out, ' ');
        put_plain(n, out);
        rk_buf_addc(out, '\n');
    } else if (n->type == WANT_MAP && n->n == 0) {
        rk_buf_addz(out, " {}\n");
    } else if (n->type == WANT_MAP && item) {
        rk_buf_addc(out, ' ');
        put_members(n, depth + 1, true, out);
    } else if (n->type == WANT_MAP) {
        rk_buf_addc(out, '\n');
        put_members(n, depth + 1, false, out);
    } else if (all_plain(n)) {
        rk_buf_addc(out, ' ');
        put_short_list(n, out);
        rk_buf_addc(out, '\n');
    } else {
        rk_buf_addc(out, '\n');
        WANT_EACH (it, n) {
            indent(out, depth + 1);
            rk_buf_addc(out, '-');
            put_value(it, depth + 1, true, out);
        }
    }
}

static void put_key(struct rk_str key, struct rk_buf *out)
{
    if (is_bare(key))
        rk_buf_add(out, key);
    else
        put_quoted(key, out);
    rk_buf_addc(out, ':');
}

/* inside: the first one stands behind a dash already. */
static void put_members(const struct want_node *map, int depth, bool inside, struct rk_buf *out)
{
    WANT_EACH (it, map) {
        if (!inside)
            indent(out, depth);
        inside = false;
        put_key(it->key, out);
        put_value(it, depth, false, out);
    }
}

void want_print(const struct want_node *n, struct rk_buf *out)
{
    put_members(n, 0, false, out);
}

void want_json(const struct want_node *n, struct rk_buf *out)
{
    switch (n->type) {
    case WANT_NULL:
        json_put_null(out);
        break;
    case WANT_BOOL:
        json_put_bool(out, n->number);
        break;
    case WANT_INT:
        json_put_int(out, n->number);
        break;
    case WANT_TEXT:
        json_put_str(out, n->text);
        break;
    case WANT_LIST:
        json_put_arr(out);
        WANT_EACH (it, n)
            want_json(it, out);
        json_put_arr_end(out);
        break;
    case WANT_MAP:
        json_put_obj(out);
        WANT_EACH (it, n) {
            json_put_key_any(out, it->key);
            want_json(it, out);
        }
        json_put_obj_end(out);
        break;
    }
}
