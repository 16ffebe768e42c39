/* SPDX-License-Identifier: MIT
 *
 * start.h - what must hold before anything else, in the daemon and in the other commands.
 */
#ifndef START_H
#define START_H

#include "error.h"

#include <stdbool.h>

/** start_program() - libsodium is ready, no file made is readable by others, and 0 to 2 are open */
bool start_program(struct error *error);

/**
 * start_config_path() - The configuration where none is named
 *
 * A link, as OpenWrt's package makes it, stands for the site it leads to: the files beside that one
 * are meant, not those beside the link.
 */
const char *start_config_path(void);

#endif
