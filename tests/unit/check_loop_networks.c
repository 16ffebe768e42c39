/* SPDX-License-Identifier: MIT
 *
 * check_loop_networks.c - the loop detector in whole networks, ten minutes of virtual time each.
 *
 * A world is sites, LAN segments and tunnels. It begins without a loop; at JOIN_US a cable joins
 * two LANs, or a tunnel comes up, and at PART_US that goes again. Probes travel with delay, jitter
 * and loss. An oracle floods a broadcast from each LAN through what is open and counts the copies
 * that arrive on each: never two, and one wherever tunnels and hubs lead. A loop that is not
 * stopped gives more, a network stopped too much gives none. When a cable or tunnel goes there are
 * never two, not even for a moment. After the networks below come some drawn at random.
 */
#include "frame/loop.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>

enum { SITES_MAX = 6, FLIGHTS_MAX = 16384, COPIES_MAX = 200, NO_PEER = 0xfffe };

static const uint64_t MS_US = 1000;
static const uint64_t SECOND_US = 1000000;
#define JOIN_US (UINT64_C(60) * 1000000)
#define PART_US (UINT64_C(360) * 1000000)
#define END_US  (UINT64_C(600) * 1000000)

/* A slow round and the way; for an echo, its time and a quick round as well. */
#define PROMPTLY_US UINT64_C(1200000)
#define ECHO_US     UINT64_C(3700000)
/* Silence, hold-down, and what was under way. */
#define WHOLE_US   UINT64_C(5300000)
#define SETTLED_US UINT64_C(5000000)

/* Sites are numbered by id, lowest first. What changes is a cable or a tunnel between two sites;
 * a cable from a site to itself is a loop within its LAN. */
struct network {
    const char *name;
    unsigned sites;
    unsigned hubs;       /* bit per site */
    const char *tunnels; /* pairs of digits */
    const char *cables;  /* pairs that are cabled all the time */
    char change;         /* 'c'able or 't'unnel */
    unsigned a, b;       /* between these */
    struct {
        unsigned ports; /* shut, bit per site */
        unsigned links; /* shut, how many */
    } before, joined;
    uint64_t stop_us; /* within this of the join, when no probe is lost */
};

static const struct network NETWORK[] = {
    {"two homes and a cable", 2, 0, "01", "", 'c', 0, 1, {0, 0}, {1, 0}, PROMPTLY_US},
    {"a switch plugged into itself", 2, 0, "01", "", 'c', 1, 1, {0, 0}, {2, 0}, PROMPTLY_US},
    {"mesh of four, two cabled", 4, 0, "010203121323", "", 'c', 1, 3, {0, 0}, {2, 0}, PROMPTLY_US},
    {"mesh, a third cabled", 4, 0, "010203121323", "12", 'c', 2, 3, {2, 0}, {6, 0}, PROMPTLY_US},
    {"two spokes of a hub cabled", 3, 2, "0112", "", 'c', 0, 2, {0, 0}, {1, 0}, PROMPTLY_US},
    {"a spoke cabled to its hub", 3, 2, "0112", "", 'c', 1, 2, {0, 0}, {2, 0}, PROMPTLY_US},
    {"two cabled pairs", 4, 0, "02", "0123", 't', 1, 3, {0, 0}, {1, 0}, PROMPTLY_US},
    {"two cabled pairs, meshed", 4, 0, "02031213", "01", 'c', 2, 3, {0, 2}, {1, 2}, ECHO_US},
    {"three hubs in a triangle", 3, 7, "0112", "", 't', 0, 2, {0, 0}, {0, 1}, PROMPTLY_US},
    {"four hubs, all meshed", 4, 15, "0102031213", "", 't', 2, 3, {0, 2}, {0, 3}, PROMPTLY_US},
    {"ring of five hubs", 5, 31, "01122334", "", 't', 4, 0, {0, 0}, {0, 1}, PROMPTLY_US},
    {"spoke on two peering hubs", 3, 3, "0212", "", 't', 0, 1, {0, 0}, {0, 1}, PROMPTLY_US},
    {"low spoke on two peering hubs", 3, 6, "0112", "", 't', 0, 2, {0, 0}, {0, 1}, PROMPTLY_US},
    {"hub triangle and a cable", 3, 7, "010212", "", 'c', 0, 1, {0, 1}, {1, 1}, PROMPTLY_US},
    {"two cabled, a third on both", 3, 0, "0212", "", 'c', 0, 1, {0, 0}, {0, 1}, ECHO_US},
};

