/* SPDX-License-Identifier: MIT
 *
 * paths.c - see paths.h. In this order: coming and going of paths, what comes from outside, checks,
 * initiations. Which path is used is path_selection.c's, punches into port sets are path_spray.c's,
 * and what others are told is path_report.c's.
 */
#include "tunnel/paths.h"

#include "tunnel/path_selection.h"

#include <string.h>

#define MS     UINT64_C(1000)
#define SECOND (1000 * MS)
#define NEVER  UINT64_MAX

#define APART           (50 * MS) /* two checks: 20 in a second */
#define CLOSELY_EVERY   (3 * SECOND)
#define STANDBY_EVERY   (15 * SECOND)
#define OTHERS_EVERY    (25 * SECOND)
#define UPGRADE_FIRST   (250 * MS) /* while a direct path proves itself against a relay */
#define UPGRADE_AGAIN   SECOND     /* and had failed in use before */
#define OTHERS_MAX      (300 * SECOND)
#define PATIENCE_MIN    (200 * MS)
#define PATIENCE_MAX    SECOND
#define PATIENCE_FIRST  (500 * MS)   /* without an RTT */
#define PROOF_LASTS     (4 * SECOND) /* one interval and one check's patience */
#define FALLS_FORGOTTEN (300 * SECOND)
#define SHORT_KEEPALIVE (10 * SECOND)
#define BUDGET_LASTS    (30 * SECOND)

enum {
    NONE = -1,
    TARGETED_MAX = 5,
    HEARD_MAX = 5,
    MEASURED_ANSWERS = PATH_FIRST_RTTS,
    CLOSE_ANSWERS = 40, /* two minutes */
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void count_up(uint8_t *n)
{
    if (*n < UINT8_MAX)
        ++*n;
}

/* ---- coming and going ---- */

/* Whether we know that this address is the peer's, other than by its or a meeting point's word. Who
 * names a path through a TURN server speaks of the server, not of the address beyond. */
static bool is_vouched(const struct paths *p, const struct path *e)
{
    bool named = (e->sources & 1u << PATHS_CONFIGURED) != 0 && e->to.via == VIA_DIRECT;
    return named || e->answered || e->to.via >= VIA_PEER ||
           attestation_has(&p->told, &e->to.address);
}

/* A meeting point says that the peer is there, the peer itself does not. */
static bool is_hearsay(const struct paths *p, const struct path *e)
{
    return e->sources == 1u << PATHS_MEETING && e->to.via == VIA_DIRECT && !is_vouched(p, e);
}

static int find(const struct paths *p, const struct endpoint *to)
{
    for (int i = 0; i < p->count; i++)
        if (endpoint_equal(&p->path[i].to, to))
            return i;
    return NONE;
}

static void move_index(int *index, int from, int to)
{
    if (*index == to)
        *index = NONE;
    else if (*index == from)
        *index = to;
}

static void forget(struct paths *p, int i)
{
    int last = --p->count;
    p->path[i] = p->path[last];
    move_index(&p->selected, last, i);
    move_index(&p->standby, last, i);
    move_index(&p->theirs, last, i);
}

/* What was named and no longer is, at once; what was only heard from, when nothing is under way. */
static bool is_forgotten(const struct paths *p, int i)
{
    const struct path *e = &p->path[i];
    if (e->sources != 0 || path_is_valid(e) || i == p->selected || e->heard > 0)
        return false;
    return e->was_named || (!e->checking && (e->state == PATH_FAILED || !is_vouched(p, e)));
}

/* What is kept when there is no room for all: by who names it, then by state. That a datagram has
 * come from there counts more than the peer's word. */
static unsigned rank(const struct path *e)
{
    static const uint8_t source_rank[1 << PATHS_SOURCES] = {0, 3, 1, 3, 2, 3, 2, 3};
    unsigned source = source_rank[e->sources], state = e->state == PATH_FAILED ? 0 : 1;
    if (e->heard > 0 && source == 0)
        source = 1;
    return 3 * source + (path_is_valid(e) || e->heard > 0 ? 2 : state);
}

/* What has just come takes the place of its like. */
static bool make_room(struct paths *p, const struct path *new)
{
    unsigned enough = rank(new) + (new->heard > 0 ? 1 : 0);
    int least = NONE;
    if (p->count < PATHS_MAX)
        return true;
    for (int i = 0; i < p->count; i++)
        if (i != p->selected && i != p->standby &&
            (least < 0 || rank(&p->path[i]) < rank(&p->path[least])))
            least = i;
    if (rank(&p->path[least]) >= enough)
        return false;
    forget(p, least);
    return true;
}

/* Takes a path in: @sources name it, or nobody does and a datagram came from there. */
static int place(struct paths *p, const struct candidate *c, uint8_t sources, uint64_t now_us)
{
    struct path new = {.to = c->endpoint, .kind = c->kind, .sources = sources, .srtt_us = -1};
    new.heard = sources == 0 ? 1 : 0;
    new.fresh_us = now_us;
    path_want(&new, now_us);
    if (!make_room(p, &new))
        return NONE;
    p->path[p->count] = new;
    return p->count++;
}

static void become_valid(struct path *e, uint64_t now_us)
{
    e->state = PATH_VALID;
    e->losses = 0;
    e->answered_us = e->fresh_us = now_us;
}

/* ---- from outside ---- */

void paths_init(struct paths *p, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    p->seed = seed;
    p->selected = p->standby = p->theirs = NONE;
    attestation_init(&p->told, seed, PATHS_BUDGET, BUDGET_LASTS);
    port_spray_init(&p->spray, (unsigned)(seed & 0xffff));
}

static void name(struct paths *p, const struct candidate *c, uint8_t source_bit, uint64_t now_us)
{
    int i = find(p, &c->endpoint);
    if (i < 0)
        i = place(p, c, source_bit, now_us);
    if (i < 0)
        return;
    struct path *e = &p->path[i];
    e->sources |= source_bit;
    e->was_named = true;
    if (e->kind != CANDIDATE_RELAYED) /* which says most about it */
        e->kind = c->kind;
}

void paths_set(struct paths *p, enum paths_source source, const struct candidate_list *list,
               uint64_t now_us)
{
    uint8_t bit = (uint8_t)(1u << source);
    for (int i = p->count - 1; i >= 0; i--)
        p->path[i].sources &= (uint8_t)~bit;
    p->port_set[source].kind = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct candidate *c = &list->item[i];
        if (!candidate_usable(c))
            continue;
        if (c->kind == CANDIDATE_PORT_SET)
            p->port_set[source] = *c;
        else
            name(p, c, bit, now_us);
    }
    for (int i = p->count - 1; i >= 0; i--)
        if (is_forgotten(p, i))
            forget(p, i);
    paths_choose_standby(p);
}

