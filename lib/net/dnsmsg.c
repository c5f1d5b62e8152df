/* SPDX-License-Identifier: BSD-3-Clause */
/* DNS messages: reading and passing on; see dnsmsg.h. Names are in dnsname.c, writing is in
 * dnswrite.c. */
#include "config.h"

#include "lib/net/dnsmsg.h"

#include "lib/base/num.h"
#include "lib/base/rd.h"
#include "lib/net/dnsname.h"

#define OPT_TTL_DO 0x8000u

static struct rk_rd reader_at(struct rk_str raw, size_t at)
{
    return rk_rd_of(rk_str_sub(raw, at, raw.n));
}

bool dns_peek(struct rk_str in, uint16_t *id, uint16_t *flags)
{
    struct rk_rd rd = rk_rd_of(in);

    *id = rk_rd_u16(&rd);
    *flags = rk_rd_u16(&rd);
    return in.n >= DNS_HEADER_SIZE;
}

/* Where the record behind `at` ends; 0: cut short. */
static size_t rr_read(struct rk_str raw, size_t at, struct dns_rr *out)
{
    size_t end = dns_name_read(raw, at, &out->name);
    struct rk_rd rd = reader_at(raw, end);
    uint16_t n;

    if (!end)
        return 0;
    out->type = rk_rd_u16(&rd);
    out->rclass = rk_rd_u16(&rd);
    out->ttl = rk_rd_u32(&rd);
    n = rk_rd_u16(&rd);
    out->data_at = end + 10;
    out->data = rk_rd_str(&rd, n);
    return rd.bad ? 0 : out->data_at + n;
}

static enum dns_section section_of(const struct dns_msg *m, unsigned i)
{
    if (i < m->counts[1])
        return DNS_ANSWER;
    return i < (unsigned)m->counts[1] + m->counts[2] ? DNS_AUTHORITY : DNS_ADDITIONAL;
}

static bool read_opt(struct dns_msg *m, const struct dns_rr *rr, size_t at, size_t end)
{
    if (m->has_opt || rr->section != DNS_ADDITIONAL || rr->name.n != 1)
        return false; /* RFC 6891 6.1.1: one, in the additional section, of the root */
    m->has_opt = true;
    m->opt_at = at;
    m->opt_size = end - at;
    m->opt_udp = rr->rclass;
    m->opt_rcode = (uint8_t)(rr->ttl >> 24);
    m->opt_do = rr->ttl & OPT_TTL_DO;
    m->opt_data = rr->data;
    return true;
}

static bool walk(struct dns_msg *m)
{
    unsigned total = (unsigned)m->counts[1] + m->counts[2] + m->counts[3];
    size_t at = m->question_end;

    for (unsigned i = 0; i < total; i++) {
        struct dns_rr rr = {.section = section_of(m, i)};
        size_t end = rr_read(m->raw, at, &rr);

        if (!end || (rr.type == DNS_OPT && !read_opt(m, &rr, at, end)))
            return false;
        at = end;
    }
    m->opt_last = m->has_opt && m->opt_at + m->opt_size == at;
    m->raw.n = at; /* what follows belongs to nothing */
    return true;
}

enum rk_code dns_decode(struct rk_str in, struct dns_msg *out, struct rk_err *err)
{
    struct dns_msg m = {.raw = in};
    struct rk_rd rd = rk_rd_of(in);
    size_t end;

    m.id = rk_rd_u16(&rd);
    m.flags = rk_rd_u16(&rd);
    for (size_t i = 0; i < 4; i++)
        m.counts[i] = rk_rd_u16(&rd);
    if (rd.bad || in.n > DNS_MAX_SIZE)
        return rk_fail(err, RK_BAD_REQUEST, "DNS message of %zu bytes", in.n);
    if (m.counts[0] != 1)
        return rk_fail(err, RK_BAD_REQUEST, "DNS message with %u questions", m.counts[0]);
    end = dns_name_read(in, DNS_HEADER_SIZE, &m.qname);
    if (!end)
        return rk_fail(err, RK_BAD_REQUEST, "DNS message with a broken question");
    rd = reader_at(in, end);
    m.qtype = rk_rd_u16(&rd);
    m.qclass = rk_rd_u16(&rd);
    m.question_end = end + 4;
    if (rd.bad || !walk(&m))
        return rk_fail(err, RK_BAD_REQUEST, "DNS message with a broken record");
    *out = m;
    return RK_OK;
}

bool dns_answers(const struct dns_msg *answer, const struct dns_msg *query)
{
    return answer->flags & DNS_QR && answer->qtype == query->qtype &&
           answer->qclass == query->qclass && dns_name_eq(&answer->qname, &query->qname);
}

int dns_extended_error(const struct dns_msg *m)
{
    struct rk_rd rd = rk_rd_of(m->opt_data);

    while (m->has_opt && rd.left && !rd.bad) {
        uint16_t code = rk_rd_u16(&rd);
        struct rk_str data = rk_rd_str(&rd, rk_rd_u16(&rd));

        if (!rd.bad && code == DNS_OPTION_EDE && data.n >= 2)
            return (uint8_t)data.p[0] << 8 | (uint8_t)data.p[1];
    }
    return -1;
}