struct site {
    struct loop loop;
    unsigned segment;
    bool hub, peer[SITES_MAX];
    bool hears_itself; /* its LAN is looped */
    unsigned changes;  /* shut or reopened here */
};

struct flight {
    uint64_t at_us;
    unsigned to;
    uint16_t from; /* LOOP_LAN or the sending site */
    uint8_t frame[LOOP_PROBE_BYTES];
};

struct world {
    unsigned sites;
    struct site site[SITES_MAX];
    struct flight flight[FLIGHTS_MAX];
    size_t flights;
    uint64_t now_us, start_us, looped_us;
    uint64_t drawn; /* state of the generator: the same numbers everywhere */
    unsigned loss_percent;
};

static unsigned draw(struct world *w, unsigned below)
{
    w->drawn = w->drawn * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(w->drawn >> 33) % below;
}

static void site_id(unsigned n, uint8_t id[LOOP_ID_BYTES])
{
    memset(id, 0, LOOP_ID_BYTES);
    id[3] = (uint8_t)(n + 1);
}

/* ---- the oracle ---- */

struct flood {
    const struct world *w;
    unsigned copies[SITES_MAX]; /* on each segment */
    unsigned total;
};

static void flood_lan(struct flood *f, unsigned segment, unsigned writer);

static bool tunnel_open(const struct world *w, unsigned a, unsigned b)
{
    return w->site[a].peer[b] && !loop_peer_shut(&w->site[a].loop, (uint16_t)b) &&
           !loop_peer_shut(&w->site[b].loop, (uint16_t)a);
}

static void flood_peers(struct flood *f, unsigned from, unsigned except)
{
    for (unsigned n = 0; n < f->w->sites && f->total < COPIES_MAX; n++) {
        if (n == except || !tunnel_open(f->w, from, n))
            continue;
        if (!loop_site_shut(&f->w->site[n].loop))
            flood_lan(f, f->w->site[n].segment, n);
        if (f->w->site[n].hub)
            flood_peers(f, n, from);
    }
}

static void flood_lan(struct flood *f, unsigned segment, unsigned writer)
{
    f->copies[segment]++;
    f->total++;
    for (unsigned n = 0; n < f->w->sites && f->total < COPIES_MAX; n++) {
        const struct site *s = &f->w->site[n];
        if (s->segment != segment || loop_site_shut(&s->loop))
            continue;
        if (n != writer || s->hears_itself)
            flood_peers(f, n, NO_PEER);
    }
}

/* Feed @site and, when it is a hub, all beyond it. */
static void feed(const struct world *w, unsigned site, bool *fed)
{
    if (fed[site])
        return;
    fed[site] = true;
    for (unsigned n = 0; w->site[site].hub && n < w->sites; n++)
        if (w->site[site].peer[n])
            feed(w, n, fed);
}

/* Whether two LANs are joined by design, through tunnels and hubs alone, with nothing shut. That
 * two homes without a tunnel meet through a third one's cable may be, but is not called for. A LAN
 * with a loop of its own is to be left alone. */
static bool belong_together(const struct world *w, unsigned from, unsigned to)
{
    bool fed[SITES_MAX] = {false};
    for (unsigned n = 0; n < w->sites; n++)
        for (unsigned p = 0; p < w->sites; p++)
            if (w->site[n].segment == from && !w->site[n].hears_itself && w->site[n].peer[p])
                feed(w, p, fed);
    for (unsigned n = 0; n < w->sites; n++)
        if (fed[n] && w->site[n].segment == to && !w->site[n].hears_itself)
            return true;
    return false;
}

enum { LOOPED = 1, CUT = 2 };

