/* SPDX-License-Identifier: Apache-2.0 */
/* The life of notes: steps that people take and sign. What must hold of them is in check.h. */
#ifndef KITH_TESTS_SIM_NOTES_H
#define KITH_TESTS_SIM_NOTES_H

#include "tests/sim/world.h"

/* Signs the step that is next for this person at this device, as the client does it: the author
 * signs and submits, somebody who leads co-signs. The value that stands for it; false if there is
 * none to take. */
bool note_step(struct world *world, struct sim_device *device, uint32_t circle, uint32_t *value);

#endif
