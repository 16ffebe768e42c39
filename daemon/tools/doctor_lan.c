/* SPDX-License-Identifier: MIT
 *
 * doctor_lan.c - is the TAP where it belongs, and does every port of the LAN take as large packets
 * as the others? A bridge sends no ICMP: what a port does not take disappears without a word.
 *
 * A bridge whose MTU nobody fixed follows its smallest port, so that its MTU is a finding of its
 * own only when it is below that of all ports. The TAP is made as large as the largest of bridge
 * and ports by the daemon.
 */
#include "../copy.h"
#include "doctor_judge.h"
#include "service.h"

#include <sys/socket.h>

#include <linux/wireless.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ETHERNET_MTU = 1500, WORDS_SIZE = 256, PATH_SIZE = 64 };

struct port_sizes {
    unsigned count, smallest, largest; /* of the ports that are up, but for the TAP */
};

static bool is_port(const struct doctor_facts *facts, const struct link *link)
{
    return link->master == facts->bridge->index && link->up && link != facts->tap;
}

static struct port_sizes survey(const struct doctor_facts *facts)
{
    struct port_sizes sizes = {0};

    for (size_t i = 0; i < facts->link_count; i++) {
        const struct link *l = &facts->links[i];
        if (!is_port(facts, l))
            continue;
        if (sizes.count++ == 0 || l->mtu < sizes.smallest)
            sizes.smallest = l->mtu;
        if (l->mtu > sizes.largest)
            sizes.largest = l->mtu;
    }
    return sizes;
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static void set_mtu(const char *name, unsigned mtu, char out[WORDS_SIZE])
{
    snprintf(out, WORDS_SIZE, "ip link set %s mtu %u", name, mtu);
}

static void judge_port(const struct doctor_facts *facts, const struct link *port, unsigned usual,
                       struct json_object *report)
{
    bool narrow = port->mtu < ETHERNET_MTU;
    char advice[WORDS_SIZE], command[WORDS_SIZE];

    snprintf(advice, sizeof advice,
             "give the devices behind it an MTU of %u; or, if what is behind it takes %u, do this, "
             "and the same where your network is configured",
             port->mtu, usual);
    set_mtu(port->name, usual, command);
    report_add(report,
               &(struct finding){
                   .level = narrow ? LEVEL_WARN : LEVEL_NOTE,
                   .check = "port-mtu",
                   .subject = port->name,
                   .mtu = port->mtu,
                   .meaning =
                       "A bridge drops larger packets and tells nobody. For what comes from the "
                       "other homes lansplice takes care; within this home large transfers to "
                       "devices behind this port can hang.",
                   .advice = advice,
                   .commands = command},
               "port %s of %s takes packets of %u bytes only, not %u", port->name,
               facts->bridge->name, port->mtu, usual);
}

static void judge_ports(const struct doctor_facts *facts, const struct port_sizes *sizes,
                        struct json_object *report)
{
    unsigned usual = larger(ETHERNET_MTU, sizes->largest);

    for (size_t i = 0; i < facts->link_count; i++)
        if (is_port(facts, &facts->links[i]) && facts->links[i].mtu < usual)
            judge_port(facts, &facts->links[i], usual, report);
}

static void judge_bridge_mtu(const struct doctor_facts *facts, const struct port_sizes *sizes,
                             struct json_object *report)
{
    const struct link *bridge = facts->bridge;
    unsigned usual = sizes->count > 0 ? sizes->smallest : ETHERNET_MTU;
    char command[WORDS_SIZE];

    if (bridge->mtu >= usual)
        return;
    set_mtu(bridge->name, usual, command);
    report_add(
        report,
        &(struct finding){
            .level = LEVEL_WARN,
            .check = "bridge-mtu",
            .subject = bridge->name,
            .mtu = bridge->mtu,
            .meaning = "This machine, and the other homes as lansplice tells them, send smaller "
                       "packets into this LAN than it could carry.",
            .advice = "do this, and the same where your network is configured",
            .commands = command},
        "bridge %s takes packets of %u bytes only, its ports %u", bridge->name, bridge->mtu, usual);
}

/* Only of a daemon that runs: it is what sets the TAP's MTU. */
static void judge_tap_mtu(const struct doctor_facts *facts, const struct port_sizes *sizes,
                          struct json_object *report)
{
    unsigned wanted = larger(facts->bridge->mtu, sizes->largest);
    const struct link *tap = facts->tap;
    char command[WORDS_SIZE], advice[SERVICE_WORDS_SIZE + 32], words[SERVICE_WORDS_SIZE];

