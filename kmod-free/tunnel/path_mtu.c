/* SPDX-License-Identifier: MIT
 *
 * path_mtu.c - see path_mtu.h.
 */
#include "tunnel/path_mtu.h"

#define NEVER            UINT64_MAX
#define RAISE_US         UINT64_C(600000000)
#define RAISE_FIRST_US   UINT64_C(30000000)
#define CONFIRM_BUSY_US  UINT64_C(500000)
#define BEGIN_EACH_US    UINT64_C(1000000)
#define HINT_EACH_US     UINT64_C(250000)
#define ROUND_MIN_US     UINT64_C(100000)
#define ROUND_MAX_US     UINT64_C(3000000)
#define ROUND_UNKNOWN_US UINT64_C(500000)   /* before the RTT is known */
#define ROUND_SILENT_US  UINT64_C(5000000)  /* however long the path is silent */
#define CONTROL_MAX_US   UINT64_C(60000000) /* an RTT is less */

enum {
    SILENT_SAMPLED = 3, /* more silent rounds than that are an outage, not loss */
    SAMPLES_MAX = 512,  /* then what is old counts half */
    HINTS_MAX = 4,      /* in one search: sizes of forged ones take the place of better ones */
    DOUBTED_TRIES = 2,
    RAISE_FACTOR = 4,
};

/* Ethernet, PPPoE, MAP-E or DS-Lite on 1500, FLET'S, what mobile networks and other tunnels leave,
 * IPv6's minimum; and the largest, where the line has jumbo frames. */
static const uint16_t known_sizes[] = {
    1280, 1360, 1400, 1454, 1460, 1492, 1500, OUTER_PACKET_MAX_BYTES,
};

enum { KNOWN_SIZES = sizeof known_sizes / sizeof *known_sizes };

/* How often a size must be lost while the control is answered. For a path that loses the share q
 * of probes or answers this is the n with q^n about 10^-7. */
static const struct {
    uint16_t lost_permille;
    uint8_t tries;
} tries_table[] = {
    {5, 3}, {20, 5}, {50, 6}, {100, 7}, {150, 9}, {200, 10}, {300, 14}, {400, 18}, {1000, 24},
};
enum { TRIES_ROWS = sizeof tries_table / sizeof *tries_table };

/* ---- probes ---- */

/* A probe's value: marker 1 (byte 0), epoch 2 (at 2), round 2, size 2. The marker tells it from a
 * time in microseconds, which has none of these bits for the next two thousand years. */
#define MARKER (UINT64_C(1) << 56)

static uint64_t probe_value(const struct path_mtu *p, uint16_t bytes)
{
    return MARKER | (uint64_t)p->epoch << 32 | (uint64_t)p->round << 16 | bytes;
}

bool path_mtu_is_probe(uint64_t value)
{
    return value >> 48 == MARKER >> 48;
}

/* ---- the path's loss ---- */

static void sample(struct path_mtu *p, bool lost)
{
    if (p->sampled == SAMPLES_MAX) {
        p->sampled /= 2;
        p->sampled_lost /= 2;
    }
    p->sampled++;
    p->sampled_lost = (uint16_t)(p->sampled_lost + lost);
}

/* The largest r with r * r <= n, for the small n here. */
static unsigned square_root(unsigned n)
{
    unsigned r = 0;
    while ((r + 1) * (r + 1) <= n)
        r++;
    return r;
}

/* The estimate may have been lucky: two standard deviations are added to the losses counted; and
 * where none were, few samples prove little. */
static unsigned tries_needed(const struct path_mtu *p)
{
    unsigned lost = p->sampled_lost, i = 0;

    if (lost == 0)
        return p->sampled < 24 ? 6 : p->sampled < 32 ? 4 : 3;
    unsigned lost_permille = 1000 * (lost + 2 * square_root(lost)) / p->sampled;
    while (i < TRIES_ROWS - 1 && tries_table[i].lost_permille < lost_permille)
        i++;
    return tries_table[i].tries;
}

/* ---- which sizes ---- */

