/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hybrid logical clock: a stamp of 48 bits of milliseconds since 1970 and 16 bits of counter.
 *
 * Stamps break ties between concurrent values and are shown to people; they never decide what
 * supersedes what. A stamp is above those this clock gave or saw, except that one ahead of the wall
 * clock by more than HLC_AHEAD_MAX_MS is not followed: a wrong clock carries neither the others
 * with it nor, once it is set right, its own device. Source: Kulkarni et al., "Logical Physical
 * Clocks", 2014.
 */
#ifndef KITH_PROTOCOL_HLC_H
#define KITH_PROTOCOL_HLC_H

#include <stdint.h>

#define HLC_AHEAD_MAX_MS (5 * 60 * 1000)

/* The next stamp, given the last one and the corrected wall clock. */
uint64_t hlc_tick(uint64_t last, uint64_t now_ms);
/* The last stamp after another device's was seen. */
uint64_t hlc_merge(uint64_t last, uint64_t seen, uint64_t now_ms);
uint64_t hlc_ms(uint64_t stamp);

#endif
