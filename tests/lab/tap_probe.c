/* SPDX-License-Identifier: MIT
 *
 * tap_probe NAME SECONDS WITHOUT
 *
 * Holds a TAP as the daemon does, sets it up and tells of each IPv4 frame that it is given; WITHOUT
 * is one of "vnet", "offload", "uso", "-". IPv4 frames also go back as they came, in several
 * slices, their MAC addresses exchanged.
 *
 * It ends when no more comes, after SECONDS at last.
 *
 *   vnet=0|1 tso=0|1 uso=0|1
 *   frame bytes=N flags=N gso=N segment=N        (the last three of the virtio-net header)
 */
#include "tap.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUIET_MS = 300 };

static unsigned frames;

static void on_frame(void *context, const uint8_t *header, uint8_t *frame, size_t bytes)
{
    uint8_t mac[6], zero[OFFLOAD_HEADER_BYTES] = {0};
    const uint8_t *shown = header != NULL ? header : zero;

    if (bytes < 34 || frame[12] != 8 || frame[13] != 0)
        return;
    frames++;
    printf("frame bytes=%zu flags=%u gso=%u segment=%u\n", bytes, shown[0], shown[1],
           shown[4] | (unsigned)shown[5] << 8);
    memcpy(mac, frame, 6);
    memmove(frame, frame + 6, 6);
    memcpy(frame + 6, mac, 6);
    memset(frame + bytes, 0xee, TAP_ROOM_BYTES); /* it may be written to */
    struct slice slices[] = {{frame, 1}, {frame + 1, 13}, {frame + 14, bytes - 14}};
    tap_deliver(context, header, slices, 3);
}

int main(int argc, char **argv)
{
    struct mac mac = {{0xfe, 0, 0, 0, 0, 1}};
    struct netlink netlink;
    struct error error;
    struct tap tap;

    if (argc != 4)
        return 2;
    struct tap_options options = {.no_vnet = strcmp(argv[3], "vnet") == 0,
                                  .no_offload = strcmp(argv[3], "offload") == 0,
                                  .no_uso = strcmp(argv[3], "uso") == 0};
    if (!netlink_open(&netlink, &error) ||
        !tap_open(&tap, &netlink, argv[1], &mac, &options, &error) ||
        !tap_start(&tap, &netlink, 1500, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    printf("vnet=%d tso=%d uso=%d\n", tap.vnet, tap.tso, tap.uso);
    fflush(stdout);
    time_t end = time(NULL) + atoi(argv[2]);
    while (time(NULL) < end) {
        struct pollfd poll_fd = {.fd = tap.fd, .events = POLLIN};
        if (poll(&poll_fd, 1, QUIET_MS) == 0 && frames > 0)
            break;
        tap_receive(&tap, on_frame, &tap);
        fflush(stdout);
    }
    printf("dropped=%llu\n", (unsigned long long)tap.write_dropped);
    tap_close(&tap, &netlink);
    netlink_close(&netlink);
    return 0;
}
