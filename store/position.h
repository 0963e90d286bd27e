/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a device has come in the hub's log, and how that is written as its cursor.
 *
 * Every item of the log (a change, an entry of an access chain) has a sequence, and belongs to a
 * circle. A circle is delivered in the order of its items, since each may build on those before.
 * Among circles there is an order of another kind: the agency's first, then the one that was
 * written to last, the oldest last.
 *
 * 1. The base: of every circle that the device was let into by then, all through there was
 * delivered.
 * 2. A round delivers what lies between the base and a horizon, circle by circle in that order,
 * which cannot change meanwhile: a circle's turn is its newest sequence through the horizon. At its
 * end the horizon becomes the base. Who is let in after the horizon waits for the next round.
 * 3. What is urgent does not wait: its circle is delivered through it at once. Such circles are
 * ahead, and each is named until the base has caught up. When too many are ahead, the rest comes in
 * its turn.
 *
 * The cursor also has the place in the roster, the digest of what was delivered and how many
 * removals were told. Only this file knows how it is written.
 */
#ifndef KITH_STORE_POSITION_H
#define KITH_STORE_POSITION_H

#include "protocol/message.h"
#include "store/hub_rows.h"

#define AHEAD_MAX    4
#define TURN_PENDING UINT64_MAX /* a round whose first circle has not begun */

struct position {
    uint64_t base;
    uint32_t roster;
    uint8_t digest[DIGEST_BYTES];
    uint32_t removals; /* told as a whole */
    uint64_t removal;  /* of the next one: the sequence through which its entries were told */
    uint64_t urgent;   /* what is urgent through here was seen to */
    uint64_t horizon;  /* of the round under way; 0: none is */
    uint64_t turn;     /* circles whose turn is higher are done through the horizon */
    uint64_t within;   /* of the circle whose turn it is, through here */
    struct ahead {
        uint32_t circle;
        uint64_t through;
    } ahead[AHEAD_MAX];
    uint32_t ahead_count;
};

/* False, and zeros, for what is no cursor. */
bool position_decode(struct position *position, struct bytes cursor);
/* At most CURSOR_MAX bytes; returns how many. */
size_t position_encode(const struct position *position, uint8_t cursor[static CURSOR_MAX]);

/* When a circle is delivered in this round: the higher the sooner. */
uint64_t position_turn(const struct position *position, struct store_txn *txn, uint32_t circle);
/* The sequence through which a circle was delivered to a device that was let in at `granted`. */
uint64_t position_through(const struct position *position, struct store_txn *txn, uint32_t circle,
                          uint64_t granted);
/* Whether a circle may be delivered ahead of its turn, and that it was. */
bool position_may_be_ahead(const struct position *position, uint32_t circle);
void position_put_ahead(struct position *position, uint32_t circle, uint64_t through);
/* A circle that the device was taken out of: what was delivered no longer counts. */
void position_forget(struct position *position, uint32_t circle);
/* Whether it may stay as it is although the log went on to `newest` without this device: it has
 * nothing to store then, and what is looked through again is not much. */
bool position_is_near(const struct position *position, uint64_t newest);
/* Ends the round. */
void position_end_round(struct position *position, struct store_txn *txn, uint32_t device);

#endif
