/* SPDX-License-Identifier: MIT
 *
 * config_options.h - every option of the configuration, once: its name, the function in
 * config_values.c that takes its value, whether it may be repeated, and what the legal values are.
 *
 * Used for parsing and for messages; a test reads this list and looks each up in the manual.
 */
#ifndef DAEMON_CONFIG_OPTIONS_H
#define DAEMON_CONFIG_OPTIONS_H

#define LEGAL_SWITCH "on or off (or yes, no)"

#define SITE_OPTIONS(X)                                                                            \
    X("name", set_name, false, "1 to 32 of a-z, 0-9 and -")                                        \
    X("private-key", set_private_key, false, "the path of a file with mode 0600")                  \
    X("port", set_port, false, "auto, or a UDP port, 1 to 65535")                                  \
    X("bridge", set_bridge, false, "a bridge's name, at most 15 characters, or nothing")           \
    X("tap", set_tap, false, "an interface's name, 1 to 15 characters")                            \
    X("control", set_control, false, "the path of a socket, at most 107 characters")               \
    X("ttl-repair", set_ttl_repair, false, "some of mdns ssdp, or off")                            \
    X("guard", set_guard, false, "some of dhcp ra gateway hosts querier stp, or off")              \
    X("multicast", set_multicast, false, "discovery or all")                                       \
    X("ra-routes", set_ra_routes, false, LEGAL_SWITCH)                                             \
    X("ipv6-on-link", set_ipv6_on_link, false, LEGAL_SWITCH)                                       \
    X("hub", set_hub, false, LEGAL_SWITCH)                                                         \
    X("max-datagram", set_max_datagram, false, "auto, or 1200 to 9000 bytes")                      \
    X("icmp-hint", set_icmp_hint, false, LEGAL_SWITCH)                                             \
    X("ciphers", set_ciphers, false,                                                               \
      "auto, or a list of aegis128l aegis256 aes256gcm chacha20poly1305")                          \
    X("stun", set_stun, true, "HOST or HOST:PORT, [IPv6] in brackets; at most 4")                  \
    X("turn", set_turn, true, "turn:USER@HOST or turn:USER@HOST:PORT; at most 3")                  \
    X("turn-secret", set_turn_secret, false, "the path of a file with mode 0600")                  \
    X("relay-for-peers", set_relay_for_peers, false, LEGAL_SWITCH)                                 \
    X("rendezvous-command", set_rendezvous_command, false, "the path of a program, or nothing")    \
    X("event-command", set_event_command, false, "the path of a program, or nothing")

#define PEER_OPTIONS(X)                                                                            \
    X("public-key", set_public_key, false,                                                         \
      "44 characters of base64, as 'lansplice pubkey' prints")                                     \
    X("preshared-key", set_preshared_key, false, "the path of a file with mode 0600")              \
    X("endpoint", set_endpoint, true,                                                              \
      "HOST:PORT, [IPv6]:PORT in brackets, or _service._udp.NAME; at most 4")                      \
    X("keepalive", set_keepalive, false, "seconds, 0 (off) to 65535")

/* Timers that tests shorten, offloads that they forgo; only the lab's daemon (make lab-daemon)
 * knows the section. */
#define TEST_OPTIONS(X)                                                                            \
    X("rekey-after-ms", set_rekey_after, false, "milliseconds, 1 to 1000000000")                   \
    X("reject-after-ms", set_reject_after, false, "milliseconds, 1 to 1000000000")                 \
    X("raise-after-ms", set_raise_after, false, "milliseconds, 1 to 1000000000")                   \
    X("token-lifetime-ms", set_token_lifetime, false, "milliseconds, 1 to 1000000000")             \
    X("without", set_without, false,                                                               \
      "some of vnet offload uso segment gro worker timestamp, or off")                             \
    X("map-rules", set_map_rules, false, "a pattern of files that begins with /")                  \
    X("dhcp-files", set_dhcp_files, false, "patterns of files")

#endif