static unsigned ill(const struct world *w)
{
    unsigned how = 0;
    for (unsigned n = 0; n < w->sites; n++) {
        struct flood f = {.w = w};
        unsigned from = w->site[n].segment;
        flood_lan(&f, from, NO_PEER);
        for (unsigned to = 0; to < w->sites; to++) {
            bool due = to == from || belong_together(w, from, to);
            how |= f.copies[to] > 1 ? LOOPED : 0;
            how |= due && f.copies[to] == 0 ? CUT : 0;
        }
    }
    return how;
}

static unsigned ports_shut(const struct world *w)
{
    unsigned mask = 0;
    for (unsigned n = 0; n < w->sites; n++)
        mask |= (unsigned)loop_site_shut(&w->site[n].loop) << n;
    return mask;
}

static unsigned links_shut(const struct world *w)
{
    unsigned count = 0;
    for (unsigned n = 0; n < w->sites; n++)
        for (unsigned p = 0; p < w->sites; p++)
            count += loop_peer_shut(&w->site[n].loop, (uint16_t)p);
    return count;
}

static unsigned changes(const struct world *w)
{
    unsigned count = 0;
    for (unsigned n = 0; n < w->sites; n++)
        count += w->site[n].changes;
    return count;
}

/* ---- probes on their way ---- */

static void fly(struct world *w, unsigned to, uint16_t from, const uint8_t *frame)
{
    if (draw(w, 100) < w->loss_percent)
        return;
    ck_assert_msg(w->flights < FLIGHTS_MAX, "a storm of probes");
    struct flight *f = &w->flight[w->flights++];
    uint64_t delay_us = from == LOOP_LAN ? MS_US : (20 + draw(w, 30)) * MS_US;
    *f = (struct flight){.at_us = w->now_us + delay_us, .to = to, .from = from};
    memcpy(f->frame, frame, sizeof f->frame);
}

static void write_lan(struct world *w, unsigned writer, const uint8_t *frame)
{
    const struct site *s = &w->site[writer];
    for (unsigned n = 0; n < w->sites; n++)
        if (w->site[n].segment == s->segment && (n != writer || s->hears_itself))
            fly(w, n, LOOP_LAN, frame);
}

static void note(struct site *s, const struct loop_event *event)
{
    s->changes += event->kind != LOOP_NONE && event->shut_here;
}

static void arrive(struct world *w, struct flight *f)
{
    struct site *s = &w->site[f->to];
    uint8_t id[LOOP_ID_BYTES], out[LOOP_PROBE_BYTES];
    size_t out_bytes;
    bool to_lan;
    struct loop_event event;
    struct packet p = {
        .frame = f->frame, .frame_bytes = sizeof f->frame, .ether_type = ETHER_TYPE_LOOP};
    memcpy(p.destination.octet, f->frame, 6);
    ck_assert(loop_is_probe(&p));
    if (f->from != LOOP_LAN && !s->peer[f->from])
        return;
    site_id(f->from, id);
    if (loop_receive(&s->loop, &p, f->from, f->from == LOOP_LAN ? NULL : id, out, sizeof out,
                     &out_bytes, &to_lan, &event, w->now_us) == LOOP_FORWARD) {
        if (to_lan)
            write_lan(w, f->to, f->frame);
        for (unsigned n = 0; out_bytes != 0 && n < w->sites; n++)
            if (s->peer[n] && n != f->from) {
                uint8_t addressed[LOOP_PROBE_BYTES];
                loop_address(&s->loop, out, (uint16_t)n, addressed, w->now_us);
                fly(w, n, (uint16_t)f->to, addressed);
            }
    }
    note(s, &event);
}

static void run_site(struct world *w, unsigned n)
{
    struct site *s = &w->site[n];
    struct loop_event event;
    uint8_t frame[LOOP_PROBE_BYTES];
    do {
        loop_tick(&s->loop, w->now_us, &event);
        note(s, &event);
    } while (event.kind != LOOP_NONE);
    if (!loop_due(&s->loop, w->now_us))
        return;
    loop_build(&s->loop, LOOP_LAN, frame, sizeof frame, w->now_us);
    write_lan(w, n, frame);
    for (unsigned p = 0; p < w->sites; p++)
        if (s->peer[p]) {
            loop_build(&s->loop, (uint16_t)p, frame, sizeof frame, w->now_us);
            fly(w, p, (uint16_t)n, frame);
        }
    loop_sent(&s->loop, w->now_us);
}

