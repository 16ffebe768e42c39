/* SPDX-License-Identifier: MIT
 *
 * dhcp_pools.h - the addresses that dnsmasq or ISC's dhcpd on this machine gives out, read from its
 * files: on OpenWrt those that its service makes of UCI, elsewhere what people wrote.
 */
#ifndef DHCP_POOLS_H
#define DHCP_POOLS_H

#include "address.h"

#include <stddef.h>

/* Both ends included. */
struct dhcp_pool {
    struct ip_address first, last;
};

/**
 * dhcp_pools_read() - All dhcp-range of IPv4
 * @patterns: Of the files, as glob(7), with blanks between
 *
 * What is not there, not readable or not understood is passed over.
 *
 * Return: how many of @out are used
 */
size_t dhcp_pools_read(const char *patterns, struct dhcp_pool *out, size_t capacity);

/** dhcp_pool_has() - Whether that address may be given out */
bool dhcp_pool_has(const struct dhcp_pool *pool, const struct ip_address *address);

#endif
