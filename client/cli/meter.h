/* SPDX-License-Identifier: Apache-2.0 */
/* A share as a row of blocks, with eighths of one at its end. */
#ifndef KITH_CLIENT_CLI_METER_H
#define KITH_CLIENT_CLI_METER_H

#include <stdint.h>

#define METER_CELLS 16
#define METER_BYTES (3 * METER_CELLS + 1)

/* Full from `of` on; empty for 0 of it. */
void meter_write(char text[static METER_BYTES], int64_t value, int64_t of);

#endif