bool dns_next(const struct dns_msg *m, struct dns_iter *it, struct dns_rr *out)
{
    size_t at = it->at ? it->at : m->question_end;

    if (it->done >= (unsigned)m->counts[1] + m->counts[2] + m->counts[3])
        return false;
    out->section = section_of(m, it->done);
    it->at = rr_read(m->raw, at, out); /* was walked when decoded */
    it->done++;
    return it->at != 0;
}

bool dns_rr_target(const struct dns_msg *m, const struct dns_rr *rr, struct dns_name *out)
{
    return dns_name_read(m->raw, rr->data_at, out) != 0;
}

bool dns_rr_ip(const struct dns_rr *rr, struct rk_ip *out)
{
    if (rr->rclass != DNS_CLASS_IN || (rr->type == DNS_A && rr->data.n != 4) ||
        (rr->type == DNS_AAAA && rr->data.n != 16) || (rr->type != DNS_A && rr->type != DNS_AAAA))
        return false;
    return rk_ip_from_bytes(rr->data, out, NULL) == RK_OK;
}

/* The alias of a name in the answer section. */
static bool alias_of(const struct dns_msg *m, const struct dns_name *name, struct dns_name *out,
                     uint32_t *ttl_s)
{
    struct dns_iter it = {0};
    struct dns_rr rr;

    while (dns_next(m, &it, &rr) && rr.section == DNS_ANSWER) {
        if (rr.type != DNS_CNAME || !dns_name_eq(&rr.name, name) || !dns_rr_target(m, &rr, out))
            continue;
        *ttl_s = (uint32_t)rk_min_i64(*ttl_s, rr.ttl);
        return true;
    }
    return false;
}

size_t dns_addresses(const struct dns_msg *m, struct rk_ip *out, size_t max, uint32_t *ttl_s)
{
    struct dns_name name = m->qname, next;
    uint32_t ttl = UINT32_MAX;
    struct dns_rr rr;
    size_t n = 0;

    for (unsigned hops = 0; hops < DNS_ALIAS_MAX && alias_of(m, &name, &next, &ttl); hops++)
        name = next;
    for (struct dns_iter it = {0}; dns_next(m, &it, &rr) && rr.section == DNS_ANSWER;) {
        struct rk_ip ip;

        if (rr.type != m->qtype || !dns_name_eq(&rr.name, &name) || !dns_rr_ip(&rr, &ip))
            continue;
        ttl = (uint32_t)rk_min_i64(ttl, rr.ttl);
        if (n < max)
            out[n] = ip;
        n++;
    }
    *ttl_s = n ? ttl : 0;
    return n;
}

/* ---- passing on */

void dns_set_id(uint8_t *msg, uint16_t id)
{
    msg[0] = (uint8_t)(id >> 8);
    msg[1] = (uint8_t)id;
}

size_t dns_forward(const struct dns_msg *query, uint16_t id, uint16_t udp_size, bool ad,
                   uint8_t *buf, size_t size)
{
    static const uint8_t opt[DNS_OPT_SIZE] = {0, 0, DNS_OPT};
    struct rk_wr w = rk_wr_of(buf, size);

    rk_wr_str(&w, query->raw);
    if (!query->has_opt)
        rk_wr_mem(&w, opt, sizeof opt);
    if (w.bad || query->counts[3] == UINT16_MAX)
        return 0;
    dns_set_id(buf, id);
    if (ad)
        buf[3] |= DNS_AD;
    if (query->has_opt) {
        buf[query->opt_at + 3] = (uint8_t)(udp_size >> 8);
        buf[query->opt_at + 4] = (uint8_t)udp_size;
    } else {
        buf[query->raw.n + 3] = (uint8_t)(udp_size >> 8);
        buf[query->raw.n + 4] = (uint8_t)udp_size;
        buf[10] = (uint8_t)((query->counts[3] + 1) >> 8);
        buf[11] = (uint8_t)(query->counts[3] + 1);
    }
    return w.n;
}

size_t dns_give_back(uint8_t *msg, const struct dns_msg *answer, const struct dns_msg *query)
{
    size_t n = answer->raw.n;

    dns_set_id(msg, query->id);
    msg[3] &= (uint8_t)~DNS_Z;
    if (answer->question_end == query->question_end) /* some clients vary the case and look */
        memcpy(msg + DNS_HEADER_SIZE, query->raw.p + DNS_HEADER_SIZE,
               query->question_end - DNS_HEADER_SIZE);
    if (query->has_opt || !answer->opt_last)
        return n; /* in the middle it may be pointed over: a client without EDNS skips it */
    msg[10] = (uint8_t)((answer->counts[3] - 1) >> 8);
    msg[11] = (uint8_t)(answer->counts[3] - 1);
    return n - answer->opt_size;
}

size_t dns_client_size(const struct dns_msg *query)
{
    if (!query->has_opt || query->opt_udp < DNS_UDP_SIZE)
        return DNS_UDP_SIZE;
    return query->opt_udp;
}
