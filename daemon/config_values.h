/* SPDX-License-Identifier: MIT
 *
 * config_values.h - what each option's value means: the table behind config.c.
 */
#ifndef DAEMON_CONFIG_VALUES_H
#define DAEMON_CONFIG_VALUES_H

#include "config.h"

enum config_section { CONFIG_NONE, CONFIG_SITE, CONFIG_PEER, CONFIG_TEST };

/* Where a value goes, and what a message about it needs. */
struct config_target {
    struct config *config;
    struct config_peer *peer; /* in CONFIG_PEER */
    const char *directory;    /* of the file, for relative paths */
    const char *where;        /* "file:line: option" */
    struct error *error;      /* text "" at first */
};

struct config_option {
    const char *name;
    /* False: the value is none; the setter may have said more in error, else it is just bad. */
    bool (*set)(struct config_target *target, const char *value);
    bool repeatable;
    const char *legal;
};

/** config_options() - the options of a section; *@count receives how many */
const struct config_option *config_options(enum config_section section, size_t *count);

/** config_set_defaults() - what holds where the file says nothing */
void config_set_defaults(struct config *config);

#endif
