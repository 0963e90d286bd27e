/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fills up: from a write on, none succeeds any more, until there is room again.
 *
 * The program's own pwrite and writev take the place of the C library's, for LMDB too.
 */
#ifndef KITH_TESTS_SIM_DISK_H
#define KITH_TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* `writes` more will succeed. */
void disk_fill(uint32_t writes);
/* True if a write failed since disk_fill. */
bool disk_make_room(void);

#endif
