/* SPDX-License-Identifier: Apache-2.0 */
/* Where a note stands, from the set of its steps. Concurrent steps: the later stage wins, a void
 * absorbs; nothing is decided by a clock. */
#include <string.h>

#include "protocol/note.h"
#include "protocol/seal.h"

/* The steps of one note, with what judging them needs. */
struct steps {
    const struct note_place *place;
    const struct note_step *all;
    uint32_t count;
    const struct roster *roster;
    uint32_t specialist;
};

bool note_step_is_allowed(const struct note_step *step, const struct roster *roster,
                          uint32_t specialist)
{
    const struct roster_device *device = roster_device(roster, step->device);
    unsigned roles = roster_roles_at(roster, step->person, step->roster_seq);
    bool is_own = step->person == specialist;

    if (!device || device->person != step->person || step->device != step->dot.device)
        return false;
    switch (step->kind) {
    case NOTE_SIGN:
    case NOTE_SUBMIT:
    case NOTE_KEEP:
        return is_own;
    case NOTE_COSIGN:
    case NOTE_RETURN:
        return !is_own && role_may(roles, MAY_LEAD);
    case NOTE_VOID:
    case NOTE_ADDEND:
        return is_own || role_may(roles, MAY_LEAD);
    }
    return false;
}

/* The next allowed step of a kind after `last` (NULL: the first). */
static const struct note_step *next_step(const struct steps *steps, enum note_step_kind kind,
                                         const struct note_step *last)
{
    for (const struct note_step *step = last ? last + 1 : steps->all;
         step < steps->all + steps->count; step++)
        if (step->kind == kind && note_step_is_allowed(step, steps->roster, steps->specialist))
            return step;
    return NULL;
}

static bool is_same_content(const struct note_step *a, const struct note_step *b)
{
    return memcmp(a->covers, b->covers, HASH_BYTES) == 0;
}

/* Of two steps that know nothing of each other, the one to name first. */
static bool comes_first(const struct note_step *a, const struct note_step *b)
{
    return !b || dot_compare(a->dot, b->dot) < 0;
}

/* A signature by somebody who had seen another one is none: what is signed stays. */
static bool is_first_signature(const struct steps *steps, const struct note_step *sign)
{
    for (const struct note_step *other = NULL; (other = next_step(steps, NOTE_SIGN, other));)
        if (other != sign && note_step_knows(sign, other->dot))
            return false;
    return true;
}

static const struct note_step *next_sign(const struct steps *steps, const struct note_step *last)
{
    const struct note_step *sign = last;

    do
        sign = next_step(steps, NOTE_SIGN, sign);
    while (sign && !is_first_signature(steps, sign));
    return sign;
}

/* A decision counts if it has seen every signature and no later decision has seen it. */
static bool is_decision(const struct steps *steps, const struct note_step *keep)
{
    for (const struct note_step *sign = NULL; (sign = next_sign(steps, sign));)
        if (!note_step_knows(keep, sign->dot))
            return false;
    for (const struct note_step *later = NULL; (later = next_step(steps, NOTE_KEEP, later));)
        if (later != keep && note_step_knows(later, keep->dot))
            return false;
    return true;
}

/* The content that the author decided for; NULL if there is no decision, or several differ. */
static const struct note_step *find_decision(const struct steps *steps)
{
    const struct note_step *decided = NULL;

    for (const struct note_step *keep = NULL; (keep = next_step(steps, NOTE_KEEP, keep));) {
        if (!is_decision(steps, keep))
            continue;
        if (decided && !is_same_content(decided, keep))
            return NULL;
        decided = keep;
    }
    return decided;
}

static void find_sign(struct note_life *life, const struct steps *steps)
{
    const struct note_step *decided = find_decision(steps);
    const struct note_step *first = NULL;
    bool is_one = true;

    for (const struct note_step *sign = NULL; (sign = next_sign(steps, sign));) {
        if (decided && !is_same_content(decided, sign))
            continue;
        is_one = is_one && (!first || is_same_content(first, sign));
        if (comes_first(sign, first))
            first = sign;
    }
    life->sign = first;
    life->is_sign_unsettled = !is_one;
}