static void add_size(struct path_mtu *p, unsigned bytes)
{
    if (bytes <= p->mtu_bytes || bytes >= p->too_large_bytes)
        return;
    for (unsigned i = 0; i < p->size_count; i++)
        if (p->size[i].bytes == bytes)
            return;
    if (p->size_count < PATH_MTU_SIZES_MAX - 1)
        p->size[p->size_count++] = (struct path_mtu_size){.bytes = (uint16_t)bytes};
}

static void add_told(struct path_mtu *p)
{
    if (p->told_bytes == 0 || p->told_tried)
        return;
    p->told_tried = true;
    add_size(p, p->told_bytes);
    add_size(p, p->told_bytes + 1u);
}

static bool is_known_size(uint16_t bytes)
{
    for (size_t i = 0; i < KNOWN_SIZES; i++)
        if (known_sizes[i] == bytes)
            return true;
    return false;
}

static void choose_sizes(struct path_mtu *p)
{
    add_told(p);
    if (p->size_count != 0)
        return;
    for (size_t i = 0; i < KNOWN_SIZES; i++)
        add_size(p, known_sizes[i]);
    if (p->size_count != 0)
        return;
    if (is_known_size(p->mtu_bytes))
        add_size(p, p->mtu_bytes + 1u); /* most paths are well known: that ends the search */
    add_size(p, (p->mtu_bytes + p->too_large_bytes) / 2u);
}

/* ---- states ---- */

static void search(struct path_mtu *p, unsigned too_large_bytes, uint64_t now_us)
{
    p->state = PATH_MTU_SEARCHING;
    p->too_large_bytes = (uint16_t)too_large_bytes;
    p->size_count = 0;
    p->hints = 0;
    p->round_open = false;
    p->round_ends_us = now_us;
}

static uint64_t first_raise_us(const struct path_mtu *p)
{
    return p->raise_us < RAISE_FIRST_US ? p->raise_us : RAISE_FIRST_US;
}

/* From the base, believing nothing that was answered before. */
static void search_afresh(struct path_mtu *p, unsigned too_large_bytes, uint64_t now_us)
{
    p->epoch++;
    p->mtu_bytes = p->base_bytes;
    p->proved = p->doubted = p->below_base = false;
    p->limit = PATH_MTU_LIMIT_UNKNOWN;
    p->current_lost_tries = 0;
    p->silent_rounds = 0;
    p->raise_next_us = first_raise_us(p);
    search(p, too_large_bytes, now_us);
}

void path_mtu_set(struct path_mtu *p, uint16_t fixed_bytes, uint64_t raise_us)
{
    p->raise_us = raise_us != 0 ? raise_us : RAISE_US;
    if (fixed_bytes != p->fixed_bytes)
        p->told_bytes = 0;
    if (fixed_bytes != 0) {
        p->state = PATH_MTU_FIXED;
        p->limit = PATH_MTU_LIMIT_CONFIGURATION;
        p->mtu_bytes = fixed_bytes;
        p->round_open = false;
    } else if (p->fixed_bytes != 0 || p->mtu_bytes == 0) {
        p->state = PATH_MTU_STOPPED;
        p->limit = PATH_MTU_LIMIT_UNKNOWN;
        p->mtu_bytes = PATH_MTU_BASE_V4_BYTES;
    }
    p->fixed_bytes = fixed_bytes;
}

static uint16_t base_of(enum ip_family family)
{
    switch (family) {
    case IP_V6:
        return PATH_MTU_BASE_V6_BYTES;
    case IP_SITE:
        return PATH_MTU_BASE_RELAY_BYTES;
    default:
        return PATH_MTU_BASE_V4_BYTES;
    }
}

void path_mtu_begin(struct path_mtu *p, enum ip_family family, uint64_t now_us)
{
    if (p->fixed_bytes != 0)
        return;
    p->base_bytes = base_of(family);
    p->srtt_us = -1;
    p->sampled = p->sampled_lost = 0;
    p->told_bytes = 0;
    p->told_tried = false;
    uint64_t at_us = p->begun_us != 0 ? p->begun_us + BEGIN_EACH_US : now_us;
    p->begun = false;
    search_afresh(p, OUTER_PACKET_MAX_BYTES + 1, at_us > now_us ? at_us : now_us);
}

