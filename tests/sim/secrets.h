/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who can decrypt what: the keys that devices hold, and what they could make of all that the hub
 * has with every secret they were ever seen with.
 */
#ifndef KITH_TESTS_SIM_SECRETS_H
#define KITH_TESTS_SIM_SECRETS_H

#include "tests/sim/world.h"

/* At any time: no key of an epoch that was not sealed to this device. Notes those it has. */
void secrets_check(struct world *world, struct sim_device *device);
/* What a device that was taken out or never let in makes of the hub's whole store: it opens what it
 * was a recipient of, and nothing that was sealed after. */
void secrets_try(struct world *world, struct sim_device *device);
/* After a purge: nothing that could be read is left of this circle. */
void secrets_check_purged(struct world *world, struct sim_device *device, uint32_t circle);

#endif
