/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle as a file: read chunk by chunk, and written beside its place until it is whole.
 *
 * What was written is on disk when the file has its name; a file that is no bundle is never
 * overwritten. Nothing of a file is believed: its size is bounded, what is not a plain file is not
 * opened. Memory: one chunk.
 */
#ifndef KITH_STORE_BUNDLE_FILE_H
#define KITH_STORE_BUNDLE_FILE_H

#include "protocol/bundle.h"

#define BUNDLE_PATH_MAX 4096

struct bundle_source {
    int fd;
    uint64_t size;
    uint64_t done; /* bytes read so far */
    struct bundle_reader reader;
    struct buffer sealed;
};

/* `secrets`: any of them may open it. NOT_FOUND if there is no such file; NO_KEY if it is sealed to
 * others, or somebody altered the place where it says so; MALFORMED, VERSION, CUT, TOO_LARGE,
 * COMMITMENT, PERMISSION, IO. */
MUST_USE enum kith_err source_open(struct bundle_source *source, const char *path,
                                   const uint8_t (*secrets)[KEY_BYTES], size_t count);
/* The frames of the next chunk, valid until the next call; false at the end or after a failure. */
bool source_next(struct bundle_source *source, struct bytes *frames, enum kith_err *err);
void source_close(struct bundle_source *source);

struct bundle_target {
    int fd;
    char path[BUNDLE_PATH_MAX];
    char part[BUNDLE_PATH_MAX + 8];
    struct bundle_writer writer;
    struct buffer held; /* the newest batch: whether it is the last is not known yet */
    bool has_held;
    struct buffer sealed;
    uint64_t batches;
    uint64_t size;
};

/* EXISTS if something else than a bundle has that name. */
MUST_USE enum kith_err target_open(struct bundle_target *target, const char *path,
                                   const struct bundle_preface *preface, const uint8_t *sign_secret,
                                   const uint8_t (*recipients)[KEY_BYTES], size_t count);
MUST_USE enum kith_err target_add(struct bundle_target *target, struct bytes frames);
/* Fills it up, and gives it its name. */
MUST_USE enum kith_err target_commit(struct bundle_target *target);
/* After any of these calls; without target_commit nothing is left of it. */
void target_close(struct bundle_target *target);

#endif