/* Run until @until_us after the start: to each next deadline or arrival. */
static void run(struct world *w, uint64_t until_us)
{
    for (;;) {
        uint64_t next_us = w->start_us + until_us;
        for (unsigned n = 0; n < w->sites; n++)
            if (loop_deadline_us(&w->site[n].loop) < next_us)
                next_us = loop_deadline_us(&w->site[n].loop);
        for (size_t i = 0; i < w->flights; i++)
            if (w->flight[i].at_us < next_us)
                next_us = w->flight[i].at_us;
        if (next_us > w->now_us)
            w->now_us = next_us;
        if (w->now_us >= w->start_us + until_us)
            return;
        for (unsigned n = 0; n < w->sites; n++)
            run_site(w, n);
        for (size_t i = 0; i < w->flights;)
            if (w->flight[i].at_us <= w->now_us) {
                struct flight f = w->flight[i];
                w->flight[i] = w->flight[--w->flights];
                arrive(w, &f);
            } else {
                i++;
            }
    }
}

/* ---- building ---- */

static void set_tunnel(struct world *w, unsigned a, unsigned b, bool up)
{
    w->site[a].peer[b] = w->site[b].peer[a] = up;
    if (!up) {
        loop_peer_gone(&w->site[a].loop, (uint16_t)b, w->now_us);
        loop_peer_gone(&w->site[b].loop, (uint16_t)a, w->now_us);
    }
    loop_link_changed(&w->site[a].loop, w->now_us);
    loop_link_changed(&w->site[b].loop, w->now_us);
}

/* Nobody tells the sites of a cable somewhere in their LANs. */
static void set_cable(struct world *w, unsigned a, unsigned b, bool in)
{
    if (a == b)
        w->site[a].hears_itself = in;
    else
        w->site[b].segment = in ? w->site[a].segment : b;
}

static void set_change(struct world *w, const struct network *net, bool in)
{
    if (net->change == 'c')
        set_cable(w, net->a, net->b, in);
    else
        set_tunnel(w, net->a, net->b, in);
}

static struct world *build(const struct network *net, unsigned seed, unsigned loss_percent)
{
    struct world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    w->drawn = seed;
    w->loss_percent = loss_percent;
    w->sites = net->sites;
    w->start_us = w->now_us = draw(w, 1000000);
    for (unsigned n = 0; n < net->sites; n++) {
        uint8_t id[LOOP_ID_BYTES], secret[LOOP_SECRET_BYTES] = {(uint8_t)n};
        struct mac mac = {{0xfe, 0, 0, 0, 0, (uint8_t)n}};
        struct site *s = &w->site[n];
        *s = (struct site){.segment = n, .hub = (net->hubs >> n & 1) != 0};
        site_id(n, id);
        loop_init(&s->loop, id, s->hub, secret, &mac, w->now_us + draw(w, 500) * MS_US);
    }
    for (const char *t = net->tunnels; *t; t += 2)
        set_tunnel(w, (unsigned)(t[0] - '0'), (unsigned)(t[1] - '0'), true);
    for (const char *c = net->cables; *c; c += 2)
        set_cable(w, (unsigned)(c[0] - '0'), (unsigned)(c[1] - '0'), true);
    return w;
}

/* ---- ten minutes ---- */

/* Healthy, shut just so, and without any change meanwhile. */
static void stays(struct world *w, const struct network *net, uint64_t from_us, uint64_t until_us,
                  unsigned ports, unsigned links)
{
    run(w, from_us);
    unsigned at_first = changes(w);
    for (uint64_t at_us = from_us; at_us < until_us; at_us += SECOND_US / 2) {
        run(w, at_us);
        ck_assert_msg(ill(w) == 0 && ports_shut(w) == ports && links_shut(w) == links &&
                          changes(w) == at_first,
                      "%s: at %.1f s, loss %u%%: ill %u, ports %x (%x), links %u (%u), %u changes",
                      net->name, (double)at_us / 1e6, w->loss_percent, ill(w), ports_shut(w), ports,
                      links_shut(w), links, changes(w) - at_first);
    }
}

