/* SPDX-License-Identifier: MIT
 *
 * firewall.h - whether nftables' rules are sure to drop a packet: the first UDP packet of a
 * stranger to our port, or a bridged one.
 *
 * The rules are followed as the kernel would, but for what cannot be known here: the sender, sets,
 * limits, extensions of iptables. Such a match may hold or not: then a rule that accepts counts,
 * and one that drops does not. So nothing is said of a firewall that is not understood, and what is
 * said is so.
 */
#ifndef FIREWALL_H
#define FIREWALL_H

#include <stdbool.h>

struct json_object;

struct firewall_packet {
    const char *hook;   /* "input" or "forward" */
    const char *family; /* "ip" or "ip6" */
    const char *in;     /* the interface it comes in by; NULL: not known */
    const char *out;    /* and leaves by; NULL: none, or not known */
    unsigned port;      /* of UDP, its destination; 0: any protocol and port */
};

/* Where it ends; the strings are the ruleset's. */
struct firewall_chain {
    const char *family, *table, *name;
};

/** firewall_rules() - What `nft -j list ruleset` says, the caller's to release; NULL: there is no
 *  nft, or it may not be asked */
struct json_object *firewall_rules(void);

/**
 * firewall_drops() - Follow the rules
 * @ruleset: NULL: none
 * @where: Receives the chain at the hook, of the first table that drops or rejects the packet
 */
bool firewall_drops(struct json_object *ruleset, const struct firewall_packet *packet,
                    struct firewall_chain *where);

/** firewall_has() - Whether there is a table, or in any table a chain, whose name begins so */
bool firewall_has(struct json_object *ruleset, const char *kind, const char *name);

#endif
