/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agency of many devices in the store of a hub that is not running: enrolled people, charts that
 * some of them share, and what they write, sealed and signed before anything is measured.
 *
 * All of it goes through the ledger's own checks. Devices are numbered from 0 here; on the roster
 * device 1 is the founder's, and device i of the crowd is i + 2. Charts have no boxes with keys: a
 * hub cannot tell, and the devices of the crowd read nothing.
 */
#ifndef KITH_TESTS_BENCH_CROWD_H
#define KITH_TESTS_BENCH_CROWD_H

#include "store/ledger.h"

struct crowd_device {
    uint8_t sign_secret[SIGN_KEY_BYTES];
    struct noise_keypair noise;
    uint32_t circle; /* the chart it writes in: index into circles */
    uint64_t n;      /* of its newest change that was made */
    uint8_t head[HASH_BYTES];
    uint64_t stored; /* how many of its changes the hub has */
};

struct crowd {
    struct ledger_keys hub;
    uint8_t incarnation[INCARNATION_BYTES];
    struct roster roster;
    struct crowd_device *devices;
    uint32_t count;
    uint8_t (*circles)[ID_BYTES];
    uint32_t circle_count;
    uint8_t cursor[CURSOR_MAX]; /* of a device that has all there was when it was noted */
    size_t cursor_len;
    struct ledger *ledger; /* while it is being made */
    uint64_t made;         /* changes */
    uint64_t made_bytes;   /* of their sealed texts, ids' marks and signatures */
};

/* Enrols `count` devices at the hub in `folder`, which `kithd init` made, each of another person.
 * `together` of them share a chart. Ends the program with a sentence if anything is refused. */
void crowd_found(struct crowd *crowd, const char *folder, uint32_t count, uint32_t together);
/* The next `changes` of a device, as a whole message of PUSH, appended. */
void crowd_write(struct crowd *crowd, uint32_t device, uint32_t changes, struct buffer *out);
/* Stores a message of a device, at the latest when the crowd settles. */
void crowd_store(struct crowd *crowd, uint32_t device, struct bytes frames);
/* The hub may be run from here on; nothing more is stored. */
void crowd_settle(struct crowd *crowd);
/* Stores go on after the hub was stopped. */
void crowd_resume(struct crowd *crowd, const char *folder);
/* From here on devices say that they have all there is by now; once founded, roster and charts. */
void crowd_note_cursor(struct crowd *crowd);
void crowd_clear(struct crowd *crowd);

#endif
