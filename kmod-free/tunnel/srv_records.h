/* SPDX-License-Identifier: MIT
 *
 * srv_records.h - SRV records (RFC 2782) out of a DNS answer (RFC 1035 s.4), which anybody on the
 * way may have written.
 */
#ifndef TUNNEL_SRV_RECORDS_H
#define TUNNEL_SRV_RECORDS_H

#include <stddef.h>
#include <stdint.h>

enum { SRV_RECORDS_MAX = 8, SRV_HOST_SIZE = 256 };

struct srv_record {
    uint16_t priority, weight, port;
    char host[SRV_HOST_SIZE]; /* without the last dot */
};

/**
 * srv_records_read() - The SRV records among the answers of a DNS message
 * @out: receives them, in the message's order
 *
 * Passed over are the root as host (there is no such service), port 0, and hosts that are no host's
 * name: other characters than letters, digits, '-' and '_'. What is cut off ends the list.
 *
 * Return: how many
 */
size_t srv_records_read(const uint8_t *message, size_t bytes,
                        struct srv_record out[SRV_RECORDS_MAX]);

#endif