void paths_attest(struct paths *p, const struct ip_address *address)
{
    attestation_add(&p->told, address);
}

bool paths_attested(const struct paths *p, const struct ip_address *address)
{
    return attestation_has(&p->told, address);
}

void paths_doubt(struct paths *p, uint64_t now_us)
{
    if (p->selected >= 0 && !p->path[p->selected].checking)
        path_want(&p->path[p->selected], now_us);
}

/* The peer has chosen a path for itself that is not ours. */
static bool follow(struct paths *p, int i, uint64_t now_us)
{
    bool new = p->theirs != i;
    p->theirs = i;
    if (i == p->selected)
        return false;
    if (p->selected < 0 || path_has_failed(&p->path[p->selected]))
        return paths_use(p, i, now_us);
    if (!path_is_valid(&p->path[i]) && !path_has_failed(&p->path[i]) && now_us >= p->hold_us)
        return paths_use(p, i, now_us);
    if (new) /* perhaps because ours does not work */
        paths_doubt(p, now_us);
    return false;
}

/* A datagram from a path that is not valid may mean that its way has just opened: it is checked
 * (RFC 8445 s.7.3.1.4), without waiting long for a check from before. */
static int hear(struct paths *p, const struct endpoint *from, uint64_t now_us)
{
    struct candidate c = {.kind = CANDIDATE_PEER_REFLEXIVE, .endpoint = *from};
    if (from->via >= VIA_PEER)
        c.kind = CANDIDATE_THROUGH_PEER;
    int i = find(p, from);
    if (i < 0)
        return candidate_usable(&c) ? place(p, &c, 0, now_us) : NONE;
    struct path *e = &p->path[i];
    e->fresh_us = now_us;
    if (path_is_valid(e))
        return i;
    if (e->heard < HEARD_MAX)
        e->heard++;
    if (e->checking)
        e->lost_us = earlier(e->lost_us, later(e->checked_us + PATIENCE_FIRST, now_us));
    else if (!e->wanted)
        path_want(e, now_us);
    return i;
}