void path_mtu_stop(struct path_mtu *p)
{
    if (p->fixed_bytes == 0)
        p->state = PATH_MTU_STOPPED;
    p->round_open = false;
}

static enum path_mtu_limit judge_limit(const struct path_mtu *p)
{
    if (p->below_base)
        return PATH_MTU_LIMIT_BELOW_BASE;
    if (p->mtu_bytes == OUTER_PACKET_MAX_BYTES)
        return PATH_MTU_LIMIT_MAXIMUM;
    if (p->told_bytes == p->mtu_bytes)
        return p->told_by_kernel ? PATH_MTU_LIMIT_INTERFACE : PATH_MTU_LIMIT_ROUTER;
    return PATH_MTU_LIMIT_PATH;
}

/* The base is not confirmed: there is nothing to fall back to. */
static uint64_t next_confirmation_us(const struct path_mtu *p)
{
    if (p->mtu_bytes == p->base_bytes || !p->large_sent)
        return NEVER;
    return p->proved_us + CONFIRM_BUSY_US;
}

static void found(struct path_mtu *p, uint64_t now_us)
{
    if (p->state == PATH_MTU_SEARCHING) {
        p->limit = (uint8_t)judge_limit(p);
        p->raise_at_us = p->mtu_bytes == OUTER_PACKET_MAX_BYTES ? NEVER : now_us + p->raise_next_us;
        p->raise_next_us *= RAISE_FACTOR;
        if (p->raise_next_us > p->raise_us)
            p->raise_next_us = p->raise_us;
    }
    p->state = PATH_MTU_FOUND;
    p->confirm_at_us = next_confirmation_us(p);
}

static void raise(struct path_mtu *p, uint64_t now_us)
{
    p->told_bytes = 0; /* whoever said it says it again */
    p->told_tried = false;
    search(p, OUTER_PACKET_MAX_BYTES + 1, now_us);
    add_size(p, p->mtu_bytes + 1u);
}

static void confirm(struct path_mtu *p, uint64_t now_us)
{
    p->state = PATH_MTU_CONFIRMING;
    p->size_count = 0;
    p->round_open = false;
    p->round_ends_us = now_us;
}

/* ---- rounds ---- */

static void lose_current(struct path_mtu *p, uint64_t now_us)
{
    p->doubted = ++p->current_lost_tries >= DOUBTED_TRIES;
    if (p->current_lost_tries < tries_needed(p))
        return;
    p->current_lost_tries = 0;
    if (p->mtu_bytes == p->base_bytes) {
        p->below_base = true;
        return;
    }
    p->black_holes++;
    p->told_tried = false;
    search_afresh(p, p->mtu_bytes, now_us);
}

/* What turns out to be carried measures the loss: tries that failed, and one that did not. */
static void sample_carried(struct path_mtu *p, unsigned lost_tries, bool answered)
{
    while (lost_tries-- > 0)
        sample(p, true);
    if (answered)
        sample(p, false);
}

static void judge_sizes(struct path_mtu *p)
{
    for (unsigned i = 0; i < p->size_count; i++) {
        struct path_mtu_size *size = &p->size[i];
        if (!size->answered)
            size->lost_tries++;
        if (size->bytes <= p->mtu_bytes)
            sample_carried(p, size->lost_tries, size->answered);
        else if (size->lost_tries >= tries_needed(p) && size->bytes < p->too_large_bytes)
            p->too_large_bytes = size->bytes;
    }
}

static void drop_settled(struct path_mtu *p)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < p->size_count; i++)
        if (p->size[i].bytes > p->mtu_bytes && p->size[i].bytes < p->too_large_bytes)
            p->size[kept++] = p->size[i];
    p->size_count = (uint8_t)kept;
}

static bool any_size_answered(const struct path_mtu *p)
{
    for (unsigned i = 0; i < p->size_count; i++)
        if (p->size[i].answered)
            return true;
    return false;
}

