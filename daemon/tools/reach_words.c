/* SPDX-License-Identifier: MIT
 *
 * reach_words.c - see reach_words.h
 */
#include "reach_words.h"

#include "daemon_client.h"

#include <stdio.h>

/* By one that has no global address of IPv6 itself. What STUN saw is not enough: a NAT lets in
 * answers only, and the two must call each other at the same time. */
static bool can_be_called(const struct candidate_list *list)
{
    for (uint8_t i = 0; i < list->count; i++) {
        const struct candidate *one = &list->item[i];
        if (one->endpoint.address.family == IP_V4 && !ip_is_private(&one->endpoint.address) &&
            one->kind != CANDIDATE_REFLEXIVE && one->kind != CANDIDATE_PORT_SET)
            return true;
    }
    return false;
}

bool reach_words_hopeless(const struct candidate_list *home, const struct candidate_list *other)
{
    return home->count > 0 && other->count > 0 && daemon_candidates_private(home) &&
           !can_be_called(other);
}

const char *reach_words_here(const struct config *config, const char *other, const char *then,
                             char out[REACH_WORDS_SIZE])
{
    char words[SERVICE_WORDS_SIZE];

    snprintf(out, REACH_WORDS_SIZE,
             "this home knows only private addresses of its own: unless\n%s shares a peer with it "
             "or has the same rendezvous-command, name a STUN server, so that\nit learns its "
             "public one: %s;\nand %s.",
             other, service_set(config->path, "stun", "SERVER", words), then);
    return out;
}

const char *reach_words_there(const char *other, const char *then, char out[REACH_WORDS_SIZE])
{
    snprintf(out, REACH_WORDS_SIZE,
             "%s knows only private addresses of its own: unless\nthis home shares a peer with it "
             "or has the same rendezvous-command, name a STUN server there, so\nthat it learns "
             "its public one ('stun', see lansplice.conf(5)); and %s.",
             other, then);
    return out;
}