bool paths_received(struct paths *p, const struct endpoint *from, bool moves, uint64_t now_us)
{
    int i = hear(p, from, now_us);
    bool changed = i >= 0 && moves && follow(p, i, now_us);
    paths_choose_standby(p);
    return changed;
}

void paths_proved(struct paths *p, const struct endpoint *from, uint64_t now_us)
{
    int i = hear(p, from, now_us);
    p->renewing = false;
    if (i < 0)
        return;
    follow(p, i, now_us);
    const struct path *s = p->selected < 0 ? NULL : &p->path[p->selected];
    bool stale = !s || !path_is_valid(s) || now_us - s->answered_us > PROOF_LASTS;
    become_valid(&p->path[i], now_us);
    path_want(&p->path[i], now_us);
    if (i != p->selected && stale)
        paths_use(p, i, now_us);
    paths_choose_standby(p);
}

static void put_in_order(uint32_t *rtt_us, unsigned count, uint32_t new_us)
{
    for (; count > 0 && rtt_us[count - 1] > new_us; count--)
        rtt_us[count] = rtt_us[count - 1];
    rtt_us[count] = new_us;
}

/* RFC 6298 s.2, but that the median of the first answers is where it begins: a few that were late,
 * as when a host has yet to find its neighbour, would else decide between paths for minutes. */
static void measure(struct path *e, int64_t rtt_us)
{
    if (e->samples == 0)
        e->rttvar_us = rtt_us / 2;
    else
        e->rttvar_us += (larger(rtt_us - e->srtt_us, e->srtt_us - rtt_us) - e->rttvar_us) / 4;
    if (e->samples == PATH_FIRST_RTTS) {
        e->srtt_us += (rtt_us - e->srtt_us) / 8;
        return;
    }
    put_in_order(e->first_rtt_us, e->samples++, (uint32_t)rtt_us);
    e->srtt_us = e->first_rtt_us[(e->samples - 1) / 2];
}

/* A NAT that has another port for us after a silence had forgotten us. */
static void learn_mapping(struct paths *p, struct path *e, const struct endpoint *seen_as)
{
    if (seen_as->address.family == IP_NONE)
        return;
    if (e->idle_us >= SHORT_KEEPALIVE && ip_equal(&e->seen_as.address, &seen_as->address) &&
        e->seen_as.port != seen_as->port)
        p->mapping_was_lost = true;
    e->seen_as = *seen_as;
}

bool paths_answered(struct paths *p, const struct endpoint *from, uint64_t value,
                    const struct endpoint *seen_as, uint64_t now_us)
{
    int i = find(p, from);
    if (i < 0 || !p->path[i].checking || p->path[i].value != value)
        return false;
    struct path *e = &p->path[i];
    e->checking = e->wanted = false;
    measure(e, (int64_t)(now_us - e->checked_us));
    learn_mapping(p, e, seen_as);
    become_valid(e, now_us);
    e->answered = true;
    e->heard = 0;
    attestation_add(&p->told, &e->to.address);
    count_up(&e->answers);
    if (i != p->selected)
        paths_consider(p, i, now_us);
    else if (now_us - p->selected_us >= FALLS_FORGOTTEN)
        e->falls = 0;
    paths_choose_standby(p);
    return true;
}

void paths_restart(struct paths *p, uint64_t now_us)
{
    for (int i = p->count - 1; i >= 0; i--) {
        struct path *e = &p->path[i];
        e->state = PATH_WAITING;
        e->losses = e->answers = e->better = e->falls = e->targeted = e->samples = 0;
        e->checking = false;
        e->seen_as.address.family = IP_NONE;
        path_want(e, now_us);
        if (is_forgotten(p, i))
            forget(p, i);
    }
    p->standby = NONE;
    p->hold_us = 0;
    p->renewing = p->mapping_was_lost = false;
}

/* ---- checks ---- */

static bool works(const struct paths *p)
{
    return p->selected >= 0 && path_is_valid(&p->path[p->selected]);
}

/* Of a kind for which it is worth asking again and again. */
static bool may_be_better(const struct paths *p, const struct path *e)
{
    if (!works(p))
        return true;
    const struct path *s = &p->path[p->selected];
    return path_class(e) < path_class(s) ||
           (path_is_direct(e) && path_is_direct(s) && path_is_v6(e) && !path_is_v6(s));
}

