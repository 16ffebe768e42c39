/* SPDX-License-Identifier: MIT
 *
 * service_manager.h - telling who started the daemon that it has come up.
 *
 * systemd's protocol (sd_notify(3)): one datagram to the socket that NOTIFY_SOCKET names. So
 * `systemctl start` fails where the daemon does, and what is ordered after it finds the TAP there.
 */
#ifndef DAEMON_SERVICE_MANAGER_H
#define DAEMON_SERVICE_MANAGER_H

/** service_manager_ready() - Everything is set up; nothing is sent where nobody asked for it */
void service_manager_ready(void);

#endif
