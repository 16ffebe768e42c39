/* SPDX-License-Identifier: MIT
 *
 * doctor_names.h - the addresses of peers' endpoints, all asked for at once: DNS that is dead makes
 * the system's resolver wait for many seconds, and that for each name.
 */
#ifndef DOCTOR_NAMES_H
#define DOCTOR_NAMES_H

#include "../config.h"

enum { DOCTOR_NAMES_MAX = SITE_PEERS_MAX * CONFIG_ENDPOINTS_MAX, DOCTOR_NAME_ADDRESSES_MAX = 8 };

struct doctor_name {
    const char *text; /* as endpoint_text_valid() allows it, addresses and SRV names included */
    bool answered;    /* be it that there is no such name */
    size_t count;
    struct endpoint address[DOCTOR_NAME_ADDRESSES_MAX];
};

/**
 * doctor_names_ask() - Ask for all of them, for two seconds at most; once in a process
 * @names: Their texts are given and must live until the process ends
 * @count: At most DOCTOR_NAMES_MAX
 */
void doctor_names_ask(struct doctor_name *names, size_t count);

#endif
