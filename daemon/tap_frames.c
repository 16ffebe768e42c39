/* SPDX-License-Identifier: MIT
 *
 * tap_frames.c - frames from and to the TAP, each with its virtio-net header if there is one.
 *
 * One static buffer: a frame is dealt with before the next is read. Its pages beyond the largest
 * frame that ever came are never resident.
 */
#include "tap.h"

#include "frame/segment.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    BATCH = 64,
    FRAME_OFFSET = TAP_ROOM_BYTES + 2, /* the IP header behind Ethernet's is then aligned to 4 */
};

_Static_assert((int)TAP_ROOM_BYTES >= (int)OFFLOAD_HEADER_BYTES, "the header is in the room");
_Static_assert((int)TAP_ROOM_BYTES >= (int)SEGMENT_ROOM_BYTES, "and a chunk's header");

int tap_receive(struct tap *tap, tap_receive_fn *receive, void *context)
{
    static _Alignas(8) uint8_t buffer[FRAME_OFFSET + PACKET_FRAME_MAX_BYTES + TAP_ROOM_BYTES];
    const size_t header_bytes = tap->vnet ? OFFLOAD_HEADER_BYTES : 0;
    uint8_t *frame = buffer + FRAME_OFFSET, *begin = frame - header_bytes;

    for (unsigned i = 0; i < BATCH; i++) {
        ssize_t bytes = read(tap->fd, begin, header_bytes + PACKET_FRAME_MAX_BYTES);
        if (bytes > 0 && (size_t)bytes > header_bytes)
            receive(context, header_bytes != 0 ? begin : NULL, frame, (size_t)bytes - header_bytes);
        else if (bytes > 0 || (bytes < 0 && errno == EINTR))
            continue;
        else
            return bytes < 0 && (errno == EBADFD || errno == ENODEV) ? -1 : 0;
    }
    return 0;
}

void tap_deliver(struct tap *tap, const uint8_t *vnet_header, const struct slice *slices,
                 size_t count)
{
    static const uint8_t plain[OFFLOAD_HEADER_BYTES];
    struct iovec iov[1 + COALESCE_SLICES_MAX];
    int n = 0;

    if (count > COALESCE_SLICES_MAX || (vnet_header != NULL && !tap->vnet)) {
        tap->write_dropped++;
        return;
    }
    /* The kernel only reads; struct iovec has no const. */
    if (tap->vnet)
        iov[n++] =
            (struct iovec){.iov_base = (void *)(uintptr_t)(vnet_header ? vnet_header : plain),
                           .iov_len = OFFLOAD_HEADER_BYTES};
    for (size_t i = 0; i < count; i++)
        iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)slices[i].bytes,
                                  .iov_len = slices[i].length};
    if (tap->fd < 0 || writev(tap->fd, iov, n) < 0)
        tap->write_dropped++;
}
