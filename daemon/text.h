/* SPDX-License-Identifier: MIT
 *
 * text.h - addresses as people read them, and what others wrote made fit to be read.
 *
 * Each function with an @out writes into it and returns it, so that it can stand in a printf's
 * arguments.
 */
#ifndef TEXT_H
#define TEXT_H

#include "address.h"

enum {
    TEXT_ADDRESS_SIZE = 48,
    TEXT_PREFIX_SIZE = 56,
    TEXT_ENDPOINT_SIZE = 80, /* [address%interface]:port */
    TEXT_MAC_SIZE = 18,
};

/** text_address() - "192.0.2.1", "2001:db8::1"; "-" when there is none */
const char *text_address(const struct ip_address *address, char out[TEXT_ADDRESS_SIZE]);

/** text_prefix() - "192.0.2.0/24" */
const char *text_prefix(const struct ip_prefix *prefix, char out[TEXT_PREFIX_SIZE]);

/** text_endpoint() - "192.0.2.1:7788", "[fe80::1%eth0]:7788"; "-" when there is none */
const char *text_endpoint(const struct endpoint *endpoint, char out[TEXT_ENDPOINT_SIZE]);

/** text_mac() - "fe:00:5e:00:53:01" */
const char *text_mac(const struct mac *mac, char out[TEXT_MAC_SIZE]);

/** text_tidy() - One line that no terminal obeys: control characters become '?', line ends ' ' */
void text_tidy(char *text);

#endif