/* How long until the network is healthy and stays so: a moment between two changes does not count.
 * For how long of this it was looped is in looped_us. With @hints, the LANs' hosts talk while it is
 * ill, and their addresses flap. */
static uint64_t heal(struct world *w, const struct network *net, uint64_t from_us, bool hints)
{
    uint64_t at_us = from_us, healed_us = from_us;
    w->looped_us = 0;
    run(w, from_us);
    while (at_us - healed_us < SETTLED_US && at_us - from_us < 60 * SECOND_US) {
        if (hints && healed_us == at_us) {
            loop_hint(&w->site[net->a].loop, w->now_us);
            loop_hint(&w->site[net->b].loop, w->now_us);
        }
        unsigned how = ill(w);
        at_us += 10 * MS_US;
        run(w, at_us);
        if (how & LOOPED)
            w->looped_us += 10 * MS_US;
        if (how)
            healed_us = at_us;
    }
    return healed_us - from_us;
}

static void go_again(struct world *w, const struct network *net)
{
    uint64_t whole_us = w->loss_percent ? 4 * WHOLE_US : WHOLE_US;
    set_change(w, net, false);
    uint64_t took_us = heal(w, net, w->now_us - w->start_us, false);
    ck_assert_msg(took_us <= whole_us, "%s: whole again after %.2f s, loss %u%%", net->name,
                  (double)took_us / 1e6, w->loss_percent);
    ck_assert_msg(w->looped_us == 0, "%s: looped for %.2f s once there was no loop, loss %u%%",
                  net->name, (double)w->looped_us / 1e6, w->loss_percent);
}

static void ten_minutes(const struct network *net, unsigned seed, unsigned loss_percent, bool hints)
{
    struct world *w = build(net, seed, loss_percent);
    uint64_t stop_us = hints ? 300 * MS_US : net->stop_us * (loss_percent ? 4 : 1);
    stays(w, net, 30 * SECOND_US, JOIN_US, net->before.ports, net->before.links);

    set_change(w, net, true);
    ck_assert_msg(ill(w) & LOOPED, "%s: no loop to be found", net->name);
    uint64_t took_us = heal(w, net, JOIN_US, hints);
    ck_assert_msg(took_us <= stop_us, "%s: stopped after %.2f s, loss %u%%", net->name,
                  (double)took_us / 1e6, loss_percent);
    stays(w, net, JOIN_US + 30 * SECOND_US, PART_US, net->joined.ports, net->joined.links);

    run(w, PART_US);
    go_again(w, net);
    stays(w, net, PART_US + 60 * SECOND_US, END_US, net->before.ports, net->before.links);
    free(w);
}

enum { NETWORKS = sizeof NETWORK / sizeof NETWORK[0], SEEDS_LONG = 5, RANDOM_RUNS = 3 };

/* Each is ten minutes of a whole network: with sanitizers a second or two. */
static unsigned seeds(void)
{
    return getenv("LANSPLICE_LONG") ? SEEDS_LONG : 1;
}

START_TEST(stops_each_loop_once_and_recovers)
{
    for (unsigned seed = 1; seed <= seeds(); seed++)
        ten_minutes(&NETWORK[_i], seed, 0, false);
}
END_TEST

START_TEST(does_so_with_a_tenth_of_all_probes_lost)
{
    for (unsigned seed = 1; seed <= seeds(); seed++)
        ten_minutes(&NETWORK[_i], seed, 10, false);
}
END_TEST

/* Nobody waits for the next second when addresses flap; echoes only take their time. */
START_TEST(stops_a_cable_at_once_when_addresses_flap)
{
    const struct network *net = &NETWORK[_i];
    if (net->change == 'c' && net->stop_us == PROMPTLY_US)
        ten_minutes(net, 1, 0, true);
}
END_TEST

