/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash and a cipher that are quick and nothing else: equal input gives equal output, a changed
 * byte another one, a wrong key is noticed, and a text cannot be found in what it was sealed to.
 * Nobody attacks here.
 */
#ifndef KITH_TESTS_SIM_QUICK_H
#define KITH_TESTS_SIM_QUICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUICK_TAG_BYTES   16
#define QUICK_BLOCK_BYTES 16

/* However the input is cut into pieces, the hash is the same. */
struct quick_hash {
    uint64_t sum;
    uint64_t len;
    uint8_t block[QUICK_BLOCK_BYTES]; /* what is not added yet, zeros behind */
};

void quick_init(struct quick_hash *hash, uint64_t purpose);
void quick_add(struct quick_hash *hash, const void *from, size_t len);
void quick_end(struct quick_hash *hash, uint8_t *out, size_t len);
/* From `first` on, each word by the one before it. */
void quick_spread(uint64_t first, uint8_t *out, size_t len);

struct quick_part {
    const uint8_t *ptr;
    size_t len;
};

/* Writes as many bytes as the text has and a tag; may be in place. */
void quick_seal(uint8_t *sealed, struct quick_part text, struct quick_part key,
                struct quick_part nonce, struct quick_part beside);
/* False if anything differs from what was sealed. `text` may be NULL: verifies only. */
bool quick_open(uint8_t *text, struct quick_part sealed, struct quick_part key,
                struct quick_part nonce, struct quick_part beside);

#endif
