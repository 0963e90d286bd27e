/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/state.h"

#include <stdlib.h>
#include <string.h>

void state_begin(struct state_hash *state)
{
    buffer_init(&state->hashes, SIZE_MAX);
}

void state_add(struct state_hash *state, struct bytes record)
{
    uint8_t hash[HASH_BYTES];

    seal_hash(SEAL_STATE_RECORD, &record, 1, hash);
    buffer_add(&state->hashes, hash, sizeof hash);
}

static int hash_order(const void *a, const void *b)
{
    return memcmp(a, b, HASH_BYTES);
}

enum kith_err state_end(struct state_hash *state, const uint8_t agency[static ID_BYTES],
                        const uint8_t circle[static ID_BYTES], uint8_t hash[static HASH_BYTES])
{
    enum kith_err err = state->hashes.err;

    if (state->hashes.len > 0)
        qsort(state->hashes.ptr, state->hashes.len / HASH_BYTES, HASH_BYTES, hash_order);
    struct bytes parts[] = {bytes_of(agency, ID_BYTES), bytes_of(circle, ID_BYTES),
                            buffer_view(&state->hashes)};
    seal_hash(SEAL_STATE_HASH, parts, 3, hash);
    buffer_clear(&state->hashes);
    return err;
}
