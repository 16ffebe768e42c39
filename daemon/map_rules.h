/* SPDX-License-Identifier: MIT
 *
 * map_rules.h - MAP-E as OpenWrt's `map` package has set it up on this router, and a port set as
 * people and programs read it.
 *
 * The package's mapcalc writes /tmp/map-INTERFACE.rules for the shell: lines of KEY=VALUE, for each
 * rule n RULE_n_..., and RULE_BMR=n, the one that is this home's. What is wanted of it:
 *   RULE_n_IPV4ADDR=106.73.2.3  RULE_n_OFFSET=4  RULE_n_PSIDLEN=8
 *   RULE_n_PORTSETS='5136-5151 9232-9247 ... '   its first number tells the PSID
 *   RULE_n_IPV6PD=240b:11:203:4500::             names the service, where known
 * It is what the router really does, and so believed before what map_e_recognise() says.
 */
#ifndef MAP_RULES_H
#define MAP_RULES_H

#include "site.h"
#include "tunnel/map_e.h"

struct json_object;

#define MAP_RULES_PATTERN "/tmp/map-*.rules"

enum { MAP_RULES_PORTS_SIZE = 1024 };

/**
 * map_rules_read() - The port set of this router
 * @pattern: Of the files, as glob(7); the first, by name, that gives a set is taken
 * @out:     Receives it; untouched when false is returned
 *
 * Files of other users are passed over: anybody may write to /tmp.
 *
 * Return: whether there is one; no file, or one that is not understood, is no error
 */
bool map_rules_read(const char *pattern, struct map_e *out);

/**
 * map_rules_recognise() - This home's port set by the known services' rules
 * @addresses: Of this machine, of both families, LAN and WAN
 * @mapped:    An IPv4 endpoint of ours as others see it: without one that confirms them, the known
 *             rules are not believed
 *
 * Return: whether there is one; @out is untouched if not
 */
bool map_rules_recognise(const struct ip_address *addresses, size_t count,
                         const struct endpoint *mapped, struct map_e *out);

/** map_rules_seed() - For map_e_choose_port(): the same port for the same key */
uint32_t map_rules_seed(const uint8_t public_key[PUBLIC_KEY_BYTES]);

/**
 * map_rules_ports() - "5136-5151, 9232-9247, ...": the ports of a set as ranges
 * @out: Written to and returned; what does not fit is left out, with " ..." at the end. 15 and 63
 *       ranges, as the services have, do fit
 */
const char *map_rules_ports(const struct port_set *set, char out[MAP_RULES_PORTS_SIZE]);

/** map_rules_json() - {"service", "address", "offset_bits", "psid_bits", "psid", "ports"} */
struct json_object *map_rules_json(const struct map_e *map);

/** map_rules_from_json() - The same read back; false, @out untouched, when it is none. The
 * service's name remains @from's */
bool map_rules_from_json(struct json_object *from, struct map_e *out);

#endif
