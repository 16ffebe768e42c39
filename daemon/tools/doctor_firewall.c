/* SPDX-License-Identifier: MIT
 *
 * doctor_firewall.c - firewalls of this very machine: one that lets nobody call our port, and one
 * that sees what a bridge passes on, through br_netfilter.
 *
 * Docker loads br_netfilter and drops what it does not forward itself; then IP vanishes inside the
 * bridge while ARP goes through.
 */
#include "doctor_judge.h"

#include "firewall.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_SIZE = 384, PATH_SIZE = 96 };

static const char *name_of(const struct link *link)
{
    return link != NULL && link->index != 0 ? link->name : NULL;
}

/* ---- who calls us ---- */

static bool lets_in(const struct doctor_facts *facts, unsigned port, const char *family,
                    const struct link *by, struct firewall_chain *where)
{
    const struct firewall_packet packet = {
        .hook = "input", .family = family, .in = name_of(by), .port = port};

    return by->index == 0 || !firewall_drops(facts->firewall, &packet, where);
}

/* As the firewall's own tool says it, so that it lasts. */
static void open_port(const struct doctor_facts *facts, const struct firewall_chain *where,
                      unsigned port, struct finding *finding, char out[WORDS_SIZE])
{
    finding->advice = "let it in";
    finding->commands = out;
    if (strcmp(where->table, "fw4") == 0)
        snprintf(out, WORDS_SIZE,
                 "uci add firewall rule\n"
                 "uci set firewall.@rule[-1].name=lansplice\n"
                 "uci set firewall.@rule[-1].src=wan\n"
                 "uci set firewall.@rule[-1].proto=udp\n"
                 "uci set firewall.@rule[-1].dest_port=%u\n"
                 "uci set firewall.@rule[-1].target=ACCEPT\n"
                 "uci commit firewall\n"
                 "service firewall reload",
                 port);
    else if (firewall_has(facts->firewall, "chain", "ufw"))
        snprintf(out, WORDS_SIZE, "ufw allow %u/udp", port);
    else if (strcmp(where->table, "firewalld") == 0)
        snprintf(out, WORDS_SIZE,
                 "firewall-cmd --permanent --add-port=%u/udp\nfirewall-cmd --reload", port);
    else {
        finding->advice = "let it in, and keep the same rule where your firewall is kept, such as "
                          "/etc/nftables.conf";
        snprintf(out, WORDS_SIZE, "nft insert rule %s %s %s udp dport %u accept", where->family,
                 where->table, where->name, port);
    }
}

static void judge_port(const struct doctor_facts *facts, struct json_object *report)
{
    unsigned port = judge_port_of(facts);
    struct firewall_chain where = {0};
    bool v4 = lets_in(facts, port, "ip", &facts->way_out4, &where);
    bool v6 = lets_in(facts, port, "ip6", &facts->way_out6, &where);
    char commands[WORDS_SIZE];
    struct finding finding = {.level = judge_all_direct(facts->status) ? LEVEL_NOTE : LEVEL_WARN,
                              .check = "firewall",
                              .subject = where.table,
                              .family = v4   ? IP_V6
                                        : v6 ? IP_V4
                                             : IP_NONE,
                              .meaning = "Other homes cannot call this one: it must call them, "
                                         "and they must be able to be called."};

    if (v4 && v6)
        return;
    open_port(facts, &where, port, &finding, commands);
    report_add(report, &finding,
               "the firewall of this machine drops UDP port %u from outside%s: table %s %s, chain "
               "%s",
               port,
               v4   ? " by IPv6"
               : v6 ? " by IPv4"
                    : "",
               where.family, where.table, where.name);
}

/* ---- what the bridge passes on ---- */

static bool reads_one(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    char value = '0';

    if (file < 0)
        return false;
    if (read(file, &value, 1) != 1)
        value = '0';
    close(file);
    return value == '1';
}

/* @tables: "iptables" or "ip6tables". For all bridges, or for this one. */
static bool is_filtered(const struct link *bridge, const char *tables)
{
    char all[PATH_SIZE], one[PATH_SIZE];

    snprintf(all, sizeof all, "/proc/sys/net/bridge/bridge-nf-call-%s", tables);
    snprintf(one, sizeof one, "/sys/class/net/%s/bridge/nf_call_%s", bridge->name, tables);
    return reads_one(all) || reads_one(one);
}

static bool drops_bridged(const struct doctor_facts *facts, const char *family,
                          struct firewall_chain *where)
{
    const char *bridge = facts->bridge->name;
    const struct firewall_packet packet = {
        .hook = "forward", .family = family, .in = bridge, .out = bridge};

    return is_filtered(facts->bridge, strcmp(family, "ip") == 0 ? "iptables" : "ip6tables") &&
           firewall_drops(facts->firewall, &packet, where);
}

#define NO_CALLS                                                                                   \
    "net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 "                  \
    "net.bridge.bridge-nf-call-arptables=0"

static void let_pass(const struct doctor_facts *facts, struct finding *finding,
                     char out[WORDS_SIZE])
{
    const char *bridge = facts->bridge->name;

    if (firewall_has(facts->firewall, "chain", "DOCKER")) {
        finding->advice = "Docker sets FORWARD to drop and br_netfilter on again at each start: do "
                          "this, and have a unit do it that runs after docker.service";
        finding->commands = out;
        snprintf(out, WORDS_SIZE,
                 "iptables -I DOCKER-USER -i %s -o %s -j ACCEPT\n"
                 "ip6tables -I DOCKER-USER -i %s -o %s -j ACCEPT",
                 bridge, bridge, bridge, bridge);
    } else {
        finding->advice = "switch that off; the last two commands keep it so, and have the module "
                          "there at boot for it to be set";
        finding->commands = "sysctl -w " NO_CALLS "\n"
                            "printf '%s\\n' " NO_CALLS " >/etc/sysctl.d/60-lansplice.conf\n"
                            "echo br_netfilter >/etc/modules-load.d/lansplice.conf";
    }
}

static void judge_bridged(const struct doctor_facts *facts, struct json_object *report)
{
    struct firewall_chain where = {0};
    bool v4 = drops_bridged(facts, "ip", &where), v6 = drops_bridged(facts, "ip6", &where);
    bool filtered = is_filtered(facts->bridge, "iptables") ||
                    is_filtered(facts->bridge, "ip6tables") ||
                    is_filtered(facts->bridge, "arptables");
    char commands[WORDS_SIZE];
    struct finding finding = {.level = v4 || v6 ? LEVEL_WARN : LEVEL_NOTE,
                              .check = "bridge-firewall",
                              .subject = facts->bridge->name,
                              .family = v4 == v6 ? IP_NONE
                                        : v4     ? IP_V4
                                                 : IP_V6};

    if (!filtered)
        return;
    let_pass(facts, &finding, commands);
    if (v4 || v6) {
        finding.meaning = "Devices of the homes find each other, but nothing else gets through.";
        report_add(report, &finding,
                   "this machine's firewall drops what %s passes on: table %s %s, chain %s",
                   facts->bridge->name, where.family, where.table, where.name);
    } else {
        finding.meaning = "It is slower, and a rule meant for routed packets may drop bridged "
                          "ones.";
        report_add(report, &finding, "this machine's firewall sees all that %s passes on",
                   facts->bridge->name);
    }
}

void judge_firewall(const struct doctor_facts *facts, struct json_object *report)
{
    judge_port(facts, report);
    if (facts->bridge != NULL)
        judge_bridged(facts, report);
}
