/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An unlocked home: a small process that holds the data key in locked memory and gives it to the
 * commands of the same user, over a socket in the home (mode 0600, peer checked).
 *
 * It locks itself after a time without use, on `kith lock`, and when the home goes away. It knows
 * no network.
 */
#ifndef KITH_CLIENT_AGENT_UNLOCK_H
#define KITH_CLIENT_AGENT_UNLOCK_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

/* Starts the holder in the background (it has left the terminal when this returns). EXISTS if one
 * is running: its time begins anew. */
MUST_USE enum kith_err unlock_start(const char *home, const uint8_t key[static KEY_BYTES],
                                    uint32_t idle_minutes);
/* KITH_LOCKED if nobody holds it. */
MUST_USE enum kith_err unlock_key(const char *home, uint8_t key[static KEY_BYTES]);
/* A descriptor that becomes readable when the holder is gone. LOCKED if there is none. */
MUST_USE enum kith_err unlock_watch(const char *home, int *gone);
/* KITH_OK also if it was locked already. When it returns the key is gone from memory. */
MUST_USE enum kith_err unlock_end(const char *home);

#endif
