/* SPDX-License-Identifier: MIT
 *
 * tap_device.h - the tun driver's side of a TAP: holding it, virtio-net headers, offloads.
 *
 * Headers are asked for with IFF_VNET_HDR when the TAP is attached to, offloads with TUNSETOFFLOAD.
 * Of a TAP that was there before the driver keeps both when we leave it, so they are put back.
 */
#ifndef TAP_DEVICE_H
#define TAP_DEVICE_H

#include "tap.h"

/**
 * tap_device_hold() - Make the TAP @name, or attach to it
 * @tap: found and options are read; fd, vnet, tso, uso and former_driver are set
 *
 * Return: false with @error, and nothing is held
 */
bool tap_device_hold(struct tap *tap, const char *name, struct error *error);

/** tap_device_let_go() - One that was made goes, one that was found has its settings back */
void tap_device_let_go(struct tap *tap, const char *name);

#endif
