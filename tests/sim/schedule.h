/* SPDX-License-Identifier: Apache-2.0 */
/* One schedule: people come, work while everything goes wrong, then all is well again. */
#ifndef KITH_TESTS_SIM_SCHEDULE_H
#define KITH_TESTS_SIM_SCHEDULE_H

#include "tests/sim/world.h"

/* The hash of all that happened. Ends the program when an invariant is broken. */
uint64_t schedule_run(struct world *world, uint64_t seed, const char *parent);

#endif
