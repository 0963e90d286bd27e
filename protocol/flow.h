/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may be under way in one direction: what the link carries in about a second.
 *
 * Less would leave it idle for a part of each round trip; more would stand in a queue before
 * whatever becomes urgent meanwhile. The time from sending to the answer tells: the window grows
 * while answers come sooner than that, and shrinks when they come later; only what fills half of
 * it is timed. Whoever answers must do so once FLOW_ANSWER_DUE bytes are there.
 * Pure: time is handed in, in milliseconds of any steady clock, modulo 2^32, since only differences
 * count. A clock that stands still lets the window grow.
 */
#ifndef KITH_PROTOCOL_FLOW_H
#define KITH_PROTOCOL_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_TARGET_MS  1000
#define FLOW_WINDOW     16384 /* at the beginning */
#define FLOW_WINDOW_MIN 4096
#define FLOW_ANSWER_DUE (FLOW_WINDOW_MIN / 2)

struct flow {
    uint32_t window; /* bytes that may be under way; a batch that is sent alone may be larger */
    uint32_t under_way;
    uint32_t probe; /* when so many more are answered, the time since probe_ms counts; 0: none */
    uint32_t probe_ms;
};

void flow_init(struct flow *flow);
/* No answer can come back: as much goes at once as there may ever be. */
void flow_widen(struct flow *flow);
/* How large the next batch may be, at most BATCH_MAX; 0: an answer has to come first. */
size_t flow_room(const struct flow *flow);
void flow_sent(struct flow *flow, size_t bytes, uint32_t now_ms);
/* False, and nothing is done, if more is answered than was sent. */
bool flow_answered(struct flow *flow, uint64_t bytes, uint32_t now_ms);

#endif
