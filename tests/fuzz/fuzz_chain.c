/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of rosters and access chains, and the state of a circle as a store keeps it. */
#include <stdlib.h>

#include "protocol/circle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_state(struct bytes input)
{
    struct circle circle;
    struct buffer again;

    circle_init(&circle);
    buffer_init(&again, SIZE_MAX);
    if (circle_decode(&circle, input) == KITH_OK) {
        circle_encode(&circle, &again);
        if (!bytes_equal(buffer_view(&again), input))
            abort();
    }
    buffer_clear(&again);
    circle_clear(&circle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct roster roster;
    struct circle circle;
    struct circle_entry entry;
    struct arena arena;

    roster_init(&roster);
    circle_init(&circle);
    arena_init(&arena, ENTRY_MAX * 16);
    (void)!roster_append(&roster, input);
    (void)!roster_replay(&roster, input);
    (void)!circle_entry_read(&entry, input, &arena);
    (void)!circle_append(&circle, &roster, input);
    read_state(input);
    arena_clear(&arena);
    circle_clear(&circle);
    roster_clear(&roster);
    return 0;
}
