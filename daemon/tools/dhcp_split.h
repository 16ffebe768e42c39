/* SPDX-License-Identifier: MIT
 *
 * dhcp_split.h - a subnet that several homes share, divided among their DHCP servers.
 */
#ifndef DHCP_SPLIT_H
#define DHCP_SPLIT_H

#include "dhcp_pools.h"

/**
 * dhcp_split() - One home's range: equal shares, of round numbers where there is room, that leave
 * the subnet's first and last addresses to what is set by hand
 * @prefix: Of IPv4, the one all homes are in
 * @homes: How many; @n: which of them, from 0. Homes that agree on the order get disjoint ranges
 * @fixed: Addresses not to be given out: the routers'. The larger part beside each is taken
 *
 * Return: false when nothing is left
 */
bool dhcp_split(const struct ip_prefix *prefix, unsigned homes, unsigned n,
                const struct ip_address *fixed, size_t fixed_count, struct dhcp_pool *out);

/** dhcp_pool_host() - An address' number in its subnet, as OpenWrt's 'start' */
uint32_t dhcp_pool_host(const struct ip_prefix *prefix, const struct ip_address *address);

#endif