/* Content and addenda, the hashes of these in ascending order. */
static void find_version(struct note_life *life, const struct steps *steps)
{
    struct buffer parts;
    uint8_t last[HASH_BYTES] = {0};
    uint8_t next[HASH_BYTES];
    bool is_found;

    memcpy(life->version, life->sign->covers, HASH_BYTES);
    buffer_init(&parts, (size_t)(steps->count + 1) * HASH_BYTES);
    buffer_add(&parts, life->sign->covers, HASH_BYTES);
    do {
        is_found = false;
        for (const struct note_step *step = NULL; (step = next_step(steps, NOTE_ADDEND, step));) {
            uint8_t hash[HASH_BYTES];
            note_step_hash(step, steps->place, hash);
            if (memcmp(hash, last, HASH_BYTES) > 0 &&
                (!is_found || memcmp(hash, next, HASH_BYTES) < 0)) {
                memcpy(next, hash, HASH_BYTES);
                is_found = true;
            }
        }
        if (is_found) {
            buffer_add(&parts, next, HASH_BYTES);
            memcpy(last, next, HASH_BYTES);
        }
    } while (is_found);
    life->is_amended = parts.len > HASH_BYTES;
    const struct bytes all = buffer_view(&parts);
    if (life->is_amended)
        seal_hash(SEAL_NOTE_VERSION, &all, 1, life->version);
    buffer_clear(&parts);
}

static void find_cosign(struct note_life *life, const struct steps *steps)
{
    for (const struct note_step *step = NULL; (step = next_step(steps, NOTE_COSIGN, step));) {
        bool is_current = memcmp(step->covers, life->version, HASH_BYTES) == 0;
        if (is_current && comes_first(step, life->cosign))
            life->cosign = step;
        if (!is_current && comes_first(step, life->stale_cosign))
            life->stale_cosign = step;
    }
    if (life->cosign)
        life->stale_cosign = NULL;
}

static bool is_answered(const struct steps *steps, const struct note_step *returned)
{
    for (const struct note_step *step = NULL; (step = next_step(steps, NOTE_SUBMIT, step));)
        if (note_step_knows(step, returned->dot))
            return true;
    return false;
}

static void find_return(struct note_life *life, const struct steps *steps)
{
    for (const struct note_step *step = NULL; (step = next_step(steps, NOTE_RETURN, step));)
        if (!is_answered(steps, step) && comes_first(step, life->returned))
            life->returned = step;
}

static void find_void(struct note_life *life, const struct steps *steps)
{
    for (const struct note_step *step = NULL; (step = next_step(steps, NOTE_VOID, step));)
        if (comes_first(step, life->voided))
            life->voided = step;
}

static bool is_under_void(const struct steps *steps, const struct note_step *addendum)
{
    for (const struct note_step *step = NULL; (step = next_step(steps, NOTE_VOID, step));)
        if (note_step_knows(step, addendum->dot))
            return true;
    return false;
}

/* Void and addendum that knew nothing of each other: the void wins, and somebody has to read what
 * the addendum says. */
static void find_beside_void(struct note_life *life, const struct steps *steps)
{
    for (const struct note_step *step = NULL; (step = next_step(steps, NOTE_ADDEND, step));)
        if (!is_under_void(steps, step) && comes_first(step, life->beside_void))
            life->beside_void = step;
}

static enum note_state find_state(const struct note_life *life, const struct steps *steps)
{
    if (life->voided)
        return NOTE_IS_VOIDED;
    if (!life->sign)
        return NOTE_IS_DRAFT;
    if (life->cosign && !life->is_sign_unsettled)
        return NOTE_IS_COSIGNED;
    if (life->returned)
        return NOTE_IS_RETURNED;
    return next_step(steps, NOTE_SUBMIT, NULL) ? NOTE_IS_SUBMITTED : NOTE_IS_SIGNED;
}

void note_life_read(struct note_life *life, const struct note_place *place,
                    const struct note_step *steps, uint32_t count, const struct roster *roster,
                    uint32_t specialist)
{
    const struct steps all = {place, steps, count, roster, specialist};

    memset(life, 0, sizeof *life);
    find_sign(life, &all);
    find_void(life, &all);
    if (life->sign) {
        find_version(life, &all);
        find_cosign(life, &all);
        find_return(life, &all);
    }
    if (life->voided)
        find_beside_void(life, &all);
    life->state = find_state(life, &all);
}