    if (facts->status == NULL || tap == NULL || tap->mtu >= wanted)
        return;
    set_mtu(tap->name, wanted, command);
    snprintf(advice, sizeof advice, "%s, or do this", service_restart(facts->config->path, words));
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "tap-mtu",
                                 .subject = tap->name,
                                 .mtu = tap->mtu,
                                 .meaning = "Larger packets to the other homes disappear.",
                                 .advice = advice,
                                 .commands = command},
               "%s takes packets of %u bytes only, %s and its ports %u", tap->name, tap->mtu,
               facts->bridge->name, wanted);
}

static void judge_sizes(const struct doctor_facts *facts, struct json_object *report)
{
    struct port_sizes sizes = survey(facts);

    judge_ports(facts, &sizes, report);
    judge_bridge_mtu(facts, &sizes, report);
    judge_tap_mtu(facts, &sizes, report);
    if (sizes.count == 0 || sizes.smallest < larger(ETHERNET_MTU, sizes.largest) ||
        facts->bridge->mtu < sizes.smallest)
        return;
    report_add(report,
               &(struct finding){
                   .check = "lan-mtu", .subject = facts->bridge->name, .mtu = sizes.smallest},
               "%s and all its ports take packets of %u bytes", facts->bridge->name,
               sizes.smallest);
}

/* ---- where the TAP is ---- */

static bool has_attribute(const struct link *link, const char *name)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/sys/class/net/%s/%s", link->name, name);
    return access(path, F_OK) == 0;
}

static bool is_wireless(const struct link *link)
{
    return has_attribute(link, "wireless") || has_attribute(link, "phy80211");
}

/* Of a port. One that cfg80211 drives is an access point, or a client in 4-address mode, which can
 * be bridged: the kernel takes no other client of its into a bridge, and has none in it leave that
 * mode. Drivers that know the wireless extensions alone are not so careful. */
static bool is_plain_client(const struct link *port)
{
    struct iwreq request = {0};
    bool known;
    int fd;

    if (has_attribute(port, "phy80211") || !has_attribute(port, "wireless"))
        return false;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    copy_text(request.ifr_name, sizeof request.ifr_name, port->name);
    known = ioctl(fd, SIOCGIWMODE, &request) == 0;
    close(fd);
    return known && request.u.mode == IW_MODE_INFRA;
}

/* An access point takes from a client only frames with that client's own address. */
static const char wireless_meaning[] =
    "A Wi-Fi client cannot be a bridge's port: its access point passes on no frames but its own.";
static const char wireless_advice[] =
    "connect this machine to the home's router by a cable, or run lansplice on the router itself";

/* Where the package has it; NULL where there is none, as on a router. */
static const char *bridge_script(void)
{
    static const char installed[] = "/usr/share/doc/lansplice/examples/bridge-eth0";

    return access(installed, F_OK) == 0 ? installed : NULL;
}

static void judge_no_bridge(const struct link *named, struct json_object *report)
{
    bool wireless = is_wireless(named);

    report_add(
        report,
        &(struct finding){.level = LEVEL_WARN,
                          .check = wireless ? "wifi-client" : "bridge",
                          .subject = named->name,
                          .meaning = wireless ? wireless_meaning : "Nothing of this LAN crosses.",
                          .advice = wireless ? wireless_advice
                                             : "make a bridge of it; bridge-eth0, among "
                                               "lansplice's examples, does so on Debian and "
                                               "Raspberry Pi OS, and undoes it by itself should it "
                                               "cut you off",
                          .commands = wireless ? NULL : bridge_script()},
        "'bridge' in [site] names %s, which is no bridge but %s", named->name,
        wireless ? "Wi-Fi" : "a network interface");
}

