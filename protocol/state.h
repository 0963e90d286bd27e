/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state hash: one number for all that a circle's changes have made, by which two clients find
 * out whether they have merged the same.
 *
 * Records are added in any order, in their canonical encoding (protocol/merge.h). Nothing is sent:
 * it is for tests and for people who compare. Source: docs/protocol.md, section 9.1.
 */
#ifndef KITH_PROTOCOL_STATE_H
#define KITH_PROTOCOL_STATE_H

#include "protocol/seal.h"

struct state_hash {
    struct buffer hashes; /* one of HASH_BYTES a record */
};

void state_begin(struct state_hash *state);
void state_add(struct state_hash *state, struct bytes record);
/* Ends it, whatever it gives: KITH_MEMORY. */
MUST_USE enum kith_err state_end(struct state_hash *state, const uint8_t agency[static ID_BYTES],
                                 const uint8_t circle[static ID_BYTES],
                                 uint8_t hash[static HASH_BYTES]);

#endif
