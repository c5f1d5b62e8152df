/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing DNS messages; see dnsmsg.h. */
#include "config.h"

#include "lib/net/dnsmsg.h"

/* Offset of the question as a compression pointer. */
#define TO_QUESTION (0xc000u | DNS_HEADER_SIZE)

static void begin(struct dns_writer *w, void *buf, size_t size, uint16_t id, unsigned flags)
{
    *w = (struct dns_writer){.w = rk_wr_of(buf, size), .flags = (uint16_t)flags};
    w->section = DNS_ANSWER;
    w->counts[0] = 1;
    rk_wr_u16(&w->w, id);
    for (size_t i = 0; i < 5; i++)
        rk_wr_u16(&w->w, 0); /* flags and counts are filled in at the end */
}

void dns_begin_query(struct dns_writer *w, void *buf, size_t size, uint16_t id,
                     const struct dns_name *name, uint16_t type)
{
    begin(w, buf, size, id, DNS_RD);
    rk_wr_mem(&w->w, name->b, name->n);
    rk_wr_u16(&w->w, type);
    rk_wr_u16(&w->w, DNS_CLASS_IN);
    w->qname = *name;
    w->has_question = true;
}

void dns_begin_reply(struct dns_writer *w, void *buf, size_t size, const struct dns_msg *query,
                     unsigned flags)
{
    begin(w, buf, size, query->id,
          DNS_QR | (query->flags & (DNS_OPCODE_MASK | DNS_RD | 0x0010u /* CD */)) | flags);
    rk_wr_str(&w->w,
              rk_str_sub(query->raw, DNS_HEADER_SIZE, query->question_end - DNS_HEADER_SIZE));
    w->qname = query->qname;
    w->has_question = true;
}

static void put_owner(struct dns_writer *w, const struct dns_name *name)
{
    if (w->has_question && name->n > 1 && dns_name_eq(name, &w->qname))
        rk_wr_u16(&w->w, TO_QUESTION);
    else
        rk_wr_mem(&w->w, name->b, name->n);
}

static void put_class(struct dns_writer *w, enum dns_section section, const struct dns_name *name,
                      uint16_t type, uint16_t rclass, uint32_t ttl, struct rk_str data)
{
    put_owner(w, name);
    rk_wr_u16(&w->w, type);
    rk_wr_u16(&w->w, rclass);
    rk_wr_u32(&w->w, ttl);
    rk_wr_u16(&w->w, (unsigned)data.n);
    rk_wr_str(&w->w, data);
    if (section < w->section || data.n > UINT16_MAX || w->counts[section] == UINT16_MAX)
        w->w.bad = true;
    w->section = section;
    w->counts[section]++;
}

void dns_put(struct dns_writer *w, enum dns_section section, const struct dns_name *name,
             uint16_t type, uint32_t ttl, struct rk_str data)
{
    put_class(w, section, name, type, DNS_CLASS_IN, ttl, data);
}

void dns_put_ip(struct dns_writer *w, const struct dns_name *name, uint32_t ttl,
                const struct rk_ip *ip)
{
    dns_put(w, DNS_ANSWER, name, ip->family == 4 ? DNS_A : DNS_AAAA, ttl,
            rk_str_of(ip->b, rk_ip_size(ip)));
}

void dns_put_name(struct dns_writer *w, const struct dns_name *name, uint16_t type, uint32_t ttl,
                  const struct dns_name *target)
{
    dns_put(w, DNS_ANSWER, name, type, ttl, rk_str_of(target->b, target->n));
}

void dns_put_opt(struct dns_writer *w, uint16_t udp_size, bool dnssec_ok, int ede)
{
    static const struct dns_name root = {.n = 1};
    uint8_t data[6];
    struct rk_wr o = rk_wr_of(data, sizeof data);

    if (ede >= 0) {
        rk_wr_u16(&o, DNS_OPTION_EDE);
        rk_wr_u16(&o, 2);
        rk_wr_u16(&o, (unsigned)ede);
    }
    put_class(w, DNS_ADDITIONAL, &root, DNS_OPT, udp_size, dnssec_ok ? 0x8000u : 0, rk_wr_done(&o));
}

struct rk_str dns_end(struct dns_writer *w)
{
    struct rk_wr head = rk_wr_of(w->w.p, w->w.cap);

    if (w->w.bad)
        return (struct rk_str){0};
    head.n = 2;
    rk_wr_u16(&head, w->flags);
    for (size_t i = 0; i < 4; i++)
        rk_wr_u16(&head, w->counts[i]);
    return rk_wr_done(&w->w);
}

size_t dns_reply_empty(const struct dns_msg *query, unsigned flags, int ede, void *buf, size_t size)
{
    struct dns_writer w;

    dns_begin_reply(&w, buf, size, query, flags);
    if (query->has_opt)
        dns_put_opt(&w, 1232, query->opt_do, ede);
    return dns_end(&w).n;
}
