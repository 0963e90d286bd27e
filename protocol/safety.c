/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/safety.h"

#include "protocol/seal.h"

#define GROUP_BYTES  5
#define GROUP_DIGITS 5

static void group_write(const uint8_t *from, char *to)
{
    uint64_t value = 0;

    for (size_t i = 0; i < GROUP_BYTES; i++)
        value = value << 8 | from[i];
    for (size_t i = GROUP_DIGITS; i > 0; i--) {
        to[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    to[GROUP_DIGITS] = ' ';
}

void safety_groups(const uint8_t hash[static HASH_BYTES], size_t count, char *text)
{
    for (size_t group = 0; group < count; group++)
        group_write(hash + group * GROUP_BYTES, text + group * SAFETY_GROUP_CHARS);
    text[count * SAFETY_GROUP_CHARS - 1] = '\0';
}

void safety_number(const uint8_t agency[static ID_BYTES], uint32_t device,
                   const struct device_public *keys, char text[static SAFETY_TEXT])
{
    static const enum seal_tag tags[] = {SEAL_SAFETY_FIRST, SEAL_SAFETY_SECOND};
    uint8_t number[4];
    const struct bytes parts[] = {bytes_of(agency, ID_BYTES), bytes_of(number, sizeof number),
                                  bytes_of(keys->sign, KEY_BYTES), bytes_of(keys->noise, KEY_BYTES),
                                  bytes_of(keys->box, KEY_BYTES)};
    uint8_t hash[HASH_BYTES];

    put_u32(number, device);
    for (size_t half = 0; half < 2; half++) {
        seal_hash(tags[half], parts, sizeof parts / sizeof *parts, hash);
        safety_groups(hash, SAFETY_GROUPS / 2, text + half * SAFETY_TEXT / 2);
        text[SAFETY_TEXT / 2 - 1] = ' ';
    }
}
