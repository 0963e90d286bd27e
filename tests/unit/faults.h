/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the system that fail when a test wants them to, whoever makes them: the program's own
 * definitions of malloc, open, pwrite, fdatasync ... come before those of the C library, for LMDB
 * and libsodium too.
 */
#ifndef KITH_TESTS_UNIT_FAULTS_H
#define KITH_TESTS_UNIT_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_site {
    FAULT_NOWHERE,
    FAULT_MEMORY, /* malloc, calloc, realloc; not with AddressSanitizer, which has its own */
    FAULT_MAP,    /* mmap */
    FAULT_OPEN,   /* open, mkdir, and reading what was opened */
    FAULT_WRITE,  /* pwrite, write, writev, ftruncate, rename */
    FAULT_SYNC,   /* fsync, fdatasync: what was written may be on the disk or not */
};

struct fault {
    enum fault_site site;
    int code;         /* errno */
    uint64_t at;      /* the call that fails, the first being 1; 0: none, they are counted alone */
    bool is_for_good; /* and all after it */
};

/* Whether the calls of this site can be made to fail in this build. */
bool fault_is_possible(enum fault_site site);
/* Counts from here on. */
void fault_arm(const struct fault *fault);
/* How many calls there were since; none fails any more. */
uint64_t fault_disarm(void);

#endif
