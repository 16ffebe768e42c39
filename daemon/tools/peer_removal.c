/* SPDX-License-Identifier: MIT
 *
 * peer_removal.c - see peer_removal.h
 */
#include "peer_removal.h"

#include "../files.h"
#include "../peer_files.h"
#include "service.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void remove_section(const char *section, struct peer_removal *out)
{
    snprintf(out->where, sizeof out->where, "lansplice.%s in /etc/config/lansplice", section);
    snprintf(out->what, sizeof out->what,
             "run 'uci delete lansplice.%s; uci commit lansplice; service lansplice reload'",
             section);
}

/* The file that join and an enrolment write, and the key beside it. */
static void remove_files(const char *conf, const char *psk, struct peer_removal *out)
{
    bool has_psk = access(psk, F_OK) == 0;

    snprintf(out->where, sizeof out->where, "%s", conf);
    snprintf(out->what, sizeof out->what, "remove %s%s%s", conf, has_psk ? " and " : "",
             has_psk ? psk : "");
}

/* "" when it does not fit. */
static void beside(const struct config *config, const char *name, const char *suffix,
                   char out[CONFIG_PATH_SIZE])
{
    char file[SITE_NAME_MAX + 16];

    snprintf(file, sizeof file, "peers.d/%s%s", name, suffix);
    files_join_path(out, CONFIG_PATH_SIZE, config->directory, file);
}

bool peer_removal_find(const struct config *config, const char *name, struct peer_removal *out)
{
    const struct config_peer *peer = config_find_peer(config, name);
    char conf[CONFIG_PATH_SIZE], psk[CONFIG_PATH_SIZE], section[SERVICE_SECTION_SIZE];

    beside(config, name, ".conf", conf);
    beside(config, name, ".psk", psk);
    if (peer != NULL && strcmp(peer->file, conf) != 0) {
        snprintf(out->where, sizeof out->where, "%s:%d", peer->file, peer->line);
        snprintf(out->what, sizeof out->what, "remove [peer %s] there", name);
        if (service_uci_section(peer, section))
            remove_section(section, out);
        return true;
    }
    if (!peer_files_exist(config, name))
        return false;
    remove_files(conf, psk, out);
    return true;
}
