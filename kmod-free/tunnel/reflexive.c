/* SPDX-License-Identifier: MIT
 *
 * reflexive.c - ask STUN servers what they see of us. reflexive.h says how it works.
 */
#include "tunnel/reflexive.h"

#include <string.h>

#define RETRANSMIT_US       UINT64_C(500000) /* RTO: RFC 8489 s.6.2.1, doubled each time; Rm 16 */
#define ROUND_US            UINT64_C(300000000)
#define ROUND_UNANSWERED_US UINT64_C(30000000)
#define ROUND_KEEPING_US    UINT64_C(20000000)

enum { SENDS_MAX = 5 };

/* ---- queries and rounds ---- */

static void begin_query(const struct reflexive *r, struct reflexive_query *query, uint64_t now_us)
{
    query->state = REFLEXIVE_ASKING;
    query->error = 0;
    query->sent = 0;
    query->next_us = now_us;
    r->ops.random(r->ops.context, query->transaction, sizeof query->transaction);
}

/* Ask a server at the address chosen; where its other one is, its answer will tell. */
static void begin_server(const struct reflexive *r, struct reflexive_server *server,
                         uint64_t now_us)
{
    const struct endpoint *to = &server->choice[server->chosen];
    if (!endpoint_equal(to, &server->first.to)) {
        server->first = (struct reflexive_query){.to = *to};
        server->other = (struct reflexive_query){0};
    }
    server->other.state = REFLEXIVE_IDLE;
    begin_query(r, &server->first, now_us);
}

static void begin_round(const struct reflexive *r, struct reflexive_family *f, bool hurried,
                        uint64_t now_us)
{
    f->running = false;
    f->hurried = hurried;
    f->next_round_us = UINT64_MAX;
    for (unsigned i = 0; i < REFLEXIVE_SERVERS_MAX; i++) {
        if (f->server[i].choice_count == 0)
            continue;
        f->running = true;
        f->server[i].tried = 1;
        begin_server(r, &f->server[i], now_us);
    }
}

static bool is_out(const struct reflexive_family *f)
{
    for (unsigned i = 0; i < REFLEXIVE_SERVERS_MAX; i++)
        if (f->server[i].first.state == REFLEXIVE_ASKING ||
            f->server[i].other.state == REFLEXIVE_ASKING)
            return true;
    return false;
}

/* ---- the verdict ---- */

/* This round's answers, in the servers' order. */
static size_t collect(const struct reflexive_family *f, const struct reflexive_query **out)
{
    size_t count = 0;
    for (unsigned i = 0; i < REFLEXIVE_SERVERS_MAX; i++) {
        const struct reflexive_server *s = &f->server[i];
        if (s->first.state == REFLEXIVE_ANSWERED)
            out[count++] = &s->first;
        if (s->other.state == REFLEXIVE_ANSWERED)
            out[count++] = &s->other;
    }
    return count;
}

static bool is_local(const struct reflexive *r, const struct endpoint *mapped)
{
    for (unsigned i = 0; i < r->local_count; i++)
        if (ip_equal(&r->local[i], &mapped->address))
            return mapped->port == r->local_port;
    return false;
}

/* Two ports of one address that see the same prove nothing: a NAT may map per address. */
static enum nat_mapping judge_mapping(const struct reflexive *r,
                                      const struct reflexive_query *const *answer, size_t count)
{
    bool two_addresses = false;
    for (size_t i = 1; i < count; i++) {
        if (!endpoint_equal(&answer[i]->mapped, &answer[0]->mapped))
            return NAT_MAPPING_DEPENDENT;
        if (!ip_equal(&answer[i]->to.address, &answer[0]->to.address))
            two_addresses = true;
    }
    if (count > 0 && is_local(r, &answer[0]->mapped))
        return NAT_MAPPING_NONE;
    return two_addresses ? NAT_MAPPING_INDEPENDENT : NAT_MAPPING_UNKNOWN;
}

/* Whether one of the answers bears out what is known; if every server sees another port, the
 * address alone can be. */
static bool confirmed(const struct reflexive_result *result,
                      const struct reflexive_query *const *answer, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (result->mapping == NAT_MAPPING_DEPENDENT
                ? ip_equal(&answer[i]->mapped.address, &result->mapped.address)
                : endpoint_equal(&answer[i]->mapped, &result->mapped))
            return true;
    return false;
}

static void judge(const struct reflexive *r, const struct reflexive_family *f,
                  struct reflexive_result *result)
{
    const struct reflexive_query *answer[2 * REFLEXIVE_SERVERS_MAX];
    size_t count = collect(f, answer);
    enum nat_mapping mapping = judge_mapping(r, answer, count);

