/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what goes over the network is paid for by the byte. NetworkManager knows: it was told, or
 * saw that the network is a phone's hotspot.
 *
 * Source: the property Metered of org.freedesktop.NetworkManager, NMMetered in its reference.
 */
#ifndef KITH_CLIENT_AGENT_METERED_H
#define KITH_CLIENT_AGENT_METERED_H

#include <stdbool.h>

/* Asked by busctl, which gives up after a second. False as well where there is no NetworkManager,
 * or none that answers. */
bool metered_now(void);

#endif
