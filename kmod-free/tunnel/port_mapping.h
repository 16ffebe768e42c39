/* SPDX-License-Identifier: MIT
 *
 * port_mapping.h - ask the home's gateway for a port of its own that leads to ours: PCP's MAP
 * (RFC 6887), or NAT-PMP (RFC 6886) from a gateway that knows only that.
 *
 * One struct asks one gateway, in one address family, for one UDP port. For IPv4 the answer is an
 * address and port of the gateway's; for IPv6 it is a pinhole in its firewall, usually for the
 * address and port we have, and NAT-PMP does not exist.
 *
 *            nothing answers, or 'unsupported'          nothing answers
 *     PCP ----------------------------------> NAT-PMP -----------------> SILENT (PCP again later)
 *      |                                         |
 *      +------------------+----------------------+
 *      v granted          v granted              v refused (again after the time that it named)
 *     MAPPED           MAPPED                 REFUSED
 *
 * A request is sent at 0, 250, 750 and 1750 ms and waits for its answer until 3750 ms: RFC 6887's
 * 3 s are meant for networks larger than a home, and RFC 6886 begins with 250 ms. Silent gateways
 * are asked again after 8 s, 16 s, ... 1024 s (RFC 6887 s.8.1.1). Both protocols live on one UDP
 * port, so an ICMP error that nobody is there ends the asking for both at once.
 *
 * A mapping is renewed after half of its lifetime, and what is not answered then after half of
 * what is left. In between the gateway may have been restarted, and tell so: an announcement
 * (RFC 6887 s.14.1, RFC 6886 s.3.2.1), or an epoch that is not where it ought to be (RFC 6887
 * s.8.5), has the mapping asked for anew.
 *
 * Who may answer. Only the gateway's address and port count, and of PCP's answers only those that
 * bear our nonce; all others are dropped.
 *
 * The owner sends what port_mapping_due() writes to the gateway from the address that was given as
 * ours: a PCP server compares the two.
 */
#ifndef TUNNEL_PORT_MAPPING_H
#define TUNNEL_PORT_MAPPING_H

#include "address.h"

#include <stddef.h>

enum {
    PORT_MAPPING_SERVER_PORT = 5351,
    PORT_MAPPING_ANNOUNCE_PORT = 5350, /* here gateways announce, to 224.0.0.1 and ff02::1 */
    PORT_MAPPING_REQUEST_MAX = 60,
    PORT_MAPPING_NONCE_BYTES = 12,
};

enum port_mapping_state {
    PORT_MAPPING_ASKING,
    PORT_MAPPING_MAPPED,  /* maybe being renewed */
    PORT_MAPPING_REFUSED, /* port_mapping_problem() says why */
    PORT_MAPPING_SILENT,  /* neither protocol is answered; asked again from time to time */
};

/* What is asked next, or was asked last. */
enum port_mapping_step {
    PORT_MAPPING_PCP,
    PORT_MAPPING_NAT_PMP_ADDRESS, /* NAT-PMP asks for the address and for the port apart */
    PORT_MAPPING_NAT_PMP_PORT,
};

struct port_mapping_settings {
    struct endpoint gateway;  /* port PORT_MAPPING_SERVER_PORT */
    struct ip_address source; /* ours, in the gateway's family */
    uint16_t port;            /* the UDP port that is to be reached */
    uint8_t nonce[PORT_MAPPING_NONCE_BYTES];
};

struct port_mapping {
    struct port_mapping_settings settings;
    uint8_t state; /* enum port_mapping_state */
    uint8_t step;  /* enum port_mapping_step */
    bool asking;   /* a request is out, and next_us is when it is repeated or given up */
    uint8_t tries;
    uint64_t asked_us;  /* when the last request went out */
    uint64_t next_us;   /* when port_mapping_due() has something to do */
    uint64_t silent_us; /* how long to wait after the next silence */

    /* While MAPPED. */
    uint8_t granted; /* enum port_mapping_step: who granted it */
    struct endpoint external;
    uint64_t expires_us;

    struct ip_address address; /* NAT-PMP's first answer */
    uint16_t result;           /* the result code it was refused with */

    bool epoch_known;
    uint32_t epoch_s;        /* the gateway's, ... */
    uint64_t epoch_heard_us; /* ... and when we heard it */

    uint32_t epochs_broken; /* restarts of the gateway that we noticed */
};

/**
 * port_mapping_begin() - Begin to ask; forgets all that was before
 * @settings: Copied. The nonce is random to others, but should be the same when this machine asks
 *            the same gateway again: to another nonce a PCP server refuses what it has granted
 */
void port_mapping_begin(struct port_mapping *p, const struct port_mapping_settings *settings,
                        uint64_t now_us);

/**
 * port_mapping_due() - Do what is due now
 * @out: Receives a request, to be sent to settings.gateway
 *
 * Return: its bytes; 0: nothing is to be sent
 */
size_t port_mapping_due(struct port_mapping *p, uint64_t now_us,
                        uint8_t out[PORT_MAPPING_REQUEST_MAX]);

/** port_mapping_deadline_us() - When port_mapping_due() is to be called next */
uint64_t port_mapping_deadline_us(const struct port_mapping *p);

/**
 * port_mapping_receive() - A datagram came to where we ask from, or an announcement
 *
 * Return: whether it was the gateway's and understood
 */
bool port_mapping_receive(struct port_mapping *p, const struct endpoint *from, const uint8_t *data,
                          size_t bytes, uint64_t now_us);

/** port_mapping_renew() - The gateway may have restarted: ask anew, once in four seconds at most */
void port_mapping_renew(struct port_mapping *p, uint64_t now_us);

/** port_mapping_unreachable() - ICMP says that nobody listens at the gateway */
void port_mapping_unreachable(struct port_mapping *p, uint64_t now_us);

/**
 * port_mapping_release() - Give back what was granted, or may have been
 * @out: Receives a request, to be sent once; its answer is of no interest
 *
 * Return: its bytes; 0: there is nothing to give back. Nothing is due any more
 */
size_t port_mapping_release(struct port_mapping *p, uint8_t out[PORT_MAPPING_REQUEST_MAX]);

/** port_mapping_protocol() - "pcp" or "nat-pmp": who granted it, or is being asked */
const char *port_mapping_protocol(const struct port_mapping *p);

/** port_mapping_problem() - Why there is no mapping of use, in words; NULL: there is one, or
 * asking is not over */
const char *port_mapping_problem(const struct port_mapping *p);

#endif
