/* SPDX-License-Identifier: MIT
 *
 * control_message.h - walking what the kernel says beside a datagram (cmsg(3)).
 */
#ifndef CONTROL_MESSAGE_H
#define CONTROL_MESSAGE_H

#include <sys/socket.h>

/** control_message_next() - As CMSG_NXTHDR(), whose macro in musl converts signs */
static inline struct cmsghdr *control_message_next(struct msghdr *message, struct cmsghdr *c)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
    return CMSG_NXTHDR(message, c);
#pragma GCC diagnostic pop
}

#endif