/* In which order paths have their turn: the lowest first. */
static unsigned urgency(const struct paths *p, int i)
{
    const struct path *e = &p->path[i];
    if (i == p->selected)
        return 0;
    if (i == p->standby)
        return 1;
    return e->heard > 0 ? 2 : 3 + 2 * (unsigned)path_class(e) + (path_is_v6(e) ? 0 : 1);
}

/* How long a check's answer is waited for. */
static uint64_t patience_us(const struct paths *p, int i)
{
    const struct path *e = &p->path[i];
    if (!path_is_valid(e) && (i != p->selected || path_has_failed(e)))
        return PATIENCE_FIRST << (e->losses < PATH_FAILED_LOSSES ? e->losses
                                                                 : PATH_FAILED_LOSSES - 1);
    if (e->srtt_us < 0)
        return PATIENCE_FIRST;
    uint64_t usual = (uint64_t)larger(4 * e->srtt_us, e->srtt_us + 4 * e->rttvar_us);
    return earlier(later(usual, PATIENCE_MIN), PATIENCE_MAX);
}

/* After @more datagrams in vain than were due at once: 25, 50, ... 300 s. */
static uint64_t seldom_us(int more)
{
    return more >= 4 ? OTHERS_MAX : OTHERS_EVERY << more;
}

/* The longer a peer's mere word proves wrong the less it counts, as long as another path works; and
 * a meeting point's, whatever works: what it says comes again when the peer does. */
static uint64_t retry_every_us(const struct paths *p, const struct path *e)
{
    int lost = e->losses - PATH_FAILED_LOSSES;
    if (is_hearsay(p, e))
        return seldom_us(lost + e->targeted);
    return is_vouched(p, e) || !works(p) ? OTHERS_EVERY : seldom_us(lost);
}

/* It would be used if it were no worse, and may be so; until enough has been seen to tell. */
static bool is_close_call(const struct paths *p, const struct path *e)
{
    return works(p) && path_is_valid(e) && e->answers < CLOSE_ANSWERS && may_be_better(p, e) &&
           path_is_close(e, &p->path[p->selected]);
}

/* From its last check to the next one's turn. */
static uint64_t interval_us(const struct paths *p, int i)
{
    const struct path *e = &p->path[i];
    bool worth_it = may_be_better(p, e) || p->standby < 0;
    if (e->state == PATH_FAILED)
        return worth_it ? retry_every_us(p, e) : NEVER;
    if (p->selected >= 0 && path_is_direct(e) && !path_is_direct(&p->path[p->selected]))
        return e->falls == 0 ? UPGRADE_FIRST : UPGRADE_AGAIN;
    if (e->answers < MEASURED_ANSWERS || e->better > 0 || is_close_call(p, e) ||
        (i == p->selected && p->standby >= 0))
        return CLOSELY_EVERY;
    if (i == p->selected || i == p->standby)
        return p->mapping_was_lost ? SHORT_KEEPALIVE : STANDBY_EVERY;
    return worth_it ? OTHERS_EVERY : NEVER;
}

static uint64_t check_at(const struct paths *p, int i)
{
    const struct path *e = &p->path[i];
    uint64_t interval = interval_us(p, i), at = e->wanted_us;
    if (e->checking || (!e->wanted && interval == NEVER))
        return NEVER;
    if (!e->wanted)
        at = e->checked_us + interval;
    if (e->heard > 0 || i == p->selected || is_vouched(p, e)) /* where data goes checks may go */
        return at;
    return e->sources == 0 ? NEVER : later(at, attestation_ready_us(&p->told, &e->to.address));
}

static void lose(struct paths *p, int i, uint64_t now_us)
{
    struct path *e = &p->path[i];
    e->checking = false;
    e->answers = e->better = 0;
    count_up(&e->losses);
    if (e->losses >= PATH_FAILED_LOSSES)
        e->state = PATH_FAILED;
    else if (e->losses >= PATH_FAILING_LOSSES || !e->answered)
        e->state = PATH_CHECKING;
    if (e->state != PATH_FAILED || e->heard > 0)
        path_want(e, now_us);
    if (i == p->selected && e->losses == PATH_FAILING_LOSSES)
        paths_fail_over(p, now_us);
    paths_choose_standby(p);
    if (is_forgotten(p, i))
        forget(p, i);
}