/* It may be meant so, where this machine alone is to be shared. */
static void judge_lonely(const struct doctor_facts *facts, struct json_object *report)
{
    bool wireless = facts->way_out4.index != 0 && is_wireless(&facts->way_out4);

    for (size_t i = 0; i < facts->link_count; i++)
        if (facts->links[i].master == facts->bridge->index && &facts->links[i] != facts->tap)
            return;
    report_add(report,
               &(struct finding){.level = wireless ? LEVEL_WARN : LEVEL_NOTE,
                                 .check = wireless ? "wifi-client" : "bridge-ports",
                                 .subject = facts->bridge->name,
                                 .meaning = wireless ? wireless_meaning
                                                     : "No device of this home is reached: there "
                                                       "is but this machine.",
                                 .advice = wireless ? wireless_advice
                                                    : "put the interface with the LAN's cable into "
                                                      "it; bridge-eth0, among lansplice's "
                                                      "examples, does so with care for SSH",
                                 .commands = wireless ? NULL : bridge_script()},
               "%s has no port%s%s%s", facts->bridge->name, facts->tap != NULL ? " but " : "",
               facts->tap != NULL ? facts->tap->name : "",
               wireless ? ": this machine is connected by Wi-Fi" : "");
}

static void judge_client(const struct doctor_facts *facts, const struct link *port,
                         struct json_object *report)
{
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "wifi-client",
                                 .subject = port->name,
                                 .meaning = wireless_meaning,
                                 .advice = wireless_advice},
               "port %s of %s is a Wi-Fi client", port->name, facts->bridge->name);
}

static void judge_clients(const struct doctor_facts *facts, struct json_object *report)
{
    for (size_t i = 0; i < facts->link_count; i++)
        if (is_port(facts, &facts->links[i]) && is_plain_client(&facts->links[i]))
            judge_client(facts, &facts->links[i], report);
}

static void judge_missing_bridge(const struct doctor_facts *facts, struct json_object *report)
{
    const char *name = facts->config->bridge;
    char advice[SERVICE_WORDS_SIZE + WORDS_SIZE], words[SERVICE_WORDS_SIZE];

    for (size_t i = 0; i < facts->link_count; i++)
        if (strcmp(facts->links[i].name, name) == 0) {
            judge_no_bridge(&facts->links[i], report);
            return;
        }
    snprintf(advice, sizeof advice,
             "%s; or make it: bridge-eth0, among lansplice's examples, does so with care for SSH",
             service_set(facts->config->path, "bridge", "NAME", words));
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "bridge",
                                 .subject = name,
                                 .meaning = "Nothing of this LAN crosses.",
                                 .advice = advice,
                                 .commands = bridge_script()},
               "there is no bridge %s", name);
}

static void judge_down(const struct link *link, struct json_object *report)
{
    char command[WORDS_SIZE];

    if (link == NULL || link->up)
        return;
    snprintf(command, sizeof command, "ip link set %s up", link->name);
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "link-down",
                                 .subject = link->name,
                                 .meaning = "Nothing of this LAN crosses.",
                                 .advice = "switch it on",
                                 .commands = command},
               "%s is down", link->name);
}

static void judge_membership(const struct doctor_facts *facts, struct json_object *report)
{
    const char *tap = facts->config->tap;
    char words[SERVICE_WORDS_SIZE], advice[SERVICE_WORDS_SIZE + 64];
    bool missing = facts->tap == NULL;

    if (!missing && facts->bridge != NULL && facts->tap->master == facts->bridge->index)
        return;
    if (missing)
        snprintf(advice, sizeof advice, "%s, and look at its log",
                 service_restart(facts->config->path, words));
    else
        snprintf(advice, sizeof advice, "%s, or put it into the LAN's bridge yourself",
                 service_set(facts->config->path, "bridge", "NAME", words));
    report_add(report,
               &(struct finding){.level = LEVEL_WARN,
                                 .check = "tap",
                                 .subject = tap,
                                 .meaning = "Nothing of this LAN crosses.",
                                 .advice = advice},
               missing ? "%s is gone" : "%s is not in the LAN's bridge", tap);
}

void judge_lan(const struct doctor_facts *facts, struct json_object *report)
{
    if (facts->bridge == NULL && facts->config->bridge[0] != '\0')
        judge_missing_bridge(facts, report);
    else if (facts->status != NULL && !judge_runs_otherwise(facts))
        judge_membership(facts, report);
    if (facts->status != NULL)
        judge_down(facts->tap, report);
    judge_down(facts->bridge, report);
    if (facts->bridge != NULL) {
        judge_lonely(facts, report);
        judge_clients(facts, report);
        judge_sizes(facts, report);
    }
}
