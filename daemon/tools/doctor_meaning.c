/* SPDX-License-Identifier: MIT
 *
 * doctor_meaning.c - see doctor_meaning.h. What is subtracted from Ethernet's 1500: PPPoE 8, and 46
 * on NTT's NGN (L2TP in the provider's network); IPv4 around it 20, IPv6 40, GRE 4 more; WireGuard
 * 60 over IPv4 and, as it does not know, 80 by default.
 */
#include "doctor_meaning.h"

#include <stddef.h>

#define MAP_E_ADVICE                                                                               \
    "if a home has MAP-E or DS-Lite on OpenWrt: that takes 1280 unless told otherwise: add "       \
    "'option mtu 1460' to that interface in /etc/config/network (1414 over PPPoE on the NGN) and " \
    "restart it"

static const struct number {
    uint16_t mtu_bytes;
    uint8_t family; /* IP_NONE: either */
    const char *what, *advice;
} numbers[] = {
    {1500, IP_NONE, "plain Ethernet or IPoE: no size is lost on the way", NULL},
    {1492, IP_NONE, "PPPoE", NULL},
    {1480, IP_V4, "IPv4 in IPv4 (IPIP)", NULL},
    {1480, IP_V6, "IPv6 in IPv4 (6in4, 6rd)", NULL},
    {1476, IP_NONE, "a GRE tunnel", NULL},
    {1472, IP_V4, "IPv4 in IPv4 (IPIP) over PPPoE", NULL},
    {1472, IP_V6, "IPv6 in IPv4 (6in4, 6rd) over PPPoE", NULL},
    {1468, IP_NONE, "a GRE tunnel over PPPoE", NULL},
    {1464, IP_NONE, "PPP in a provider's tunnel (L2TP)", NULL},
    {1460, IP_V4, "IPv4 in IPv6 (MAP-E, DS-Lite or another such tunnel)", NULL},
    {1460, IP_V6, "a tunnel over IPv6, or PPP in a provider's tunnel (L2TP)", NULL},
    {1454, IP_NONE, "PPPoE on NTT's NGN (FLET'S)", NULL},
    {1452, IP_V4, "IPv4 in IPv6 (MAP-E, DS-Lite or another such tunnel) over PPPoE", NULL},
    {1440, IP_NONE, "WireGuard over IPv4", NULL},
    {1432, IP_NONE, "WireGuard over IPv4 over PPPoE", NULL},
    {1430, IP_NONE, "a mobile network", NULL},
    {1428, IP_NONE, "a mobile network", NULL},
    {1420, IP_NONE, "WireGuard as it is by default", NULL},
    {1414, IP_V4, "IPv4 in IPv6 (MAP-E, DS-Lite) over PPPoE on NTT's NGN", NULL},
    {1412, IP_NONE, "WireGuard over PPPoE", NULL},
    {1400, IP_NONE, "a mobile network, a tethered phone or a VPN", NULL},
    {1358, IP_NONE, "a mobile network", NULL},
    {1280, IP_V4, "MAP-E as OpenWrt makes it by default, a mobile network or a tunnel in a tunnel",
     MAP_E_ADVICE},
    {1280, IP_V6, "a cautious router, an IPv6 tunnel or a mobile network: IPv6 allows no less",
     "if a router or tunnel of your own is set to 1280: 1480 is right for IPv6 in IPv4, 1492 for "
     "PPPoE, 1454 for PPPoE on the NGN"},
};

/* Of a number that nothing is known for. */
static const char *size_class(unsigned mtu_bytes)
{
    if (mtu_bytes > 1500)
        return "a network of jumbo frames";
    if (mtu_bytes > 1400)
        return "a tunnel or PPPoE of some kind";
    if (mtu_bytes > 1280)
        return "a mobile network, or tunnels in tunnels";
    return "a mobile network, or tunnels in tunnels: IPv6 does not allow so little";
}

struct path_meaning path_meaning(enum ip_family family, unsigned mtu_bytes)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].mtu_bytes == mtu_bytes &&
            (numbers[i].family == IP_NONE || numbers[i].family == family))
            return (struct path_meaning){numbers[i].what, numbers[i].advice};
    return (struct path_meaning){size_class(mtu_bytes), NULL};
}
