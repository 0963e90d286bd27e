/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way back into a home whose passphrase is forgotten: a custodian opens what only custodians can.
 *
 * A home keeps its data key sealed to the agency's custodians (*slots*). Who asks makes a request:
 * the slots and a fresh key; a custodian opens its slot and seals the data key to that fresh key,
 * after both have compared the request's check number by voice. Nothing of this needs a network,
 * and nothing of it shows who, where or whose it is: a slot is opened by trying. Source:
 * docs/protocol.md, section 14.
 */
#ifndef KITH_PROTOCOL_RECOVERY_H
#define KITH_PROTOCOL_RECOVERY_H

#include "protocol/bytes.h"
#include "protocol/limits.h"
#include "protocol/seal.h"

#define RECOVERY_TEXT_BYTES (HASH_BYTES + ID_BYTES + 4 + KEY_BYTES)
#define RECOVERY_SLOT_BYTES (SEAL_TO_OVERHEAD + RECOVERY_TEXT_BYTES)
#define RECOVERY_SLOTS_MAX  64
#define RECOVERY_SLOTS_STEP 8 /* filled up to a multiple with what nobody can open */
#define RECOVERY_FILE_MAX   (16 + RECOVERY_SLOTS_MAX * RECOVERY_SLOT_BYTES + KEY_BYTES)

/* Whose data key it is. */
struct recovered {
    uint8_t agency[ID_BYTES];
    uint32_t device;
    uint8_t data_key[KEY_BYTES];
};

/* Appends the slots for these recipients' box keys, in an order that says nothing. TOO_MANY. */
MUST_USE enum kith_err recovery_slots_write(const struct recovered *secret,
                                            const uint8_t (*recipients)[KEY_BYTES], size_t count,
                                            struct buffer *out);

/* Slots and, of a request, the key that the answer is to be sealed to. Views borrow. */
struct recovery_request {
    struct bytes slots;
    const uint8_t *reply; /* NULL in a home's own file */
};
MUST_USE enum kith_err recovery_slots_read(struct recovery_request *request, struct bytes file);
void recovery_request_write(const struct recovery_request *request, struct buffer *out);
MUST_USE enum kith_err recovery_request_read(struct recovery_request *request, struct bytes file);

/* Four groups of five digits of the whole request, with blanks between and the final zero. */
#define RECOVERY_CHECK_TEXT 24
void recovery_check(struct bytes request, char text[static RECOVERY_CHECK_TEXT]);

/* Tries every slot with this box secret. NOT_FOUND if none is for it. */
MUST_USE enum kith_err recovery_open(const struct recovery_request *request,
                                     const uint8_t secret[static KEY_BYTES],
                                     struct recovered *found);

/* The answer to this request, for whoever made it. */
MUST_USE enum kith_err recovery_answer_write(struct bytes request, const struct recovered *found,
                                             struct buffer *out);
/* `secret`: of the request's reply key. MALFORMED; DECRYPT if it answers another request. */
MUST_USE enum kith_err recovery_answer_read(struct bytes answer, struct bytes request,
                                            const uint8_t secret[static KEY_BYTES],
                                            struct recovered *found);

#endif
