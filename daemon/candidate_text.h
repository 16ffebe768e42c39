/* SPDX-License-Identifier: MIT
 *
 * candidate_text.h - candidates as people and status read them, and back.
 *
 *   203.0.113.5:7788 reflexive
 *   [2001:db8::1]:7788 host
 *   203.0.113.5 port-set 4 8 52        (offset bits, PSID bits, PSID)
 */
#ifndef CANDIDATE_TEXT_H
#define CANDIDATE_TEXT_H

#include "text.h"
#include "tunnel/candidate.h"

#include <stddef.h>

enum { CANDIDATE_TEXT_SIZE = TEXT_ENDPOINT_SIZE + 32 };

/** candidate_kind_text() - "host", "reflexive" and so on; static */
const char *candidate_kind_text(uint8_t kind);

/** candidate_text() - One candidate; returns @out */
const char *candidate_text(const struct candidate *candidate, char out[CANDIDATE_TEXT_SIZE]);

/** candidate_from_text() - Return: false, and all zero, when it is none of a kind on the wire */
bool candidate_from_text(struct candidate *candidate, const char *text);

#endif
