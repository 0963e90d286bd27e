/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Honesty about clocks. A wrong clock refuses nothing and decides nothing; what was written under
 * it says so for ever.
 *
 * Each circle has one record of type RECORD_CLOCK, with the circle's id: an entry for each run of
 * changes whose author's device found that its clock was off, [device, first n, last n, offset in
 * ms, found at in ms]; n 0 stands for the change that brought the entry. The offset is what must be
 * added to the claimed times. It is found when a save comes earlier than what is known here
 * already, and when the hub's clock differs from what it was thought to be.
 */
#ifndef KITH_CLIENT_CLOCK_H
#define KITH_CLIENT_CLOCK_H

#include "client/home.h"
#include "client/visit.h"
#include "store/renew.h"

#define CLOCK_SPANS 1 /* the record's one field */

/* A clock that is off by no more is not worth a word. */
#define CLOCK_OFF_MS 120000

/* What is to be saved, and with it an entry if the clock is behind what is known here. `value` is
 * the entry's memory. */
struct clocked_edits {
    struct edit *edits;
    uint32_t count;
    struct buffer value;
};
MUST_USE enum kith_err clock_edits(struct kith *kith, const struct edit *edits, uint32_t count,
                                   struct clocked_edits *clocked);
void clocked_edits_clear(struct clocked_edits *clocked);

/* An entry's value once more, for changes that a renewed device writes anew under its new number.
 */
void clock_span_rename(const struct renewed_names *names, struct bytes value, struct buffer *out);

/* What a sync is to be compared with: begun before it, ended after it. */
struct clock_watch {
    struct unsent_run *runs;
    size_t count;
    int64_t offset_ms;
};
MUST_USE enum kith_err clock_watch_begin(struct kith *kith, struct clock_watch *watch);
/* Writes entries for what was unsent, if the clock turns out to have been off. `wrote`: there is
 * something to send now. */
MUST_USE enum kith_err clock_watch_end(struct kith *kith, struct clock_watch *watch, bool *wrote);

/* By how much the clock was off under which a visit's content was written; 0 if nobody noticed. */
MUST_USE enum kith_err clock_offset_of(struct kith *kith, const struct visit *visit,
                                       int64_t *offset_ms);

#endif
