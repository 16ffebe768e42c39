/* SPDX-License-Identifier: MIT
 *
 * fuzz_candidate.c - any bytes: what is accepted is well-formed, what of it is usable survives
 * being written and read, and paths that are told it stay within their bounds.
 */
#include "tunnel/candidate.h"
#include "tunnel/paths.h"

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_usable_survives(const struct candidate_list *list)
{
    struct candidate_list again;
    uint8_t bytes[CANDIDATES_MAX_BYTES];
    size_t written = candidate_encode(list, bytes, sizeof bytes), next = 0;
    require(written > 0);
    require(written == 1 || candidate_encode(list, bytes, written - 1) == 0);
    candidate_encode(list, bytes, sizeof bytes);
    require(candidate_decode(&again, bytes, written));
    for (size_t i = 0; i < list->count; i++)
        if (candidate_usable(&list->item[i]))
            require(next < again.count && candidate_equal(&list->item[i], &again.item[next++]));
    require(next == again.count);
}

static void require_bounds(const struct candidate_list *list)
{
    struct paths p;
    struct path_check check;
    struct endpoint out[PATHS_MAX];
    unsigned checks = 0;
    paths_init(&p, 1);
    paths_set(&p, PATHS_TOLD, list, 0);
    require(p.count <= list->count && paths_targets(&p, out, PATHS_MAX, 0) <= p.count);
    for (uint64_t now = 0; now < 1000000; now += 10000)
        while (paths_due(&p, now, &check))
            checks++;
    require(checks <= 20);
    if (list->count > 0)
        paths_attest(&p, &list->item[0].endpoint.address);
    for (uint64_t now = 0; now < 10000000 && paths_spray(&p, now, out); now += 2000)
        require(out[0].port >= 1024);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    static const struct candidate_list nothing;
    struct candidate_list list;

    memset(&list, 0xff, sizeof list);
    if (!candidate_decode(&list, input, count)) {
        require(memcmp(&list, &nothing, sizeof list) == 0);
        return 0;
    }
    require(list.count <= CANDIDATES_MAX);
    require_usable_survives(&list);
    require_bounds(&list);
    return 0;
}