static void close_round(struct path_mtu *p, uint64_t now_us)
{
    bool current_answered = p->proved && p->proved_us >= p->round_began_us;

    p->round_open = false;
    if (!p->cut_short && p->silent_rounds < SILENT_SAMPLED)
        sample(p, !p->control_answered);
    if (!p->control_answered && !current_answered && !any_size_answered(p)) {
        if (p->silent_rounds < UINT8_MAX)
            p->silent_rounds++;
        return;
    }
    p->silent_rounds = 0;
    judge_sizes(p);
    drop_settled(p);
    if (p->current_probed && !current_answered)
        lose_current(p, now_us);
}

static uint64_t round_us(const struct path_mtu *p, int64_t rtt_us)
{
    uint64_t us = rtt_us < 0 ? ROUND_UNKNOWN_US : 2 * (uint64_t)rtt_us + ROUND_MIN_US / 2;
    if (us < ROUND_MIN_US)
        us = ROUND_MIN_US;
    if (us > ROUND_MAX_US)
        us = ROUND_MAX_US;
    us <<= p->silent_rounds < 6 ? p->silent_rounds : 6;
    return p->silent_rounds != 0 && us > ROUND_SILENT_US ? ROUND_SILENT_US : us;
}

static unsigned open_round(struct path_mtu *p, int64_t rtt_us, uint64_t now_us,
                           struct path_mtu_probe out[PATH_MTU_SIZES_MAX])
{
    unsigned count = 0;

    if (!p->begun)
        p->begun_us = now_us;
    p->begun = true;
    p->round++;
    p->round_open = true;
    p->control_answered = p->cut_short = false;
    p->round_began_us = now_us;
    p->round_ends_us = now_us + round_us(p, p->srtt_us < 0 ? rtt_us : p->srtt_us);
    p->current_probed =
        p->state == PATH_MTU_CONFIRMING || !p->proved || now_us - p->proved_us >= CONFIRM_BUSY_US;
    if (p->current_probed)
        out[count++].bytes = p->mtu_bytes;
    for (unsigned i = 0; i < p->size_count; i++) {
        p->size[i].answered = false;
        out[count++].bytes = p->size[i].bytes;
    }
    for (unsigned i = 0; i < count; i++)
        out[i].value = probe_value(p, out[i].bytes);
    return count;
}

/* A round is over, or none has begun: what next? */
static void advance(struct path_mtu *p, uint64_t now_us)
{
    if (p->round_open)
        close_round(p, now_us);
    if (p->state == PATH_MTU_SEARCHING) {
        choose_sizes(p);
        if (p->size_count == 0 && (p->proved || p->below_base))
            found(p, now_us);
    }
    if (p->state != PATH_MTU_FOUND)
        return;
    if (now_us >= p->raise_at_us)
        raise(p, now_us);
    else if (now_us >= p->confirm_at_us)
        confirm(p, now_us);
}

unsigned path_mtu_due(struct path_mtu *p, int64_t rtt_us, uint64_t now_us,
                      struct path_mtu_probe out[PATH_MTU_SIZES_MAX])
{
    if (now_us < path_mtu_deadline_us(p))
        return 0;
    advance(p, now_us);
    return p->state == PATH_MTU_FOUND ? 0 : open_round(p, rtt_us, now_us, out);
}

uint64_t path_mtu_deadline_us(const struct path_mtu *p)
{
    switch ((enum path_mtu_state)p->state) {
    case PATH_MTU_STOPPED:
    case PATH_MTU_FIXED:
        break;
    case PATH_MTU_SEARCHING:
    case PATH_MTU_CONFIRMING:
        return p->round_ends_us;
    case PATH_MTU_FOUND:
        return p->raise_at_us < p->confirm_at_us ? p->raise_at_us : p->confirm_at_us;
    }
    return NEVER;
}

/* ---- answers ---- */

static struct path_mtu_size *find_size(struct path_mtu *p, uint16_t bytes)
{
    for (unsigned i = 0; i < p->size_count; i++)
        if (p->size[i].bytes == bytes)
            return &p->size[i];
    return NULL;
}

