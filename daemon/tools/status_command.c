/* SPDX-License-Identifier: MIT
 *
 * status_command.c - what the daemon says, as a table and a few sentences. All that is known comes
 * from the daemon's JSON: what is missing or null there is shown as '-', a count as 0.
 */
#include "../error.h"
#include "../json_fields.h"
#include "commands.h"
#include "daemon_client.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 10, CELL_SIZE = 80 };

/* ---- amounts ---- */

static void format_bytes(char out[CELL_SIZE], int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned unit = 0;

    if (bytes < 1024) {
        snprintf(out, CELL_SIZE, "%" PRId64 " B", bytes);
        return;
    }
    for (value /= 1024; value >= 1024 && unit < 3; unit++)
        value /= 1024;
    snprintf(out, CELL_SIZE, "%.1f %s", value, units[unit]);
}

static void format_duration(char out[CELL_SIZE], int64_t seconds)
{
    if (seconds < 60)
        snprintf(out, CELL_SIZE, "%" PRId64 " s", seconds);
    else if (seconds < 3600)
        snprintf(out, CELL_SIZE, "%" PRId64 " min", seconds / 60);
    else if (seconds < 86400)
        snprintf(out, CELL_SIZE, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
                 seconds % 3600 / 60);
    else
        snprintf(out, CELL_SIZE, "%" PRId64 " d %" PRId64 " h", seconds / 86400,
                 seconds % 86400 / 3600);
}

/* ---- the table ---- */

typedef char row[COLUMNS][CELL_SIZE];

static const row heading = {"PEER", "STATE",  "ENDPOINT", "PATH",     "RTT",
                            "MTU",  "CIPHER", "SENT",     "RECEIVED", "LOST"};

static const char *state_words(struct json_object *peer)
{
    if (json_flag(peer, "shut"))
        return "shut (loop)";
    if (json_flag(peer, "joining"))
        return "joining";
    if (strcmp(json_text(peer, "state"), "up") == 0)
        return "up";
    if (json_flag(peer, "invited"))
        return "invited";
    return json_text(peer, "state");
}

/* Where it is, or where it is being called: then with a question mark. */
static void format_endpoint(char out[CELL_SIZE], struct json_object *peer)
{
    const char *at = json_text(peer, "endpoint");
    bool connecting = strcmp(json_text(peer, "state"), "connecting") == 0;

    if (connecting && json_field(peer, "called_at") != NULL)
        at = json_text(peer, "called_at");
    snprintf(out, CELL_SIZE, "%.70s%s", at, connecting && strcmp(at, "-") != 0 ? " ?" : "");
}

/* With a question mark while it is searched for; then with what keeps it from being larger, and
 * when that was seen last. That it is not even carried is worth knowing at any time. */
static void format_mtu(char out[CELL_SIZE], struct json_object *peer)
{
    const char *mtu = json_text(peer, "path_mtu"), *limit = json_text(peer, "path_mtu_limit");

    if (strcmp(json_text(peer, "path_mtu_state"), "searching") == 0 &&
        strcmp(limit, "below-base") != 0)
        snprintf(out, CELL_SIZE, "%.20s ?", mtu);
    else if (strcmp(limit, "-") == 0)
        snprintf(out, CELL_SIZE, "%.20s", mtu);
    else if (json_field(peer, "path_mtu_proved_s") == NULL)
        snprintf(out, CELL_SIZE, "%.20s (%.20s)", mtu, limit);
    else
        snprintf(out, CELL_SIZE, "%.20s (%.20s, %.10s s ago)", mtu, limit,
                 json_text(peer, "path_mtu_proved_s"));
}

