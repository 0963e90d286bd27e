/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run over a recording: at points drawn from all of it, images of the disk are rebuilt and
 * checked, by as many processes as there are processors.
 *
 * A process that an image brings down counts as a finding, and another goes on behind it.
 */
#ifndef KITH_TESTS_FAULTS_TRIAL_H
#define KITH_TESTS_FAULTS_TRIAL_H

#include "tests/faults/check.h"
#include "tests/faults/disk.h"

struct trial {
    const char *log;
    const char *told;   /* marks beside the log, with their place by the clock; NULL for none */
    const char *folder; /* for images: each process has its own below it */
    bool is_hub;
    uint8_t key[KEY_BYTES]; /* of a laptop */
    uint64_t count;         /* how many images at least */
    uint64_t seed;
    enum disk_neglect neglect;
    /* What came of it. */
    uint64_t images;
    uint64_t points; /* events after which the disk may differ from before */
    uint64_t lost;
};

/* Names the first findings on stderr. */
void trial_run(struct trial *trial);
/* Appends to `to` what each commit lets the other side know: of a hub, which changes of `device` it
 * has; of a laptop, what the hub has signed for. */
void trial_tell(const struct trial *trial, uint32_t device, const char *to);
/* Leaves one image in `folder` and says what is found; false if anything is. */
bool trial_image(struct trial *trial, uint64_t point, unsigned variant);

#endif
