/* SPDX-License-Identifier: MIT
 *
 * doctor_machine.c - see doctor_machine.h.
 *
 * A device behind the tunnel is a neighbour of the bridge whose MAC the bridge has learnt at the
 * TAP: only those that this machine has spoken to are seen, and that needs no privilege.
 */
#include "doctor_machine.h"

#include "../socket_address.h"

#include <netinet/in.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CLOCK_TOLERANCE_S = 60 };

/* ---- the ways out ---- */

/* The address that a datagram to the Internet would leave from; nothing is sent. The destination is
 * PCP's anycast address (RFC 7723), which is announced nowhere: only default routes lead there. */
static struct ip_address source_towards(const struct endpoint *far)
{
    struct sockaddr_storage address;
    socklen_t bytes = endpoint_to_socket(far, &address);
    struct endpoint local = {0};
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return local.address;
    if (connect(fd, (struct sockaddr *)&address, bytes) == 0) {
        bytes = sizeof address;
        if (getsockname(fd, (struct sockaddr *)&address, &bytes) == 0)
            endpoint_from_socket(&local, (struct sockaddr *)&address);
    }
    close(fd);
    return local.address;
}

static void look_out(struct doctor_machine *machine)
{
    static const uint8_t v4[4] = {192, 0, 0, 9};
    static const uint8_t v6[16] = {0x20, 0x01, 0, 1, [15] = 1};
    const struct endpoint far4 = {.address = ip_v4(v4), .port = 9};
    const struct endpoint far6 = {.address = ip_v6(v6), .port = 9};

    machine->source4 = source_towards(&far4);
    machine->source6 = source_towards(&far6);
}

/* ---- the clock ---- */

static void look_at_file(struct doctor_machine *machine, const char *path, int64_t now_s)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return;
    int64_t behind_s = (int64_t)status.st_mtime - now_s;
    if (behind_s > CLOCK_TOLERANCE_S && behind_s > machine->clock_behind_s)
        machine->clock_behind_s = behind_s;
}

/* Nobody is asked for the time: a router that boots in the past knows of files from its future. */
static void look_at_clock(struct doctor_machine *machine, const struct config *config)
{
    int64_t now_s = (int64_t)time(NULL);

    look_at_file(machine, "/proc/self/exe", now_s);
    look_at_file(machine, config->path, now_s);
}

/* ---- devices behind the tunnel ---- */

struct survey {
    struct doctor_machine *machine;
    int interface; /* whose neighbours, or behind which */
    bool behind[DOCTOR_REMOTE_MAX];
};

static bool read_neighbour(struct nlmsghdr *message, int interface, struct remote_device *out)
{
    const struct ndmsg *header = nlmsg_data(message);

    if (message->nlmsg_type != RTM_NEWNEIGH || nlmsg_datalen(message) < (int)sizeof *header ||
        header->ndm_ifindex != interface)
        return false;
    struct nlattr *mac = nlmsg_find_attr(message, sizeof *header, NDA_LLADDR);
    struct nlattr *address = nlmsg_find_attr(message, sizeof *header, NDA_DST);
    if (mac == NULL || nla_len(mac) != (int)sizeof out->mac.octet)
        return false;
    memcpy(out->mac.octet, nla_data(mac), sizeof out->mac.octet);
    if (address != NULL && nla_len(address) == 4)
        out->address = ip_v4(nla_data(address));
    return true;
}

static void see_neighbour(void *context, struct nlmsghdr *message)
{
    struct survey *survey = context;
    struct doctor_machine *machine = survey->machine;
    struct remote_device device = {0};

    if (read_neighbour(message, survey->interface, &device) && device.address.family == IP_V4 &&
        machine->remote_count < DOCTOR_REMOTE_MAX)
        machine->remote[machine->remote_count++] = device;
}

static void see_learnt(void *context, struct nlmsghdr *message)
{
    struct survey *survey = context;
    struct remote_device learnt;

    if (!read_neighbour(message, survey->interface, &learnt))
        return;
    for (size_t i = 0; i < survey->machine->remote_count; i++)
        if (mac_equal(&survey->machine->remote[i].mac, &learnt.mac))
            survey->behind[i] = true;
}

static void look_behind(struct doctor_machine *machine, struct netlink *netlink, int bridge,
                        int tap)
{
    struct survey survey = {.machine = machine, .interface = bridge};
    size_t count = 0;

    netlink_dump(netlink, RTM_GETNEIGH, AF_INET, see_neighbour, &survey);
    survey.interface = tap;
    netlink_dump(netlink, RTM_GETNEIGH, AF_BRIDGE, see_learnt, &survey);
    for (size_t i = 0; i < machine->remote_count; i++)
        if (survey.behind[i])
            machine->remote[count++] = machine->remote[i];
    machine->remote_count = count;
}

/* ---- the LAN ---- */

static bool has(const struct ip_prefix *prefix, const struct ip_address *address)
{
    unsigned whole = prefix->length_bits / 8u, rest = prefix->length_bits % 8u;
    const uint8_t *a = prefix->address.octet, *b = address->octet;

    return prefix->address.family == address->family && memcmp(a, b, whole) == 0 &&
           (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static bool is_in_lan(const struct site_lan *lan, const struct ip_address *address)
{
    for (unsigned i = 0; i < lan->prefix_count; i++)
        if (has(&lan->prefix[i], address))
            return true;
    return false;
}

/* dnsmasq may serve other networks, too: guests, VLANs. */
static void look_at_pools(struct doctor_machine *machine, const struct config *config)
{
    size_t count = 0;

    machine->pool_count = dhcp_pools_read(config->dhcp_files, machine->pool, DOCTOR_POOLS_MAX);
    for (size_t i = 0; i < machine->pool_count; i++)
        if (is_in_lan(&machine->lan, &machine->pool[i].first))
            machine->pool[count++] = machine->pool[i];
    machine->pool_count = count;
}

static void look_at_lan(struct doctor_machine *machine, const struct config *config,
                        struct netlink *netlink, const struct link *bridge)
{
    static const struct mac unknown;
    struct lan_view view;

    if (lan_read(netlink, bridge, true, &unknown, &view) != 0)
        return;
    machine->lan = view.lan;
    look_at_pools(machine, config);
}

void doctor_look(struct doctor_machine *machine, const struct config *config,
                 struct netlink *netlink, const struct link *bridge, const struct link *tap)
{
    memset(machine, 0, sizeof *machine);
    look_out(machine);
    look_at_clock(machine, config);
    machine->has_map = map_rules_read(config->map_rules, &machine->map);
    if (bridge == NULL)
        return;
    look_at_lan(machine, config, netlink, bridge);
    if (tap == NULL || tap->master != bridge->index)
        return;
    bridge_read_port(netlink, tap->index, &machine->tap_port);
    look_behind(machine, netlink, bridge->index, tap->index);
}
