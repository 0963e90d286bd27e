/* SPDX-License-Identifier: Apache-2.0 */
/* What people do at a device: save edits and let others into charts. */
#ifndef KITH_TESTS_SIM_WORK_H
#define KITH_TESTS_SIM_WORK_H

#include "tests/sim/world.h"

/* One save of one to three edits in a circle, on the few records that everybody works on. */
void work_save(struct world *world, struct sim_device *device, uint32_t circle);
/* The same with the machine dying before the person was told: as if it had not been. */
void work_save_lost(struct world *world, struct sim_device *device, uint32_t circle);
void work_grant(struct world *world, struct sim_device *device, uint32_t circle);

#endif
