/* SPDX-License-Identifier: MIT
 *
 * fuzz_site_info.c - any bytes: what is accepted is valid, and survives being written and read.
 */
#include "tunnel/site_info.h"

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    static const struct site_info nothing;
    struct site_info info, again;
    uint8_t bytes[SITE_INFO_MAX_BYTES];

    memset(&info, 0xff, sizeof info);
    if (!site_info_decode(&info, input, count)) {
        require(memcmp(&info, &nothing, sizeof info) == 0);
        return 0;
    }
    require(site_name_valid(info.name));
    require(info.prefix_count <= SITE_PREFIXES_MAX && info.gateways.count <= GATEWAYS_MAX);
    size_t written = site_info_encode(&info, bytes, sizeof bytes);
    require(written > 0 && written <= sizeof bytes);
    require(site_info_encode(&info, bytes, written - 1) == 0);
    require(site_info_decode(&again, bytes, written));
    require(site_info_equal(&info, &again));
    return 0;
}
