/* SPDX-License-Identifier: MIT
 *
 * fuzz_srv.c - any DNS answer: what is read of it are hosts' names and ports, whatever it points
 * at.
 */
#include "tunnel/srv_records.h"

#include <stdlib.h>
#include <string.h>

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_host(const char *host)
{
    size_t chars =
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    require(chars > 0 && chars < SRV_HOST_SIZE && host[chars] == '\0' && host[chars - 1] != '.' &&
            host[0] != '.' && strstr(host, "..") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct srv_record record[SRV_RECORDS_MAX], again[SRV_RECORDS_MAX];
    size_t count = srv_records_read(data, size, record);

    require(count <= SRV_RECORDS_MAX && srv_records_read(data, size, again) == count);
    for (size_t i = 0; i < count; i++) {
        require(record[i].port != 0 && strcmp(record[i].host, again[i].host) == 0);
        require_host(record[i].host);
    }
    return 0;
}
