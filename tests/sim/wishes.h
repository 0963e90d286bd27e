/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people want written into access chains: somebody let in, somebody taken out, a decision
 * about what is held. With `is_killed` the machine stops at some write of it.
 */
#ifndef KITH_TESTS_SIM_WISHES_H
#define KITH_TESTS_SIM_WISHES_H

#include "tests/sim/world.h"

/* Each draws whom or what it is about, and checks what the device says to it. */
void wish_grant(struct world *world, struct sim_device *device, uint32_t circle, bool is_killed);
void wish_withdraw(struct world *world, struct sim_device *device, uint32_t circle, bool is_killed);
/* About something that is held, if this device has heard of any. */
void wish_decide(struct world *world, struct sim_device *device, bool is_killed);
/* Every wish that was noted came true or was not to be: its author had lost the right to it. */
void check_wishes(struct world *world);

#endif