static void fill_row(row cells, struct json_object *peer)
{
    struct json_object *rtt = json_field(peer, "rtt_ms");

    snprintf(cells[0], CELL_SIZE, "%s", json_text(peer, "name"));
    snprintf(cells[1], CELL_SIZE, "%s", state_words(peer));
    format_endpoint(cells[2], peer);
    snprintf(cells[3], CELL_SIZE, "%s", json_text(peer, "path"));
    if (rtt == NULL)
        snprintf(cells[4], CELL_SIZE, "-");
    else
        snprintf(cells[4], CELL_SIZE, "%.1f ms", json_object_get_double(rtt));
    format_mtu(cells[5], peer);
    snprintf(cells[6], CELL_SIZE, "%s", json_text(peer, "cipher"));
    format_bytes(cells[7], json_number(peer, "tx_bytes"));
    format_bytes(cells[8], json_number(peer, "rx_bytes"));
    snprintf(cells[9], CELL_SIZE, "%" PRId64, json_number(peer, "lost"));
}

static void print_table(const row *rows, size_t count)
{
    int width[COLUMNS] = {0};

    for (size_t r = 0; r < count; r++)
        for (int c = 0; c < COLUMNS; c++)
            if ((int)strlen(rows[r][c]) > width[c])
                width[c] = (int)strlen(rows[r][c]);
    for (size_t r = 0; r < count; r++)
        for (int c = 0; c < COLUMNS; c++)
            printf("%-*s%s", c + 1 < COLUMNS ? width[c] : 0, rows[r][c],
                   c + 1 < COLUMNS ? "  " : "\n");
}

static void print_peers(struct json_object *status)
{
    static row rows[SITE_PEERS_MAX + 1];
    size_t count;
    struct json_object *peers = json_list(status, "peers", &count);

    if (count == 0) {
        printf("\nno peers yet: 'lansplice invite NAME' makes an invitation\n");
        return;
    }
    memcpy(rows[0], heading, sizeof heading);
    if (count > SITE_PEERS_MAX)
        count = SITE_PEERS_MAX;
    for (size_t i = 0; i < count; i++)
        fill_row(rows[i + 1], json_object_array_get_idx(peers, i));
    putchar('\n');
    print_table((const row *)rows, count + 1);
}

static void print_clash(struct json_object *clash)
{
    const char *kind = json_text(clash, "kind"), *peer = json_text(clash, "peer");

    if (strcmp(kind, "gateway") == 0)
        printf("! both routers have the address %s (here and at %s): give one of them another\n",
               json_text(clash, "address"), peer);
    else if (strcmp(kind, "host") == 0)
        printf("! %s is used in both homes, by %s here and by %s at %s: give one of them another\n"
               "  address, or make the DHCP ranges of the homes disjoint\n",
               json_text(clash, "address"), json_text(clash, "local_mac"),
               json_text(clash, "remote_mac"), peer);
    else
        printf(
            "! no IPv4 subnet in common with %s: devices are listed but may not be usable: give\n"
            "  both homes the same subnet with disjoint DHCP ranges\n",
            peer);
}

static void print_troubles(struct json_object *status)
{
    size_t count;
    struct json_object *clashes = json_list(status, "clashes", &count);

    if (count > 0 || json_flag(status, "port_shut"))
        putchar('\n');
    if (json_flag(status, "port_shut"))
        printf("! a loop was found: the tunnel's port is shut until it is gone\n");
    for (size_t i = 0; i < count; i++)
        print_clash(json_object_array_get_idx(clashes, i));
}

/* ---- counters ---- */

struct counter_words {
    const char *name, *words;
};

static const struct counter_words kept_home[] = {
    {"guard_dhcp", "DHCP"},
    {"guard_ra", "router advertisements"},
    {"guard_gateway", "claims to be a gateway"},
    {"guard_hosts", "claims to be a host of the other home"},
    {"guard_source", "from devices that live on the other side"},
    {"guard_querier", "multicast queries"},
    {"guard_stp", "spanning tree and the like"},
    {"multicast_filtered", "of groups that do not cross"},
};

