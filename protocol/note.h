/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a note: what is done to it as a whole, each step signed, and where that leaves it.
 *
 * A visit's facts and its note are two records with one id. What happens to them together is a
 * step: an entry of the facts' field NOTE_STEPS, signed with the Ed25519 key of its author's
 * device. A signature fixes the causal past (for each device of the circle, how many of its changes
 * belong to the content) and the hash of the content that those changes make. What is written later
 * never enters it. The version of a signed note is the hash of its content, or, once there are
 * addenda, of content and addenda; a co-signature names the version it covers and is stale for any
 * other. Where a note stands is a function of the set of steps: no clock takes part in it. Source:
 * docs/protocol.md, section 10.
 */
#ifndef KITH_PROTOCOL_NOTE_H
#define KITH_PROTOCOL_NOTE_H

#include "protocol/merge.h"
#include "protocol/roster.h"

/* Fields from here on are not content. */
#define NOTE_FIELDS_END 1000
#define NOTE_STEPS      1000

#define NOTE_REASON_MAX     4096 /* of a return or void, UTF-8 */
#define NOTE_CREDENTIAL_MAX 256
#define NOTE_AMENDED_MAX    64 /* fields that one addendum corrects */

/* X(NAME, number, word) */
#define NOTE_STEP_KINDS(X)                                                                         \
    X(SIGN, 1, "sign")                                                                             \
    X(SUBMIT, 2, "submit")                                                                         \
    X(COSIGN, 3, "cosign")                                                                         \
    X(RETURN, 4, "return")                                                                         \
    X(VOID, 5, "void")                                                                             \
    X(ADDEND, 6, "addend")                                                                         \
    X(KEEP, 7, "keep") /* of several concurrent signatures, the one that stands */

enum note_step_kind {
#define NOTE_STEP_KIND(name, number, word) NOTE_##name = (number),
    NOTE_STEP_KINDS(NOTE_STEP_KIND)
#undef NOTE_STEP_KIND
};

/* X(NAME, number, word) */
#define ADDENDUM_KINDS(X)                                                                          \
    X(ADDENDUM, 1, "addendum")                                                                     \
    X(CORRECTION, 2, "correction")                                                                 \
    X(LATE_ENTRY, 3, "late_entry")

enum addendum_kind {
    ADDENDUM_NONE = 0,
#define ADDENDUM_KIND(name, number, word) ADDENDUM_##name = (number),
    ADDENDUM_KINDS(ADDENDUM_KIND)
#undef ADDENDUM_KIND
};

const char *note_step_word(enum note_step_kind kind);
const char *addendum_word(enum addendum_kind kind);
/* ADDENDUM_NONE if it is none. */
enum addendum_kind addendum_of(const char *word);

/* What a step is bound to. */
struct note_place {
    uint8_t agency[ID_BYTES];
    uint8_t circle[ID_BYTES];
    uint8_t record[ID_BYTES];
};

struct note_step {
    enum note_step_kind kind;
    uint32_t device;
    uint32_t person;
    uint32_t roster_seq;        /* the roster that the author knew: roles are judged as of then */
    uint64_t time_ms;           /* claimed, corrected by what the hub's clock said last */
    int64_t clock_offset_ms;    /* that correction: hub's clock minus the device's */
    uint8_t covers[HASH_BYTES]; /* SIGN: the content; otherwise the version it is about; zeros for
                                   the void of a draft */
    struct bytes past;          /* dots, as dots_next reads them */
    uint32_t past_count;
    struct bytes credential;     /* SIGN, COSIGN: the author's, as text; may be empty */
    struct bytes text;           /* RETURN, VOID: the reason; ADDEND: what it says */
    enum addendum_kind addendum; /* ADDEND */
    struct bytes amended;        /* ADDEND: type, field, value, ... as the items of an array */
    uint32_t amended_count;      /* triples */
    struct bytes taken;          /* ADDEND: dots of the late edits that it speaks for */
    uint32_t taken_count;
    struct bytes body;        /* what is signed */
    const uint8_t *signature; /* SIGNATURE_BYTES */
    /* Of the change that brought it; filled in by whoever reads the record. */
    struct dot dot;
};

/* Reads a step as its entry holds it; views borrow from `value`. */
MUST_USE enum kith_err note_step_read(struct note_step *step, struct bytes value);
/* Appends the entry's value, signed. `past`, `amended` and `taken` are taken from the step
 * as encoded content. */
MUST_USE enum kith_err note_step_write(const struct note_step *step, const struct note_place *place,
                                       const uint8_t sign_secret[static SIGN_KEY_BYTES],
                                       struct buffer *out);
void note_step_hash(const struct note_step *step, const struct note_place *place,
                    uint8_t hash[static HASH_BYTES]);
/* The signature by the device's key. UNKNOWN_DEVICE, SIGNATURE. */
MUST_USE enum kith_err note_step_verify(const struct note_step *step,
                                        const struct note_place *place,
                                        const struct roster *roster);
/* Whether the change is in the step's past. */
bool note_step_knows(const struct note_step *step, struct dot dot);
/* Whether the addendum speaks for the late edits of that change. */
bool note_step_takes(const struct note_step *step, struct dot dot);
/* The value that an addendum gives a field; an empty view if it leaves it alone. */
struct bytes note_step_amends(const struct note_step *step, uint32_t type, uint32_t field);

/* The hash of what the two records say: every live value of every content field with the dot that
 * wrote it. `note` may be NULL. */
MUST_USE enum kith_err note_content_hash(const struct note_place *place, const struct record *facts,
                                         const struct record *note,
                                         uint8_t hash[static HASH_BYTES]);

/* X(NAME, word): in the order of life; voided absorbs. */
#define NOTE_STATES(X)                                                                             \
    X(DRAFT, "draft")                                                                              \
    X(SIGNED, "signed")                                                                            \
    X(SUBMITTED, "submitted")                                                                      \
    X(RETURNED, "returned")                                                                        \
    X(COSIGNED, "cosigned")                                                                        \
    X(VOIDED, "voided")

enum note_state {
#define NOTE_STATE(name, word) NOTE_IS_##name,
    NOTE_STATES(NOTE_STATE)
#undef NOTE_STATE
};

const char *note_state_word(enum note_state state);

/* Where a note stands. The steps it points to are the caller's. */
struct note_life {
    enum note_state state;
    const struct note_step *sign; /* the signature that stands; NULL for a draft */
    bool is_sign_unsettled;       /* there is another, over other content, as good as this */
    bool is_amended;
    uint8_t version[HASH_BYTES];          /* of a signed note */
    const struct note_step *cosign;       /* of this version */
    const struct note_step *stale_cosign; /* of another, if none is of this */
    const struct note_step *returned;     /* not answered by a submission yet */
    const struct note_step *voided;
    const struct note_step *beside_void; /* an addendum that no void has in its past */
};

/* Whether the author may take this step at all: its device is the person's, and the person's role
 * at that time allows it. `specialist` is the person whose note it is. */
bool note_step_is_allowed(const struct note_step *step, const struct roster *roster,
                          uint32_t specialist);
/* Computes it from the steps, in any order. Steps that are not allowed count for nothing. */
void note_life_read(struct note_life *life, const struct note_place *place,
                    const struct note_step *steps, uint32_t count, const struct roster *roster,
                    uint32_t specialist);

#endif
