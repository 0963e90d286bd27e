/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From frames to the log, in two steps. Verification checks everything that needs no writing and
 * may run beside other work; the commit checks again what may have moved since (heads, rights) and
 * stores all that is admissible at once.
 *
 * 1. A change is stored only behind the one that its hash names: n without gaps, one history per
 * device and circle.
 * 2. What is refused stands alone: nothing after it in its chain is taken, other chains are not
 * affected.
 * 3. An answer names only what the transaction made durable.
 */
#include <string.h>

#include "store/ledger_internal.h"

#define INGEST_ARENA_MAX (64u * 1024 * 1024)

void ingest_init(struct ingest *ingest)
{
    memset(ingest, 0, sizeof *ingest);
    buffer_init(&ingest->frames, WINDOW_BYTES + BATCH_MAX);
    buffer_init(&ingest->refusals, NOISE_TEXT_MAX);
    buffer_init(&ingest->lines, NOISE_TEXT_MAX);
    arena_init(&ingest->arena, INGEST_ARENA_MAX);
}

void ingest_clear(struct ingest *ingest)
{
    buffer_clear(&ingest->frames);
    buffer_clear(&ingest->refusals);
    buffer_clear(&ingest->lines);
    arena_clear(&ingest->arena);
}

void ingest_answer(const struct ingest *ingest, struct session_answer *answer)
{
    *answer = (struct session_answer){
        .err = ingest->err,
        .refusals = buffer_view(&ingest->refusals),
        .line_count = ingest->line_count,
        .lines = buffer_view(&ingest->lines),
        .signature = ingest->signature,
        .is_enrolled = ingest->is_enrolled,
    };
}