    if (count == 0) {
        if (!f->running && f->hurried)
            *result = (struct reflexive_result){0};
        return;
    }
    if (mapping != NAT_MAPPING_UNKNOWN || !result->known || (!f->running && f->hurried))
        result->mapping = mapping;
    /* Where each server sees something else, one of them contradicts nothing yet. */
    bool wait = f->running && !f->hurried && result->mapping == NAT_MAPPING_DEPENDENT;
    if (!result->known || (!wait && !confirmed(result, answer, count)))
        result->mapped = answer[0]->mapped;
    result->known = true;
    result->port_kept = result->mapped.port == r->local_port;
}

static bool differs(const struct reflexive_result *a, const struct reflexive_result *b)
{
    return a->known != b->known || a->mapping != b->mapping || a->port_kept != b->port_kept ||
           !endpoint_equal(&a->mapped, &b->mapped);
}

static void update(struct reflexive *r, struct reflexive_family *f)
{
    struct reflexive_result before = f->result;
    judge(r, f, &f->result);
    r->changed = r->changed || differs(&before, &f->result);
}

static uint64_t pause_us(const struct reflexive *r, const struct reflexive_family *f)
{
    const struct reflexive_query *answer[2 * REFLEXIVE_SERVERS_MAX];
    if (collect(f, answer) == 0)
        return ROUND_UNANSWERED_US;
    bool holds =
        f->result.mapping != NAT_MAPPING_NONE && f->result.mapping != NAT_MAPPING_DEPENDENT;
    return r->keep && holds ? ROUND_KEEPING_US : ROUND_US;
}

/* After anything that may have ended a round. */
static void settle(struct reflexive *r, struct reflexive_family *f, uint64_t now_us)
{
    bool over = f->running && !is_out(f);
    if (over)
        f->running = false;
    update(r, f);
    if (over)
        f->next_round_us = now_us + pause_us(r, f);
}

/* ---- answers ---- */

/* No NAT gives, and no server has, an address that means a network, a group or oneself; nor one
 * that is good on one link only. */
static bool is_plausible(const struct endpoint *e, uint8_t family)
{
    return e->address.family == family && e->port != 0 && ip_is_one_host(&e->address) &&
           !ip_is_link_local(&e->address);
}

/* RFC 5780 s.4.3: the same server at another address. */
static void ask_other(const struct reflexive *r, const struct stun_message *message,
                      struct reflexive_server *server, uint64_t now_us)
{
    struct endpoint to;
    if (!stun_get_address(message, ATTRIBUTE_OTHER_ADDRESS, &to) ||
        !is_plausible(&to, server->first.to.address.family) ||
        ip_equal(&to.address, &server->first.to.address))
        return;
    if (!endpoint_equal(&to, &server->other.to))
        server->other = (struct reflexive_query){.to = to};
    begin_query(r, &server->other, now_us);
}

/* An answer to a query that is out. Return: false when it is of no use; the query stays out, as
 * the right answer may follow. */
static bool take_answer(struct reflexive_query *query, const struct stun_message *message)
{
    struct endpoint mapped;
    const char *reason;
    size_t reason_bytes;
    if (message->class_ == STUN_ERROR) {
        if (!stun_get_error(message, &query->error, &reason, &reason_bytes))
            return false;
        query->state = REFLEXIVE_FAILED;
        return true;
    }
    if (stun_unknown_required(message, NULL, 0) > 0 ||
        !stun_get_address(message, ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped) ||
        !is_plausible(&mapped, query->to.address.family))
        return false;
    query->mapped = mapped;
    query->known = true;
    query->state = REFLEXIVE_ANSWERED;
    return true;
}

static bool is_asked(const struct reflexive_query *query, const struct endpoint *from,
                     const struct stun_message *message)
{
    return query->sent > 0 && endpoint_equal(&query->to, from) &&
           memcmp(query->transaction, message->transaction, STUN_TRANSACTION_BYTES) == 0;
}

/* The query that this answers, and the server if it is its first. */
static struct reflexive_query *find_query(struct reflexive_family *f, const struct endpoint *from,
                                          const struct stun_message *message,
                                          struct reflexive_server **server)
{
    for (unsigned i = 0; i < REFLEXIVE_SERVERS_MAX; i++) {
        struct reflexive_server *s = &f->server[i];
        *server = s;
        if (is_asked(&s->first, from, message))
            return &s->first;
        if (is_asked(&s->other, from, message))
            return &s->other;
    }
    return NULL;
}

