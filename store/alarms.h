/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms: what a device has noticed that cannot be if hub and devices all tell the truth.
 *
 * 1. An alarm is durable, and there is one for each kind, circle and device, however often it is
 * noticed. 2. What is hidden is told by what others say: a change names how far its author had read
 * everybody else, and the heads of roster and access chain that it knew. What they name and this
 * device was not shown is evidence; it becomes an alarm when the hub says that there is nothing
 * more, and is over when it arrives. 3. An alarm changes nothing else: what is wrong is refused
 * where it is checked.
 */
#ifndef KITH_STORE_ALARMS_H
#define KITH_STORE_ALARMS_H

#include "store/replica.h"

/* X(number, NAME, word). Numbers are stored: one never changes its meaning. */
#define ALARMS(X)                                                                                  \
    X(1, ROSTER_FORKED, "roster_forked") /* the hub shows another entry n than before */           \
    X(2, CIRCLE_FORKED, "chart_forked")                                                            \
    X(3, OWN_FORKED, "own_forked")         /* another history of this device's own changes */      \
    X(4, ROLLED_BACK, "rolled_back")       /* less than the hub has acknowledged through n */      \
    X(5, REFUSED, "refused")               /* what the hub served was not taken: `reason` */       \
    X(6, WRONG_KEY, "wrong_key")           /* a key that is not the chart's epoch's (n) */         \
    X(7, ROSTER_DIFFERS, "roster_differs") /* `device` was shown another entry n */                \
    X(8, CIRCLE_DIFFERS, "chart_differs")                                                          \
    X(9, ROSTER_HIDDEN,                                                                            \
      "roster_hidden") /* `device` knows entries through n, the hub shows less */                  \
    X(10, CIRCLE_HIDDEN, "chart_hidden")                                                           \
    X(11, CHANGE_HIDDEN, "change_hidden") /* others have read change n of `device` */              \
    X(12, TWO_CHANGES, "two_changes")     /* `device` has signed two changes with number n */      \
    X(13, DENIED, "denied")               /* the hub does not know this device, which is active */ \
    X(14, COPIED, "copied") /* an own change n came that this device has not written */

enum alarm_kind {
#define ALARM_KIND(number, name, word) ALARM_##name = (number),
    ALARMS(ALARM_KIND)
#undef ALARM_KIND
};
const char *alarm_word(enum alarm_kind kind);

struct alarm {
    enum alarm_kind kind;
    uint32_t circle; /* number of the circle; 0 if it is about none */
    uint32_t device; /* likewise */
    uint64_t n;
    enum kith_err reason; /* REFUSED */
    uint64_t first_ms;
    uint64_t last_ms;
    uint32_t times;
    bool is_over; /* what was hidden has arrived */
};

/* Within the caller's transaction. Times and count are kept here. */
void alarm_raise(struct store_txn *txn, const struct alarm *alarm, uint64_t now_ms);
/* In a transaction of its own: also without any replica_apply, as after a refused session. */
MUST_USE enum kith_err replica_alarm(struct replica *replica, const struct alarm *alarm,
                                     uint64_t now_ms);
/* The proof of TWO_CHANGES: the ids of both, each signed by the device. What the second one is
 * stays here as it came. False if there is none. */
bool alarm_proof(struct store_txn *txn, const struct alarm *alarm, uint8_t first[static HASH_BYTES],
                 uint8_t second[static HASH_BYTES]);
struct store_walk alarms_walk(struct store_txn *txn);
bool alarm_next(struct store_walk *walk, struct alarm *alarm);

#endif
