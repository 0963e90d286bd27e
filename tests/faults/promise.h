/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody was told is saved: the marks of a recording, as lines of text.
 *
 *   ready                          the making of the hub or of the home had ended
 *   roster COUNT                   so many roster entries
 *   chain CIRCLE DEVICE N HEAD     a device's changes in a circle through the N-th; HEAD is its id,
 *                                  or zeros where that is not known yet
 *   record TYPE ID                 a record, as the program shows its id
 *   vault HASH                     the file of this content
 */
#ifndef KITH_TESTS_FAULTS_PROMISE_H
#define KITH_TESTS_FAULTS_PROMISE_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

struct promised_chain {
    uint8_t circle[ID_BYTES];
    uint32_t device;
    uint64_t n;
    uint8_t head[HASH_BYTES];
};

struct promised_record {
    uint32_t type;
    uint8_t id[ID_BYTES];
};

struct promises {
    bool is_ready;
    uint32_t roster;
    struct promised_chain *chains; /* each circle and device once */
    size_t chain_count;
    struct promised_record *records;
    size_t record_count;
    bool has_vault;
    uint8_t vault[HASH_BYTES];
};

/* A line that is none of these ends the program. */
void promises_add(struct promises *promises, struct bytes line);
void promises_clear(struct promises *promises);

/* The hash of a home's vault file; false if there is none. */
bool vault_hash(const char *home, uint8_t hash[static HASH_BYTES]);
uint64_t promise_now(void);
/* Appends to the logs, unless they are "-", as of `when` what the laptop of this home keeps, and
 * what the hub has signed for to it. */
void promises_write(const char *home, const uint8_t key[static KEY_BYTES], uint64_t when,
                    const char *laptop_log, const char *hub_log);
/* Appends which changes of a device a hub has: what that device may not lose any more. */
void promises_write_hub(const char *folder, uint32_t device, uint64_t when, const char *laptop_log);
/* The number of the device of a home. */
uint32_t promise_device(const char *home, const uint8_t key[static KEY_BYTES]);

#endif
