/* SPDX-License-Identifier: MIT
 *
 * peer_removal.h - a name that is to be invited or joined anew is taken: by what, and how its owner
 * takes that away. The file peers.d/NAME.conf alone takes it, whatever is in it: when it appears,
 * an enrolment is done (state.h), so no invite of that name is looked at while it is there.
 */
#ifndef PEER_REMOVAL_H
#define PEER_REMOVAL_H

#include "../config.h"

struct peer_removal {
    char where[CONFIG_PATH_SIZE + 80];    /* FILE:LINE, FILE, or the section of OpenWrt's UCI */
    char what[CONFIG_PATH_SIZE * 2 + 80]; /* to do, as an imperative */
};

/**
 * peer_removal_find() - look for what takes the name
 * @config: loaded from disk just now
 *
 * Return: false when nothing does
 */
bool peer_removal_find(const struct config *config, const char *name, struct peer_removal *out);

#endif
