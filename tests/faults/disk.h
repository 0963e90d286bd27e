/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk of a machine that loses its power: what of a recording is there for certain, and what
 * may be.
 *
 * 1. What a finished sync covers is there: of a file its bytes and length, of the folder its names.
 * A name is there only after the folder's own sync.
 * 2. Everything later may be there as a whole, not at all, in its first sectors or in any of them,
 * and in any order among the writes; names keep their order, as with every journal.
 * 3. Which of these an image shows, a seed says.
 */
#ifndef KITH_TESTS_FAULTS_DISK_H
#define KITH_TESTS_FAULTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/faults/event.h"

#define SECTOR_BYTES 512

/* Controls: a disk, or a program, that does not do what is relied upon. */
enum disk_neglect {
    NEGLECT_NOTHING = 0,
    NEGLECT_SYNCS = 1,   /* a sync of a file does nothing */
    NEGLECT_THROUGH = 2, /* nor does writing through */
    NEGLECT_ALL = 3,
};

struct disk;

struct disk *disk_new(void);
void disk_free(struct disk **disk);
/* From now on. What is older than the last few writes is then there all the same: no machine keeps
 * them for ever. */
void disk_neglect(struct disk *disk, enum disk_neglect neglect);
/* Takes the next event; its bytes must live as long as the disk. A write that goes through may be
 * half done until disk_settle. */
void disk_take(struct disk *disk, const struct event *event, const uint8_t *bytes);
void disk_settle(struct disk *disk);
/* Whether there is anything that may or may not be there. */
bool disk_is_unsettled(const struct disk *disk);
/* Writes an image into a folder, in place of what is there: variant 0 drops all that is not
 * certain, variant 1 keeps all, others are drawn. */
void disk_image(const struct disk *disk, uint64_t seed, unsigned variant, const char *folder);

#endif
