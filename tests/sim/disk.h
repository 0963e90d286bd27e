/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fills up, or a machine that stops: from a write on, none succeeds any more.
 *
 * The program's own pwrite and writev take the place of the C library's, for LMDB too.
 */
#ifndef KITH_TESTS_SIM_DISK_H
#define KITH_TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define DISK_WRITES_MAX 12 /* more than a small transaction has */

/* `writes` more will succeed; the pages that are there already can be written anew. */
void disk_fill(uint32_t writes);
/* As when the machine stops within the next write but `writes`: a part of it arrives, and nothing
 * of what follows. Head pages fit into a sector and arrive whole or not at all. */
void disk_stop(uint32_t writes);
/* All is well again; true if a write failed since then. */
bool disk_repair(void);

#endif
