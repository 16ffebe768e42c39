/* SPDX-License-Identifier: MIT
 *
 * reach_words.h - what invite, join and accept say where two homes cannot find each other by what
 * they know of themselves: behind NAT a home learns the address that others see by STUN alone.
 */
#ifndef TOOLS_REACH_WORDS_H
#define TOOLS_REACH_WORDS_H

#include "service.h"
#include "tunnel/candidate.h"

enum { REACH_WORDS_SIZE = SERVICE_WORDS_SIZE + 512 };

/**
 * reach_words_hopeless() - Whether a home with these addresses can neither be called by another
 * one nor call it: they are private, and the other is known to answer nowhere without having
 * called itself
 *
 * Of a home of which nothing is known nothing is said.
 */
bool reach_words_hopeless(const struct candidate_list *home, const struct candidate_list *other);

/** reach_words_here() - That this home is such a one, and what helps; @then: "invite again" */
const char *reach_words_here(const struct config *config, const char *other, const char *then,
                             char out[REACH_WORDS_SIZE]);

/** reach_words_there() - The same of the other home, and what to do there */
const char *reach_words_there(const char *other, const char *then, char out[REACH_WORDS_SIZE]);

#endif
