/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The safety number of a device: sixty digits that two people read to each other to make sure that
 * the keys which one has on the roster are those which the other has on the device.
 *
 * Twelve groups of five digits. Each is five bytes of a hash, modulo 100 000: two BLAKE2b-256
 * hashes of agency, number and keys under tags of their own give six groups each. So nothing of the
 * keys is left out, and no two groups come from the same bits.
 */
#ifndef KITH_PROTOCOL_SAFETY_H
#define KITH_PROTOCOL_SAFETY_H

#include "protocol/roster.h"

#define SAFETY_GROUPS 12
/* Five digits and a blank; the last blank is the final zero. */
#define SAFETY_GROUP_CHARS 6
#define SAFETY_TEXT        (SAFETY_GROUPS * SAFETY_GROUP_CHARS)

/* The first groups of a hash: five bytes of it each. */
void safety_groups(const uint8_t hash[static HASH_BYTES], size_t count, char *text);

void safety_number(const uint8_t agency[static ID_BYTES], uint32_t device,
                   const struct device_public *keys, char text[static SAFETY_TEXT]);

#endif