static bool receive(struct reflexive *r, struct reflexive_family *f, const struct endpoint *from,
                    const struct stun_message *message, uint64_t now_us)
{
    struct reflexive_server *server;
    struct reflexive_query *query = find_query(f, from, message, &server);
    if (!query)
        return false;
    if (query->state != REFLEXIVE_ASKING) /* what was sent more than once is answered so as well */
        return query->state == REFLEXIVE_ANSWERED || query->error > 0;
    if (!take_answer(query, message))
        return false;
    if (query->state == REFLEXIVE_ANSWERED && query == &server->first)
        ask_other(r, message, server, now_us);
    settle(r, f, now_us);
    return true;
}

bool reflexive_receive(struct reflexive *r, const struct endpoint *from, const uint8_t *datagram,
                       size_t bytes, uint64_t now_us)
{
    struct stun_message message;
    if (!stun_parse(&message, datagram, bytes) || message.method != STUN_BINDING ||
        (message.class_ != STUN_SUCCESS && message.class_ != STUN_ERROR))
        return false;
    struct reflexive_family *f = from->address.family == IP_V4 ? &r->v4 : &r->v6;
    if (!receive(r, f, from, &message, now_us))
        f->refused++;
    return true;
}

/* ---- requests ---- */

static void write_request(const struct reflexive_query *query, struct reflexive_request *out)
{
    struct stun_writer writer;
    stun_begin(&writer, out->bytes, sizeof out->bytes, STUN_BINDING, STUN_REQUEST,
               query->transaction);
    out->to = query->to;
    out->count = stun_end(&writer);
}

/* Return: whether @out is to be sent. A query that was sent often enough has failed. */
static bool query_due(struct reflexive_query *query, uint64_t now_us, struct reflexive_request *out)
{
    if (query->state != REFLEXIVE_ASKING || query->next_us > now_us)
        return false;
    if (query->sent == SENDS_MAX) {
        query->state = REFLEXIVE_FAILED;
        return false;
    }
    query->next_us = now_us + (RETRANSMIT_US << query->sent++);
    write_request(query, out);
    return true;
}

static bool server_due(const struct reflexive *r, struct reflexive_server *server, uint64_t now_us,
                       struct reflexive_request *out)
{
    bool asking = server->first.state == REFLEXIVE_ASKING;
    if (query_due(&server->first, now_us, out) || query_due(&server->other, now_us, out))
        return true;
    if (!asking || server->first.state != REFLEXIVE_FAILED)
        return false;
    server->chosen = (uint8_t)((server->chosen + 1) % server->choice_count);
    if (server->tried >= server->choice_count)
        return false;
    server->tried++;
    begin_server(r, server, now_us);
    return query_due(&server->first, now_us, out);
}

static bool family_due(struct reflexive *r, struct reflexive_family *f, uint64_t now_us,
                       struct reflexive_request *out)
{
    if (!f->running && f->next_round_us <= now_us)
        begin_round(r, f, false, now_us);
    if (!f->running)
        return false;
    for (unsigned i = 0; i < REFLEXIVE_SERVERS_MAX; i++)
        if (server_due(r, &f->server[i], now_us, out))
            return true;
    settle(r, f, now_us);
    return false;
}

bool reflexive_due(struct reflexive *r, uint64_t now_us, struct reflexive_request *out)
{
    return family_due(r, &r->v6, now_us, out) || family_due(r, &r->v4, now_us, out);
}

