/* SPDX-License-Identifier: MIT
 *
 * border.h - what the two directions tell each other (orders.c, notes.c), and how they become two
 * threads or one (border.c).
 *
 * Orders go from the site (WAN-to-LAN and control) to the egress (LAN-to-WAN): the rules, each
 * peer's path and sealer when they change, and what is to be sent. Notes go from the egress to the
 * site: frames of the LAN that teach something, MACs that came home, what was sent and counted.
 *
 * In one thread an order or note is a call, done when it returns. In two, it is a message in a
 * mailbox, and done soon. Neither side ever waits for the other: what does not fit is treated as a
 * network would, it is lost; but for rules, paths and sealers, which are offered again at the next
 * border_publish(), because it compares what should be known with what was taken.
 */
#ifndef SITE_BORDER_H
#define SITE_BORDER_H

#include "site/egress.h"

struct peer;

/** border_take_egress() - The site's own thread runs the egress, and each order is a call */
void border_take_egress(struct site *site);

/* ---- orders, by the site ---- */

/** border_publish() - Let the egress know all that changed */
void border_publish(struct site *site);

/** border_publish_peer() - Let the egress know what changed about one peer, also that its slot is
 *  free now; each order about it does this first */
void border_publish_peer(struct site *site, struct peer *peer);

/** border_wake() - If orders were given since the last call: wake the egress's thread */
void border_wake(struct site *site);

/** order_control() - Send a control message of @bytes, its type included; @alone: in a datagram
 *  of its own */
void order_control(struct site *site, struct peer *peer, uint8_t *body, size_t bytes, bool alone);

/** order_check() - Send a control message of @bytes, its type included, in a datagram of its own
 *  by the path @to */
void order_check(struct site *site, struct peer *peer, const struct endpoint *to, uint8_t *body,
                 size_t bytes);

/** order_relay() - Send a datagram inside the tunnel to @carrier; as egress_relay() */
void order_relay(struct site *site, struct peer *carrier, enum control_type type,
                 const uint8_t id[SITE_ID_BYTES], uint8_t *datagram, size_t bytes);

/** order_probe() - Send a CONTROL_PROBE with @value, padded to an outer packet of so many bytes */
void order_probe(struct site *site, struct peer *peer, uint64_t value, uint16_t outer_packet_bytes);

/** order_own_frame() - Send a frame that we made, as it is */
void order_own_frame(struct site *site, struct peer *peer, uint8_t *frame, size_t bytes);

/** order_forward() - Forward a frame to @peers as one of the LAN's would be (a hub's) */
void order_forward(struct site *site, uint32_t peers, struct packet *packet);

/** order_forget_mac() - A MAC of this LAN lives behind a peer now */
void order_forget_mac(struct site *site, const struct mac *mac);

/** order_forget_macs() - All MACs of this LAN are to be learned anew */
void order_forget_macs(struct site *site);

/* ---- notes, by the egress ---- */

/** note_frame() - A loop probe, or a frame that teaches something about this LAN */
void note_frame(struct egress *egress, struct packet *packet);

/** note_came_home() - A MAC known behind a peer has just spoken here */
void note_came_home(struct egress *egress, const struct mac *mac, uint16_t vlan_id);

/** note_sent() - A datagram to a peer has been sealed; @outer_bytes: of the outer packet */
void note_sent(struct egress *egress, struct egress_peer *peer, size_t datagram_bytes,
               size_t outer_bytes);

/** note_counts() - Tell what was sent and counted, if it is time; part of egress_flush() */
void note_counts(struct egress *egress);

/** note_all() - Tell all that was sent and counted */
void note_all(struct egress *egress);

#endif