/* No two are the same, nor to be guessed from one another without the seed. */
static uint64_t check_value(struct paths *p)
{
    uint64_t v = p->seed + ++p->sequence * UINT64_C(0x9e3779b97f4a7c15);
    v = (v ^ v >> 29) * UINT64_C(0xd6e8feb86659fd93);
    return v ^ v >> 32;
}

/* It draws from a peer's budget for addresses nobody vouches for, or from what came from there. */
static void send_check(struct paths *p, int i, uint64_t now_us, struct path_check *out)
{
    struct path *e = &p->path[i];
    e->lost_us = now_us + patience_us(p, i);
    if (e->heard > 0)
        e->heard--;
    else if (i != p->selected && !is_vouched(p, e))
        attestation_take(&p->told, &e->to.address, now_us);
    if (e->state == PATH_WAITING)
        e->state = PATH_CHECKING;
    e->checking = true;
    e->wanted = false;
    e->value = check_value(p);
    e->idle_us = now_us - e->fresh_us;
    e->fresh_us = e->checked_us = now_us;
    p->paced_us = now_us + APART;
    *out = (struct path_check){e->to, e->value};
}

bool paths_due(struct paths *p, uint64_t now_us, struct path_check *out)
{
    int next = NONE;
    for (int i = p->count - 1; i >= 0; i--)
        if (p->path[i].checking && p->path[i].lost_us <= now_us)
            lose(p, i, now_us);
    if (now_us < p->paced_us)
        return false;
    for (int i = 0; i < p->count; i++)
        if (check_at(p, i) <= now_us && (next < 0 || urgency(p, i) < urgency(p, next)))
            next = i;
    if (next >= 0)
        send_check(p, next, now_us, out);
    return next >= 0;
}

uint64_t paths_deadline_us(const struct paths *p)
{
    uint64_t at = NEVER;
    for (int i = 0; i < p->count; i++) {
        const struct path *e = &p->path[i];
        at = earlier(at, e->checking ? e->lost_us : later(check_at(p, i), p->paced_us));
    }
    return at;
}

/* ---- initiations ---- */

const struct endpoint *paths_selected(const struct paths *p)
{
    return p->selected < 0 ? NULL : &p->path[p->selected].to;
}

/* Whether nobody vouches for it, and it has had enough for now. */
static bool is_satisfied(const struct paths *p, const struct path *e, uint64_t now_us)
{
    bool hearsay = is_hearsay(p, e);
    int more = e->targeted - TARGETED_MAX + (hearsay ? e->losses : 0);
    return !is_vouched(p, e) && more >= 0 &&
           now_us - later(e->checked_us, e->targeted_us) <
               (hearsay ? seldom_us(more) : OTHERS_EVERY);
}

static bool take_target(struct paths *p, int i, uint64_t now_us)
{
    struct path *e = &p->path[i];
    if (i != p->selected &&
        (is_satisfied(p, e, now_us) ||
         (!is_vouched(p, e) && !attestation_take(&p->told, &e->to.address, now_us))))
        return false;
    count_up(&e->targeted);
    e->targeted_us = e->fresh_us = now_us;
    return true;
}

static int next_target(const struct paths *p, const bool passed[PATHS_MAX])
{
    int next = NONE;
    for (int i = 0; i < p->count; i++)
        if (!passed[i] && (next < 0 || urgency(p, i) < urgency(p, next)))
            next = i;
    return next;
}

size_t paths_targets(struct paths *p, struct endpoint *out, size_t capacity, uint64_t now_us)
{
    bool passed[PATHS_MAX] = {false}, alone = works(p) && !p->renewing;
    size_t count = 0;
    p->renewing = true;
    for (int i = next_target(p, passed); i >= 0 && count < capacity; i = next_target(p, passed)) {
        passed[i] = true;
        if (take_target(p, i, now_us))
            out[count++] = p->path[i].to;
        if (alone)
            break;
    }
    return count;
}

uint64_t paths_keepalive_us(const struct paths *p, uint64_t configured_us)
{
    return p->mapping_was_lost ? earlier(configured_us, SHORT_KEEPALIVE) : configured_us;
}

bool paths_knows(const struct paths *p, const struct endpoint *to)
{
    return find(p, to) >= 0;
}
