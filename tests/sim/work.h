/* SPDX-License-Identifier: Apache-2.0 */
/* What people type at a device. With `is_killed` the machine stops at some write of it, or before
 * the person is told. */
#ifndef KITH_TESTS_SIM_WORK_H
#define KITH_TESTS_SIM_WORK_H

#include "tests/sim/world.h"

/* One save of one to three edits in a circle, on the few records that everybody works on. */
void work_save(struct world *world, struct sim_device *device, uint32_t circle, bool is_killed);
/* The next step of the note of a chart, if there is one that this person may take. */
void work_sign(struct world *world, struct sim_device *device, uint32_t circle, bool is_killed);

#endif
