/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a recording: what programs did to the files of one folder, in order, and what somebody
 * was told in between.
 *
 * record.c writes it, as a library in front of the C library; disk.c reads it. Each event is a head
 * and `len` bytes. It is written by one call to a file that is only appended to, so the events of
 * several threads and processes stand in one order: a write after it was done, a sync before it
 * began and after it was done.
 */
#ifndef KITH_TESTS_FAULTS_EVENT_H
#define KITH_TESTS_FAULTS_EVENT_H

#include <stdint.h>

#define RECORD_FOLDER "KITH_RECORD_FOLDER"   /* which folder, without a link in its path */
#define RECORD_LOG    "KITH_RECORD_LOG"      /* where the log is */
#define RECORD_DELAY  "KITH_RECORD_DELAY_MS" /* how long every other commit's syncs take more */

enum event_kind {
    EVENT_MADE = 1,        /* file, its name: or it was there already */
    EVENT_WRITTEN,         /* file, at, bytes */
    EVENT_WRITTEN_THROUGH, /* likewise, and on the disk when the call returned */
    EVENT_RESIZED,         /* file, at: the new length */
    EVENT_RENAMED,         /* the old name, a NUL, the new name */
    EVENT_REMOVED,         /* name */
    EVENT_SYNC_BEGUN,      /* file or THE_FOLDER, by which thread */
    EVENT_SYNC_ENDED,
    EVENT_MARK, /* a line of text: what must be there from now on */
};

#define THE_FOLDER UINT64_MAX

struct event {
    uint32_t kind;
    uint32_t thread;
    uint64_t file; /* the number that the file system gave it */
    uint64_t at;
    uint64_t len;
    uint64_t when; /* nanoseconds of the clock that all processes share and nobody sets */
};

#endif