static uint64_t query_deadline_us(const struct reflexive_query *query)
{
    return query->state == REFLEXIVE_ASKING ? query->next_us : UINT64_MAX;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t family_deadline_us(const struct reflexive_family *f)
{
    uint64_t deadline_us = f->running ? UINT64_MAX : f->next_round_us;
    for (unsigned i = 0; i < REFLEXIVE_SERVERS_MAX; i++) {
        deadline_us = earlier(deadline_us, query_deadline_us(&f->server[i].first));
        deadline_us = earlier(deadline_us, query_deadline_us(&f->server[i].other));
    }
    return deadline_us;
}

uint64_t reflexive_deadline_us(const struct reflexive *r)
{
    return earlier(family_deadline_us(&r->v4), family_deadline_us(&r->v6));
}

/* ---- what we are told ---- */

void reflexive_init(struct reflexive *r, const struct reflexive_ops *ops)
{
    *r = (struct reflexive){.ops = *ops};
    r->v4.next_round_us = r->v6.next_round_us = UINT64_MAX;
}

static bool has_servers(const struct reflexive_family *f)
{
    for (unsigned i = 0; i < REFLEXIVE_SERVERS_MAX; i++)
        if (f->server[i].choice_count > 0)
            return true;
    return false;
}

static void remove_server(struct reflexive *r, struct reflexive_family *f,
                          struct reflexive_server *server, uint64_t now_us)
{
    *server = (struct reflexive_server){0};
    settle(r, f, now_us);
    if (has_servers(f))
        return;
    r->changed = r->changed || f->result.known;
    f->result = (struct reflexive_result){0};
    f->next_round_us = UINT64_MAX;
}

/* The choices become those of @list of the family; the one in use stays so if it is among them.
 * Return: whether another one has to be asked now */
static bool set_choices(struct reflexive_server *server, const struct endpoint *list, size_t count,
                        enum ip_family family)
{
    bool kept = false;
    struct endpoint used = server->first.to;
    server->choice_count = server->chosen = 0;
    for (size_t i = 0; i < count && server->choice_count < REFLEXIVE_CHOICES_MAX; i++) {
        if (list[i].address.family != family)
            continue;
        if (endpoint_equal(&list[i], &used)) {
            server->chosen = server->choice_count;
            kept = true;
        }
        server->choice[server->choice_count++] = list[i];
    }
    return !kept;
}

static void set_server(struct reflexive *r, struct reflexive_family *f, unsigned index,
                       const struct endpoint *list, size_t count, uint64_t now_us)
{
    struct reflexive_server *server = &f->server[index];
    bool is_new = set_choices(server, list, count, f == &r->v4 ? IP_V4 : IP_V6);
    if (server->choice_count == 0) {
        remove_server(r, f, server, now_us);
        return;
    }
    if (!is_new)
        return;
    if (!f->running) {
        begin_round(r, f, false, now_us);
        return;
    }
    server->tried = 1;
    begin_server(r, server, now_us);
}

void reflexive_set_server(struct reflexive *r, unsigned index, const struct endpoint *endpoints,
                          size_t count, uint64_t now_us)
{
    set_server(r, &r->v4, index, endpoints, count, now_us);
    set_server(r, &r->v6, index, endpoints, count, now_us);
}

void reflexive_set_local(struct reflexive *r, uint16_t port, const struct ip_address *addresses,
                         size_t count)
{
    r->local_port = port;
    r->local_count = (uint8_t)(count < REFLEXIVE_LOCAL_MAX ? count : REFLEXIVE_LOCAL_MAX);
    memcpy(r->local, addresses, r->local_count * sizeof *addresses);
    update(r, &r->v4);
    update(r, &r->v6);
}

void reflexive_hurry(struct reflexive *r, uint64_t now_us)
{
    begin_round(r, &r->v4, true, now_us);
    begin_round(r, &r->v6, true, now_us);
}

static void hasten(const struct reflexive *r, struct reflexive_family *f, uint64_t now_us)
{
    if (f->next_round_us != UINT64_MAX)
        f->next_round_us = earlier(f->next_round_us, now_us + pause_us(r, f));
}

void reflexive_keep(struct reflexive *r, bool keep, uint64_t now_us)
{
    r->keep = keep;
    hasten(r, &r->v4, now_us);
    hasten(r, &r->v6, now_us);
}

/* ---- what we tell ---- */

bool reflexive_take_changed(struct reflexive *r)
{
    bool changed = r->changed;
    r->changed = false;
    return changed;
}

const struct reflexive_result *reflexive_result(const struct reflexive *r, enum ip_family family)
{
    return family == IP_V4 ? &r->v4.result : &r->v6.result;
}

static struct reflexive_answer describe(unsigned server, bool other,
                                        const struct reflexive_query *query)
{
    return (struct reflexive_answer){
        .server = server,
        .other = other,
        .asked = query->to,
        .state = query->state,
        .known = query->known,
        .mapped = query->mapped,
        .error = query->error,
    };
}

static size_t describe_family(const struct reflexive_family *f, struct reflexive_answer *out)
{
    size_t count = 0;
    for (unsigned i = 0; i < REFLEXIVE_SERVERS_MAX; i++) {
        const struct reflexive_server *s = &f->server[i];
        if (s->first.to.address.family != IP_NONE)
            out[count++] = describe(i, false, &s->first);
        if (s->other.to.address.family != IP_NONE)
            out[count++] = describe(i, true, &s->other);
    }
    return count;
}

size_t reflexive_answers(const struct reflexive *r, struct reflexive_answer *out)
{
    size_t count = describe_family(&r->v4, out);
    return count + describe_family(&r->v6, out + count);
}
