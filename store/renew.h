/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewing: what a device does that was copied, or set back to an earlier image of its disk.
 *
 * Its proof is a change of its own, signed with its own key, that it does not have. From then on
 * its number stands for two histories. It ends that number itself and goes on under a new one, with
 * new keys (a RENEW in the roster). What the hub has of the old number becomes another device's
 * chain; what the hub does not have is written anew under the new number, each change once, with
 * its dots as they are now named. Nothing is dropped and nothing is doubled. Source:
 * docs/protocol.md, section 4.7.
 */
#ifndef KITH_STORE_RENEW_H
#define KITH_STORE_RENEW_H

#include "store/replica.h"

struct renewal {
    bool is_due;    /* proven, and nothing done yet */
    bool is_begun;  /* the next identity is kept here; its entry may be at the hub already */
    bool is_placed; /* it stands in the roster: replica_renew is next */
    struct identity next;
};
/* How far it has come. The caller wipes it. */
MUST_USE enum kith_err replica_renewal(struct replica *replica, struct renewal *renewal);
/* Makes and keeps the next identity, so that it survives whatever happens to the request. */
MUST_USE enum kith_err replica_renew_begin(struct replica *replica, struct renewal *renewal);

/* How the changes of one circle that the hub did not get are named now: the old device's numbers
 * from `shared` + 1 on become the new one's from 1 on. */
struct renewed_names {
    uint8_t circle[ID_BYTES];
    uint32_t old_device;
    uint32_t new_device;
    uint64_t shared;
    uint8_t (*records)[ID_BYTES]; /* that these changes wrote to */
    uint32_t record_count;
};
struct dot renewed_dot(const struct renewed_names *names, struct dot dot);
/* Appends the list's content, renamed: `is_past` if each dot stands for all up to it. */
MUST_USE enum kith_err renewed_dots(const struct renewed_names *names, struct bytes content,
                                    uint32_t *count, bool is_past, struct buffer *out);

/* Writes the value of an operation anew where it names changes or its author; false leaves the
 * operation out. `value` stays empty where nothing is to be done. */
typedef bool renewed_value(void *owner, const struct renewed_names *names, const struct op *op,
                           struct buffer *value);
struct renewed {
    uint32_t changes;  /* written anew */
    uint32_t left_out; /* operations */
};
/* Takes over the next identity, in one transaction with all that follows from it. */
MUST_USE enum kith_err replica_renew(struct replica *replica, const struct renewal *renewal,
                                     renewed_value *rewrite, void *owner, uint64_t now_ms,
                                     struct renewed *renewed);

#endif
