/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants; each fails the schedule by name. */
#ifndef KITH_TESTS_SIM_CHECK_H
#define KITH_TESTS_SIM_CHECK_H

#include "tests/sim/world.h"

/* Whether a person is in a circle, as the hub has it. */
bool check_is_member(struct world *world, uint32_t circle, uint32_t person);
/* What the device has merged of a circle and counts, after checking that it never goes back, is
 * causally closed and holds all that was saved here. False if nothing of the circle can be read
 * here. */
bool check_merged(struct world *world, struct sim_device *device, uint32_t circle);
/* What a save must say: KITH_OK; or why it is not taken, as far as this device has heard. */
enum kith_err check_may_write(struct world *world, struct sim_device *device, uint32_t circle);
/* Every record of a circle against the model; the hash of them all, in order of type and id. */
uint64_t check_records(struct world *world, struct sim_device *device, uint32_t circle);
/* Every step of the life of a circle's note that this device shows: its signature verifies, and
 * the content that was signed is there as it was signed, whatever was written later. None that was
 * shown once is missing. The hash of where the note stands. */
uint64_t check_notes(struct world *world, struct sim_device *device, uint32_t circle);
/* What the device was promised stands on the hub. */
void check_receipts(struct world *world, struct sim_device *device);
/* All of the above for one device. */
void check_device(struct world *world, struct sim_device *device);
/* Right after a sync of one round trip in which nobody else had a part: everything was exchanged;
 * asking again costs one too, brings nothing and does not move the cursor. */
void check_idle(struct world *world, struct sim_device *device);
/* After everybody has synced until nothing moved. */
void check_healed(struct world *world);

#endif
