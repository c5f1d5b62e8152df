/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS messages (RFC 1035, EDNS of RFC 6891, extended errors of RFC 8914): reading a message as
 * views into its bytes, writing one into a fixed buffer, and the small changes that a forwarder
 * makes to a message that it passes on. No I/O, nothing allocated; any thread.
 *
 *   +----+-------+----------------+----------+--------+-----------+------------+
 *   | id | flags | four counts    | question | answer | authority | additional |
 *   +----+-------+----------------+----------+--------+-----------+------------+
 *      2      2          8          name 2 2   records: name, type 2, class 2, ttl 4, length 2,
 * data
 *
 * Why not a library: docs/decisions/0009-dns-messages.md.
 */
#ifndef RK_NET_DNSMSG_H
#define RK_NET_DNSMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/base/wr.h"
#include "lib/net/addr.h"

#define DNS_HEADER_SIZE 12
#define DNS_UDP_SIZE    512   /* what every client takes, RFC 1035 4.2.1 */
#define DNS_MAX_SIZE    65535 /* of a message over TCP */
#define DNS_NAME_MAX    255   /* bytes in wire form, the root's zero included */
#define DNS_LABEL_MAX   63

enum dns_type { /* RFC 1035 3.2.2 and later; any number may come */
                DNS_A = 1,
                DNS_NS = 2,
                DNS_CNAME = 5,
                DNS_SOA = 6,
                DNS_PTR = 12,
                DNS_MX = 15,
                DNS_TXT = 16,
                DNS_AAAA = 28,
                DNS_SRV = 33,
                DNS_OPT = 41,
                DNS_HTTPS = 65,
                DNS_ANY = 255,
};

#define DNS_CLASS_IN 1

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
};

/* Bits of the flags word, RFC 1035 4.1.1. */
#define DNS_QR          0x8000u
#define DNS_OPCODE_MASK 0x7800u
#define DNS_AA          0x0400u
#define DNS_TC          0x0200u
#define DNS_RD          0x0100u
#define DNS_RA          0x0080u
#define DNS_Z           0x0040u
#define DNS_AD          0x0020u
#define DNS_RCODE_MASK  0x000fu

/* Option codes of EDNS. */
#define DNS_OPTION_EDE 15

/* A name in wire form, lower case: equal names have equal bytes. Plain data. */
struct dns_name {
    uint8_t n; /* bytes used; at least 1, the root */
    uint8_t b[DNS_NAME_MAX];
};

/** From text with or without the final dot; "" and "." are the root. Letters become lower case.
 *  RK_BAD_REQUEST: an empty or too long label, a name above 253 characters, a blank or control
 *  character. */
enum rk_code dns_name_parse(struct rk_str text, struct dns_name *out, struct rk_err *err) RK_MUST;

/** Text without the final dot ("." for the root), NUL behind; bytes that are no plain letters of a
 *  name are written as \DDD (RFC 1035 5.1). Returns a view of buf. */
#define DNS_NAME_TEXT 1016
struct rk_str dns_name_format(const struct dns_name *name, char buf[DNS_NAME_TEXT]);

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);
/** Order by bytes: only for sorting. */
int dns_name_cmp(const struct dns_name *a, const struct dns_name *b);
/** name is apex or lies below it. */
bool dns_name_below(const struct dns_name *name, const struct dns_name *apex);
/** Labels without the root. */
unsigned dns_name_labels(const struct dns_name *name);
/** Without the first label; false for the root. */
bool dns_name_parent(const struct dns_name *name, struct dns_name *out);
/** "*" in place of the first label; false for the root. */
bool dns_name_wildcard(const struct dns_name *name, struct dns_name *out);
/** The name under which an address is looked up backwards (RFC 1035 3.5, RFC 3596 2.5). */
void dns_name_reverse(const struct rk_ip *ip, struct dns_name *out);

/* What a message says, as views into its bytes. */
struct dns_msg {       /* open; raw is borrowed */
    struct rk_str raw; /* the whole message */
    uint16_t id, flags;
    uint16_t counts[4]; /* questions, answers, authority, additional */
    struct dns_name qname;
    uint16_t qtype, qclass;
    size_t question_end; /* where the records begin */
    bool has_opt;
    bool opt_last;           /* nothing follows the OPT record, so it can be cut off */
    size_t opt_at, opt_size; /* where it stands, and its bytes */
    uint16_t opt_udp;        /* the size that its sender takes over UDP */
    uint8_t opt_rcode;       /* upper bits of the answer's code */
    bool opt_do;
    struct rk_str opt_data;
};

/** Read a message with exactly one question. Every record is walked, so that reading them later
 *  cannot fail. RK_BAD_REQUEST, and *out is untouched. */
