/* SPDX-License-Identifier: MIT
 *
 * copy.c - see copy.h.
 */
#include "copy.h"

#include <string.h>

bool copy_text(char *out, size_t capacity, const char *text)
{
    size_t bytes = strlen(text) + 1;

    if (bytes > capacity) {
        out[0] = '\0';
        return false;
    }
    memcpy(out, text, bytes);
    return true;
}
