/* SPDX-License-Identifier: MIT
 *
 * service.h - who runs the daemon of a configuration, and so what a person types to start it, to
 * have it read its files again, or to set an option.
 *
 *   procd    OpenWrt's package: uci-config writes /etc/lansplice/SITE/lansplice.conf from
 *            /etc/config/lansplice at each start, so that an option is set there. A netifd
 *            interface may start the site instead of the init script
 *   systemd  it runs here and has the unit: lansplice.service for /etc/lansplice/lansplice.conf,
 *            lansplice@SITE.service for /etc/lansplice/SITE/lansplice.conf
 *   nobody   anything else: whoever said 'lansplice run'
 *
 * Each function writes words into @out that stand in a message: what it returns. The words of
 * service_start() are a command in quotes, those of the others a clause: "mend it, then %s".
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "../config.h"

enum { SERVICE_WORDS_SIZE = CONFIG_PATH_SIZE + 256, SERVICE_SECTION_SIZE = 64 };

/** service_start() - "'systemctl start lansplice'", "'lansplice run'" */
const char *service_start(const char *config_path, char out[SERVICE_WORDS_SIZE]);

/** service_reload() - "'systemctl reload lansplice'", "reload it by kill -HUP" */
const char *service_reload(const char *config_path, char out[SERVICE_WORDS_SIZE]);

/** service_restart() - "'systemctl restart lansplice'", "restart lansplice" */
const char *service_restart(const char *config_path, char out[SERVICE_WORDS_SIZE]);

/** service_file() - Where a person edits: the configuration itself, or what it is made from */
const char *service_file(const char *config_path);

/**
 * service_has_written() - Whether a configuration is there, or need not come from a service
 * @error: EXIT_USAGE: it comes with the first start, and how that is done
 */
bool service_has_written(const char *config_path, struct error *error);

/**
 * service_set() - How an option of [site] is set, or one that may be repeated added, and taken
 * @value: may say what it is like: "HOST:PORT"
 */
const char *service_set(const char *config_path, const char *option, const char *value,
                        char out[SERVICE_WORDS_SIZE]);

/**
 * service_uci_section() - UCI's section of a peer, which stands above it in a generated file
 *
 * Return: false when it is not from there, as one that has just joined and is in peers.d/
 */
bool service_uci_section(const struct config_peer *peer, char section[SERVICE_SECTION_SIZE]);

/** service_set_endpoint() - The same of a peer's 'endpoint' */
const char *service_set_endpoint(const struct config *config, const char *peer,
                                 char out[SERVICE_WORDS_SIZE]);

#endif