enum rk_code dns_decode(struct rk_str in, struct dns_msg *out, struct rk_err *err) RK_MUST;

/** Only id, flags and counts: for answering what dns_decode refuses. False: shorter than that. */
bool dns_peek(struct rk_str in, uint16_t *id, uint16_t *flags);

/** The code of an answer with the bits that EDNS adds. */
static inline unsigned dns_rcode(const struct dns_msg *m)
{
    return (m->flags & DNS_RCODE_MASK) | (unsigned)m->opt_rcode << 4;
}

/** Does this answer belong to that question (name, type, class)? */
bool dns_answers(const struct dns_msg *answer, const struct dns_msg *query);

/** Extended error of the OPT record (RFC 8914); -1 without one. */
int dns_extended_error(const struct dns_msg *m);

enum dns_section { DNS_ANSWER = 1, DNS_AUTHORITY = 2, DNS_ADDITIONAL = 3 };

struct dns_rr { /* open */
    enum dns_section section;
    struct dns_name name;
    uint16_t type, rclass;
    uint32_t ttl;
    struct rk_str data; /* borrowed; names in it may be compressed */
    size_t data_at;     /* where in the message it stands */
};

/** Records one by one; *pos starts at 0. False at the end. */
struct dns_iter {
    size_t at;
    unsigned done; /* records passed */
};
bool dns_next(const struct dns_msg *m, struct dns_iter *it, struct dns_rr *out);

/** The name that a CNAME, NS or PTR record holds. */
bool dns_rr_target(const struct dns_msg *m, const struct dns_rr *rr, struct dns_name *out);
/** The address of an A or AAAA record. */
bool dns_rr_ip(const struct dns_rr *rr, struct rk_ip *out);

/** Addresses that an answer gives for its question, through its aliases (RFC 1034 3.6.2); the
 *  smallest time to live on the way. Returns how many there are (at most max are written). */
#define DNS_ALIAS_MAX 16
size_t dns_addresses(const struct dns_msg *m, struct rk_ip *out, size_t max, uint32_t *ttl_s);

/* ---- writing */

struct dns_writer { /* open for counts; the buffer is borrowed */
    struct rk_wr w;
    uint16_t counts[4];
    uint16_t flags;
    struct dns_name qname; /* records of this name point to the question */
    bool has_question;
    enum dns_section section;
};

/** A question of our own. */
void dns_begin_query(struct dns_writer *w, void *buf, size_t size, uint16_t id,
                     const struct dns_name *name, uint16_t type);
/** An answer to a question: its bytes are repeated as they came. flags: DNS_AA, DNS_RA, code. */
void dns_begin_reply(struct dns_writer *w, void *buf, size_t size, const struct dns_msg *query,
                     unsigned flags);
/** Sections in their order. */
void dns_put(struct dns_writer *w, enum dns_section section, const struct dns_name *name,
             uint16_t type, uint32_t ttl, struct rk_str data);
void dns_put_ip(struct dns_writer *w, const struct dns_name *name, uint32_t ttl,
                const struct rk_ip *ip);
void dns_put_name(struct dns_writer *w, const struct dns_name *name, uint16_t type, uint32_t ttl,
                  const struct dns_name *target);
/** ede < 0: none. Last of all. */
void dns_put_opt(struct dns_writer *w, uint16_t udp_size, bool dnssec_ok, int ede);
/** The message; empty when something did not fit. */
struct rk_str dns_end(struct dns_writer *w);

/** A whole answer without records. Returns its length; 0 when buf is too small. */
size_t dns_reply_empty(const struct dns_msg *query, unsigned flags, int ede, void *buf,
                       size_t size);

/* ---- passing on */

/** Bytes of an OPT record without options. */
#define DNS_OPT_SIZE 11

void dns_set_id(uint8_t *msg, uint16_t id);

/** For the way to a server: copy a query with another id and the UDP size that we take, and an OPT
 *  record where it had none. `ad` asks for the verdict of a validating server. Returns the length;
 *  0 when it does not fit into size bytes. */
size_t dns_forward(const struct dns_msg *query, uint16_t id, uint16_t udp_size, bool ad,
                   uint8_t *buf, size_t size);

/** For the way back: the client's id, its own question, without the OPT record when the client sent
 *  none, the reserved bit cleared. Changes msg in place and returns its new length. answer must be
 *  what dns_decode made of msg. */
size_t dns_give_back(uint8_t *msg, const struct dns_msg *answer, const struct dns_msg *query);

/** Bytes of a UDP answer that this client takes (RFC 6891 6.2.5). */
size_t dns_client_size(const struct dns_msg *query);

#endif