static const struct counter_words dropped[] = {
    {"loop_stopped", "in a loop"},
    {"storm_dropped", "over the storm limit"},
    {"macs_capped", "of too many devices"},
    {"replay_dropped", "received twice"},
    {"auth_failed", "not authentic"},
    {"malformed", "malformed"},
    {"unknown_index", "of no session"},
    {"reassembly_expired", "with pieces missing"},
    {"reassembly_discarded", "with pieces that contradict each other"},
    {"too_large", "too large"},
    {"send_too_large", "too large for the network"},
    {"send_dropped", "not sent"},
    {"tap_dropped", "not taken by the TAP"},
    {"queue_dropped", "in a long queue"},
    {"orders_lost", "orders between threads"},
    {"notes_lost", "notes between threads"},
};

static const struct counter_words mended[] = {
    {"ttl_repaired_mdns", "TTLs of mDNS"},
    {"ttl_repaired_ssdp", "TTLs of SSDP"},
    {"mss_clamped", "TCP segment sizes"},
    {"fragmented", "frames sent in pieces"},
    {"mtu_black_holes", "paths that became narrower"},
    {"lan_too_large", "packets larger than this LAN takes"},
    {"icmp_hints", "senders told what fits"},
    {"queue_marked", "frames marked in a long queue"},
};

/* One line of those that are not zero; none when all are. */
static void print_counters(struct json_object *counters, const char *title,
                           const struct counter_words *words, size_t count)
{
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        int64_t value = json_number(counters, words[i].name);
        if (value == 0)
            continue;
        printf("%s%s%" PRId64 " %s", begun ? "" : title, begun ? ", " : ": ", value,
               words[i].words);
        begun = true;
    }
    if (begun)
        putchar('\n');
}

static void print_all_counters(struct json_object *counters)
{
    print_counters(counters, "kept at home", kept_home, sizeof kept_home / sizeof *kept_home);
    print_counters(counters, "dropped", dropped, sizeof dropped / sizeof *dropped);
    print_counters(counters, "mended", mended, sizeof mended / sizeof *mended);
}

static void print_status(struct json_object *status)
{
    char uptime[CELL_SIZE];

    format_duration(uptime, json_number(status, "uptime_s"));
    printf("%s: lansplice %s, up %s, TAP %s%s", json_text(status, "name"),
           json_text(status, "version"), uptime, json_text(status, "tap"),
           json_flag(status, "tap_up") ? "" : " (DOWN)");
    if (json_flag(status, "bridge_attached"))
        printf(" in bridge %s%s\n", json_text(status, "bridge"),
               json_flag(status, "bridge_up") ? "" : " (DOWN)");
    else
        printf(", NOT in a bridge\n");
    print_peers(status);
    print_troubles(status);
    print_all_counters(json_field(status, "counters"));
}

static int show(const struct config *config, bool json)
{
    struct error error = {.exit_code = EXIT_FAILED};
    struct json_object *status = daemon_status(config, &error);

    if (status == NULL)
        return error_print(&error);
    if (json)
        json_print(status);
    else
        print_status(status);
    json_object_put(status);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

/* Who broke the file while the daemon runs wants to see that more than ever. */
static bool answers_anyway(struct config *config, const char *config_path)
{
    struct json_object *status = NULL;

    if (config_recover(config, config_path))
        status = daemon_status(config, NULL);
    json_object_put(status);
    return status != NULL;
}

/* What leads to the daemon. */
static bool load(struct config *config, const char *config_path, struct error *error)
{
    if (config_load(config, config_path, error))
        return true;
    if (!answers_anyway(config, config_path))
        return false;
    fprintf(stderr,
            "lansplice: warning: the daemon goes on with an earlier configuration, this one would "
            "be refused: %s\n",
            error->text);
    return true;
}

static void watch(const struct config *config, bool json)
{
    for (;;) {
        if (isatty(STDOUT_FILENO))
            printf("\033[H\033[2J");
        show(config, json);
        sleep(1);
    }
}

int command_status(const struct cli_options *options)
{
    struct error error = {.text = "out of memory", .exit_code = EXIT_FAILED};
    struct config *config = config_new();
    int code;

    if (config == NULL || !load(config, options->config_path, &error)) {
        code = error_print(&error);
    } else {
        if (options->watch)
            watch(config, options->json);
        code = show(config, options->json);
    }
    config_free(config);
    return code;
}
