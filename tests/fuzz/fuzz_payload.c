/* SPDX-License-Identifier: Apache-2.0 */
/* A decrypted payload, merged into a record that is encoded, read back and encoded again; and
 * packed texts. */
#include <stdlib.h>

#include "protocol/compress.h"
#include "protocol/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void merge_payload(struct payload *payload, struct record *record)
{
    struct dot dot;
    struct op op;

    while (payload_next_seen(payload, &dot))
        continue;
    while (payload_next_op(payload, &op))
        if (record_apply(record, &op, (struct dot){1, 1 + payload->ops_left}, payload->hlc))
            return;
}

static void read_again(const struct record *record, struct arena *arena)
{
    struct record again;
    struct buffer first;
    struct buffer second;

    buffer_init(&first, SIZE_MAX);
    buffer_init(&second, SIZE_MAX);
    record_encode(record, &first);
    if (record_decode(&again, arena, buffer_view(&first)))
        abort();
    record_encode(&again, &second);
    if (!bytes_equal(buffer_view(&first), buffer_view(&second)))
        abort();
    buffer_clear(&first);
    buffer_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t id[ID_BYTES] = {1};
    struct bytes input = bytes_of(data, size);
    struct payload payload;
    struct record record;
    struct arena arena;
    struct buffer text;

    arena_init(&arena, 64u * 1024 * 1024);
    buffer_init(&text, CHANGE_TEXT_MAX);
    record_begin(&record, &arena, id, 1);
    if (payload_open(&payload, input) == KITH_OK) {
        merge_payload(&payload, &record);
        read_again(&record, &arena);
    }
    (void)!record_decode(&record, &arena, input);
    (void)!text_unpack(input, &text);
    buffer_clear(&text);
    arena_clear(&arena);
    return 0;
}