static void prove(struct path_mtu *p, uint16_t bytes, uint64_t now_us)
{
    if (bytes == p->mtu_bytes)
        sample_carried(p, p->current_lost_tries, true);
    p->mtu_bytes = bytes;
    p->proved = true;
    p->doubted = false;
    if (p->state == PATH_MTU_CONFIRMING && p->told_bytes < bytes)
        p->told_bytes = 0; /* that was not so */
    p->proved_us = now_us;
    p->below_base = false;
    p->current_lost_tries = 0;
    p->large_sent = false;
}

/* Nothing is left to wait for in this round. */
static bool is_settled(const struct path_mtu *p)
{
    for (unsigned i = 0; i < p->size_count; i++)
        if (p->size[i].bytes > p->mtu_bytes)
            return false;
    return p->proved;
}

void path_mtu_answered(struct path_mtu *p, uint64_t value, uint64_t now_us)
{
    uint16_t bytes = (uint16_t)value;
    bool searching = p->state == PATH_MTU_SEARCHING || p->state == PATH_MTU_CONFIRMING;

    if (!path_mtu_is_probe(value) || (uint16_t)(value >> 32) != p->epoch ||
        (!searching && p->state != PATH_MTU_FOUND))
        return;
    struct path_mtu_size *size = find_size(p, bytes);
    if (bytes != p->mtu_bytes && !size)
        return; /* settled long ago: no reason to end this round */
    if (size && (uint16_t)(value >> 16) == p->round)
        size->answered = true;
    if (bytes == p->mtu_bytes || (size && bytes > p->mtu_bytes))
        prove(p, bytes, now_us);
    if (p->state == PATH_MTU_CONFIRMING && bytes == p->mtu_bytes) {
        p->round_open = false;
        p->silent_rounds = 0;
        found(p, now_us);
    } else if (p->state == PATH_MTU_FOUND) {
        p->confirm_at_us = next_confirmation_us(p);
    } else if (p->round_open && is_settled(p)) {
        p->cut_short = true;
        p->round_ends_us = now_us;
    }
}

void path_mtu_control(struct path_mtu *p, uint64_t sent_us, uint64_t now_us)
{
    int64_t rtt_us = (int64_t)(now_us - sent_us);
    if (now_us - sent_us > CONTROL_MAX_US) /* also when it is said to come from the future */
        return;
    p->srtt_us += p->srtt_us < 0 ? rtt_us - p->srtt_us : (rtt_us - p->srtt_us) / 8;
    if (p->round_open && sent_us == p->round_began_us)
        p->control_answered = true;
}

uint16_t path_mtu_usable_bytes(const struct path_mtu *p)
{
    if (!p->doubted)
        return p->mtu_bytes;
    return p->told_bytes != 0 && p->told_bytes < p->mtu_bytes ? p->told_bytes : p->base_bytes;
}

void path_mtu_sent(struct path_mtu *p, uint16_t bytes, uint64_t now_us)
{
    if (p->large_sent || bytes <= p->base_bytes)
        return;
    p->large_sent = true;
    if (p->state != PATH_MTU_FOUND)
        return;
    uint64_t at_us = next_confirmation_us(p);
    p->confirm_at_us = at_us > now_us ? at_us : now_us;
}

void path_mtu_hint(struct path_mtu *p, uint16_t bytes, bool by_kernel, uint64_t now_us)
{
    if (p->state == PATH_MTU_FIXED && bytes < p->mtu_bytes)
        p->told_bytes = bytes;
    if (p->state == PATH_MTU_STOPPED || p->state == PATH_MTU_FIXED)
        return;
    bool says_more = p->state != PATH_MTU_SEARCHING ||
                     ((p->told_bytes == 0 || bytes < p->told_bytes) && p->hints < HINTS_MAX);
    if (bytes >= p->base_bytes && says_more) {
        p->hints = (uint8_t)(p->hints + (p->state == PATH_MTU_SEARCHING));
        p->told_tried = false;
        p->told_bytes = bytes;
        p->told_by_kernel = by_kernel;
    }
    if (p->state == PATH_MTU_FOUND && bytes < p->mtu_bytes && p->mtu_bytes != p->base_bytes &&
        now_us - p->hinted_us >= HINT_EACH_US) {
        p->hinted_us = now_us;
        p->confirm_at_us = now_us;
        p->doubted = true;
    }
}
