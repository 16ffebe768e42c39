/* SPDX-License-Identifier: MIT
 *
 * announcing.c - tell the LAN that the peers' IPv6 prefixes are on this link (ipv6-on-link).
 *
 * Each home keeps its own /64. Without this a device would send what is for the other home's /64
 * to its own router, which cannot deliver it. A router advertisement with router lifetime 0 and
 * the peers' prefixes on-link, not autonomous (RFC 4861 s.6.3.4), makes the devices ask for the
 * neighbour instead, and the question crosses the tunnel. It is sent on change, on a router
 * solicitation (at most every 3 s, RFC 4861 s.6.2.6) and every 200 s. A prefix that is no longer
 * there, or whose peer has been down for a minute, is announced once more with lifetime 0: devices
 * then send to their router again, which may know another way.
 *
 * Only /64s and longer are announced: that is what a LAN has, and a peer that claims more of the
 * Internet to be on its LAN is not believed.
 */
#include "site/private.h"

#include "frame/ra.h"

#define ANNOUNCE_EVERY_US UINT64_C(200000000)
#define ANNOUNCE_MIN_US   UINT64_C(3000000)

#define ANNOUNCE_CHANGE_US UINT64_C(1000000) /* a peer may change its mind all the time */
#define DOWN_FOR_US        UINT64_C(60000000)

enum { VALID_LIFETIME_S = 1800, PREFIX_MIN_BITS = 64 };

static bool is_of_a_lan(const struct ip_prefix *prefix)
{
    return prefix->address.family == IP_V6 && prefix->length_bits >= PREFIX_MIN_BITS &&
           !ip_is_link_local(&prefix->address);
}

static bool is_gone(const struct site *site, const struct peer *peer)
{
    return !peer->up && site->now_us - peer->down_us >= DOWN_FOR_US;
}

static bool listed(const struct ip_prefix *list, size_t count, const struct ip_prefix *prefix)
{
    for (size_t i = 0; i < count; i++)
        if (ip_prefix_equal(&list[i], prefix))
            return true;
    return false;
}

/* The peers' prefixes that this LAN does not have itself. */
static uint8_t collect(struct site *site, struct ip_prefix *out)
{
    uint8_t count = 0;
    for_each_peer(site, peer) for (unsigned i = 0; i < peer->remote.prefix_count; i++)
    {
        const struct ip_prefix *prefix = &peer->remote.prefix[i];
        if (count < ANNOUNCED_MAX && is_of_a_lan(prefix) && !is_gone(site, peer) &&
            !listed(site->lan.prefix, site->lan.prefix_count, prefix) &&
            !listed(out, count, prefix))
            out[count++] = *prefix;
    }
    return count;
}

static void announce(struct site *site, const struct ip_prefix *prefixes, size_t count,
                     uint32_t valid_lifetime_s)
{
    uint8_t frame[1514];
    size_t bytes =
        ra_on_link(frame, sizeof frame, &site->lan.tap_mac, prefixes, count, valid_lifetime_s);
    if (bytes != 0)
        site_deliver_frame(site, frame, bytes);
}

static void withdraw(struct site *site, const struct ip_prefix *now, uint8_t now_count)
{
    struct ip_prefix gone[ANNOUNCED_MAX];
    uint8_t count = 0;
    for (unsigned i = 0; i < site->announced_count; i++)
        if (!listed(now, now_count, &site->announced[i]) &&
            !listed(site->lan.prefix, site->lan.prefix_count, &site->announced[i]))
            gone[count++] = site->announced[i];
    announce(site, gone, count, 0);
}

static void announce_now(struct site *site)
{
    struct ip_prefix prefixes[ANNOUNCED_MAX] = {0};
    uint8_t count = site->config.ipv6_on_link ? collect(site, prefixes) : 0;
    withdraw(site, prefixes, count);
    announce(site, prefixes, count, VALID_LIFETIME_S);
    for (unsigned i = 0; i < count; i++)
        site->announced[i] = prefixes[i];
    site->announced_count = count;
    site->announced_us = site->now_us;
    site->announce_next_us = count != 0 ? site->now_us + ANNOUNCE_EVERY_US : UINT64_MAX;
}

void site_announce_end(struct site *site)
{
    static const struct ip_prefix none;
    withdraw(site, &none, 0);
    site->announced_count = 0;
}

void site_announce_changed(struct site *site)
{
    uint64_t at = site->announced_us + ANNOUNCE_CHANGE_US;
    site->announce_next_us = site->announced_us != 0 && at > site->now_us ? at : site->now_us;
}

void site_announce_peer_down(struct site *site)
{
    if (site->now_us + DOWN_FOR_US < site->announce_next_us)
        site->announce_next_us = site->now_us + DOWN_FOR_US;
}

void site_announce_solicited(struct site *site)
{
    uint64_t at = site->announced_us + ANNOUNCE_MIN_US;
    if (site->announced_count != 0 && at < site->announce_next_us)
        site->announce_next_us = at;
}

void site_announce_tick(struct site *site)
{
    if (site->now_us >= site->announce_next_us)
        announce_now(site);
}
