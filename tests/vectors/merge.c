/* SPDX-License-Identifier: Apache-2.0 */
/* Histories of one record, with what they make of it; and the hash of a circle's state. */
#include "protocol/merge.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/state.h"
#include "tests/vectors/vectors.h"

#define ARENA_MAX   ((size_t)4 << 20)
#define CHANGES_MAX 24
#define DEVICES     3
#define FIELDS      4

static const uint8_t record_id[ID_BYTES] = "a visit's record";
#define RECORD_TYPE 6

static void write_value(struct buffer *out, uint32_t value)
{
    buffer_reset(out);
    if (value % 3 == 0)
        wire_put_nil(out);
    else if (value % 3 == 1)
        wire_put_uint(out, value * 100);
    else
        wire_put_text(out, bytes_text(value % 2 ? "odd" : "even"));
}

/* An operation on a field whose number is its kind, which replaces some of what was written. */
static void add_op(struct payload_writer *writer, struct dice *dice, struct dot self)
{
    struct dot replaced[DEVICES];
    uint32_t count = 0;
    struct buffer value;
    struct buffer key;
    struct op op = {.type = RECORD_TYPE, .kind = (enum op_kind)dice_below(dice, OP_KINDS)};

    buffer_init(&value, VALUE_MAX);
    buffer_init(&key, VALUE_MAX);
    memcpy(op.record, record_id, ID_BYTES);
    op.field = op.kind == OP_DROP ? OP_ADD : (uint32_t)op.kind;
    write_value(&value, dice_below(dice, FIELDS));
    write_value(&key, dice_below(dice, FIELDS));
    op.value = buffer_view(&value);
    op.key = op.kind == OP_KEYED ? buffer_view(&key) : bytes_of(NULL, 0);
    for (uint32_t device = 1; device <= DEVICES; device++)
        if (dice_below(dice, 2) && self.n > 1)
            replaced[count++] = (struct dot){device, 1 + dice_below(dice, (uint32_t)self.n - 1)};
    payload_add(writer, &op, replaced, op.kind == OP_APPEND ? 0 : count);
    buffer_clear(&value);
    buffer_clear(&key);
}

static void tell_change(struct json *json, struct record *record, struct dot dot, struct bytes text)
{
    struct payload payload;
    struct op op;

    json_object(json, NULL);
    json_count(json, "device", dot.device);
    vector_u64(json, "n", dot.n);
    vector_hex(json, "text", text);
    json_end(json);
    assert_int_equal(payload_open(&payload, text), KITH_OK);
    while (payload_next_op(&payload, &op))
        assert_int_equal(record_apply(record, &op, dot, payload.hlc), KITH_OK);
}

static void tell_result(struct json *json, const struct record *record)
{
    struct buffer encoded;

    buffer_init(&encoded, ARENA_MAX);
    record_encode(record, &encoded);
    vector_hex(json, "record", buffer_view(&encoded));
    buffer_clear(&encoded);
}

static void tell_history(struct vectors *vectors, uint64_t seed)
{
    struct json *json = vector_begin(vectors, "history");
    struct dice dice = {seed};
    struct record record;
    struct arena arena;
    struct buffer text;

    arena_init(&arena, ARENA_MAX);
    buffer_init(&text, CHANGE_TEXT_MAX);
    record_begin(&record, &arena, record_id, RECORD_TYPE);
    json_list(json, "changes");
    for (uint32_t i = 0; i < CHANGES_MAX; i++) {
        struct dot dot = {1 + i % DEVICES, 1 + i / DEVICES};
        struct payload_writer writer;
        buffer_reset(&text);
        payload_begin(&writer, &text, dice_below(&dice, 50), NULL, 0, NULL);
        for (uint32_t ops = 1 + dice_below(&dice, 3); ops > 0; ops--)
            add_op(&writer, &dice, dot);
        assert_int_equal(payload_end(&writer), KITH_OK);
        tell_change(json, &record, dot, arena_copy(&arena, buffer_view(&text)));
    }
    json_end(json);
    tell_result(json, &record);
    vector_end(vectors);
    buffer_clear(&text);
    arena_clear(&arena);
}

static void tell_state(struct vectors *vectors)
{
    struct json *json = vector_begin(vectors, "state of a circle");
    struct state_hash state;
    uint8_t agency[ID_BYTES];
    uint8_t circle[ID_BYTES];
    uint8_t hash[HASH_BYTES];
    uint8_t record[40];

    seal_random(agency, sizeof agency);
    seal_random(circle, sizeof circle);
    vector_id(json, "agency", agency);
    vector_id(json, "circle", circle);
    state_begin(&state);
    json_list(json, "records");
    for (size_t i = 0; i < 5; i++) {
        seal_random(record, sizeof record);
        vector_hex(json, NULL, bytes_of(record, sizeof record));
        state_add(&state, bytes_of(record, sizeof record));
    }
    json_end(json);
    assert_int_equal(state_end(&state, agency, circle, hash), KITH_OK);
    vector_key(json, "hash", hash);
    vector_end(vectors);
}

void vectors_merge(struct vectors *vectors)
{
    for (uint64_t seed = 1; seed <= 8; seed++)
        tell_history(vectors, seed);
    tell_state(vectors);
}
