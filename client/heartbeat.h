/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agency's sign of life: about once a day each admin's device writes into the agency's circle
 * when it was there. A hub cannot sign it. Whoever syncs and finds only an old one is being shown
 * nothing new.
 */
#ifndef KITH_CLIENT_HEARTBEAT_H
#define KITH_CLIENT_HEARTBEAT_H

#include "client/home.h"

#define HEARTBEAT_MS (20u * 3600 * 1000)
/* An office that is closed over a long weekend is no alarm. */
#define FROZEN_MS (4u * 24 * 3600 * 1000)

/* By an admin's device, if the last one is old: saves one. */
MUST_USE enum kith_err heartbeat_write(struct kith *kith, bool *wrote);
/* When the newest one was signed, by its author's corrected clock; 0: there is none. */
MUST_USE enum kith_err heartbeat_last(struct kith *kith, uint64_t *last_ms);

#endif