/* ---- networks drawn at random ---- */

struct sketch {
    struct network net;
    char tunnels[SITES_MAX * SITES_MAX], cables[2 * SITES_MAX];
    unsigned lan[SITES_MAX]; /* the lowest site that each is cabled to */
};

static void sketch_pair(char *pairs, unsigned a, unsigned b)
{
    size_t at = strlen(pairs);
    pairs[at] = (char)('0' + a);
    pairs[at + 1] = (char)('0' + b);
    pairs[at + 2] = '\0';
}

static void sketch_network(struct sketch *s, struct world *dice)
{
    unsigned sites = 3 + draw(dice, 3), density = 40 + draw(dice, 61);
    *s = (struct sketch){.net = {.name = "random", .sites = sites}};
    s->net.hubs = draw(dice, 2) ? 0 : draw(dice, 1u << sites);
    for (unsigned b = 0; b < sites; b++) {
        for (unsigned a = 0; a < b; a++)
            if (draw(dice, 100) < density)
                sketch_pair(s->tunnels, a, b);
        s->lan[b] = b > 0 && draw(dice, 4) == 0 ? s->lan[draw(dice, b)] : b;
        if (s->lan[b] != b)
            sketch_pair(s->cables, s->lan[b], b);
    }
    s->net.tunnels = s->tunnels;
    s->net.cables = s->cables;
}

/* A cable from a LAN to a site that has none yet, or a tunnel that is not there. */
static bool sketch_change(struct sketch *s, struct world *dice)
{
    unsigned a = draw(dice, s->net.sites), b = draw(dice, s->net.sites);
    s->net.change = draw(dice, 3) ? 'c' : 't';
    s->net.a = a < b ? a : b;
    s->net.b = a < b ? b : a;
    if (a == b)
        return false;
    for (const char *t = s->tunnels; s->net.change == 't' && *t; t += 2)
        if ((unsigned)(t[0] - '0') == s->net.a && (unsigned)(t[1] - '0') == s->net.b)
            return false;
    for (unsigned n = 0; s->net.change == 'c' && n < s->net.sites; n++)
        if (n == s->net.b ? s->lan[n] != n : s->lan[n] == s->net.b)
            return false;
    s->net.a = s->net.change == 'c' ? s->lan[s->net.a] : s->net.a;
    return true;
}

/* Whether it was one that can be healthy: homes that meet only at one that is shut cannot, nor can
 * those that peer past a hub that they share. */
static bool outlives_a_change(const struct network *net, unsigned seed)
{
    struct world *w = build(net, seed, 0);
    run(w, 50 * SECOND_US);
    bool sound = ill(w) == 0;
    set_change(w, net, true);
    run(w, 120 * SECOND_US + draw(w, 5000) * MS_US);
    sound = sound && ill(w) == 0;
    if (sound)
        go_again(w, net);
    free(w);
    return sound;
}

START_TEST(no_network_is_looped_by_what_goes)
{
    enum { DRAWN = 30, SOUND_LEAST = 10 };
    static struct world dice;
    struct sketch s;
    unsigned sound = 0;
    dice.drawn = (uint64_t)_i;
    for (unsigned n = 0; n < DRAWN; n++) {
        do
            sketch_network(&s, &dice);
        while (!sketch_change(&s, &dice));
        sound += outlives_a_change(&s.net, n);
    }
    ck_assert_uint_ge(sound, SOUND_LEAST);
}
END_TEST

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    Suite *suite = suite_create("loop networks");
    TCase *networks = tcase_create("networks");
    tcase_set_timeout(networks, 60);
    tcase_add_loop_test(networks, stops_each_loop_once_and_recovers, 0, NETWORKS);
    tcase_add_loop_test(networks, does_so_with_a_tenth_of_all_probes_lost, 0, NETWORKS);
    tcase_add_loop_test(networks, stops_a_cable_at_once_when_addresses_flap, 0, NETWORKS);
    tcase_add_loop_test(networks, no_network_is_looped_by_what_goes, 0, RANDOM_RUNS);
    suite_add_tcase(suite, networks);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
