/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may read and write what, by a second reading of the access chains: a view for each entry, as
 * docs/protocol.md, section 7, has it, in plain arrays and without a line of protocol/circle.c.
 *
 * Entries are taken from the hub, or from a device that has made a circle the hub has not heard of.
 */
#ifndef KITH_TESTS_SIM_ACCESS_H
#define KITH_TESTS_SIM_ACCESS_H

#include "tests/sim/world.h"

/* The circle after its first `count` entries. Fails the schedule if the device's own reading of
 * them is another one. NULL if the circle is not here. */
const struct access_view *access_of_device(struct world *world, struct sim_device *device,
                                           uint32_t circle, enum circle_part *part);
/* As the hub has it, with all entries; as its author has it while the hub has none. */
const struct access_view *access_newest(struct world *world, uint32_t circle);
/* After so many entries, which have been seen before; never NULL. */
const struct access_view *access_after(const struct world *world, uint32_t circle, uint32_t count);
enum circle_right access_right(const struct access_view *view, uint32_t person);
bool access_is_recipient(const struct access_view *view, uint32_t device);
/* How many of `n` changes of a device count. */
uint32_t access_counted(const struct access_view *view, uint32_t device, uint32_t n);
/* Whether protocol/circle.c reads the same out of the same entries. */
void access_compare(struct world *world, uint32_t circle, const struct circle *state);

#endif
