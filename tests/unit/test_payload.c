/* SPDX-License-Identifier: Apache-2.0 */
/* The payload of a change: what is written reads back, what is out of bounds is neither written nor
 * read. */
#include "protocol/payload.h"

#include <string.h>

#include "tests/unit/make.h"

#define OPS_MAX   40
#define DOTS_MAX  8
#define ROUNDS    300
#define ARENA_MAX ((size_t)1 << 20)

/* What a payload was written from. */
struct written_op {
    struct op op;
    struct dot supersedes[DOTS_MAX];
    uint32_t count;
};

struct written {
    uint64_t hlc;
    struct dot seen[DOTS_MAX];
    uint32_t seen_count;
    struct payload_heads heads;
    struct written_op ops[OPS_MAX];
    uint32_t op_count;
};

/* Ascending dots, some of one device. */
static uint32_t random_dots(struct dice *dice, struct dot dots[static DOTS_MAX])
{
    uint32_t count = dice_below(dice, DOTS_MAX + 1);
    struct dot last = {1, 0};

    for (uint32_t i = 0; i < count; i++) {
        if (dice_below(dice, 2))
            last = (struct dot){last.device + 1 + dice_below(dice, 300), 0};
        last.n += 1 + dice_roll(dice) % 100000;
        dots[i] = last;
    }
    return count;
}

static struct bytes random_value(struct dice *dice, struct arena *arena)
{
    static const char text[] = "met at the library, talked about housing";
    struct buffer out;

    buffer_init(&out, 1024);
    switch (dice_below(dice, 5)) {
    case 0:
        wire_put_nil(&out);
        break;
    case 1:
        wire_put_int(&out, (int64_t)dice_roll(dice));
        break;
    case 2:
        wire_put_text(&out, bytes_of(text, dice_below(dice, sizeof text - 1)));
        break;
    case 3:
        wire_put_array(&out, 2);
        wire_put_bool(&out, true);
        wire_put_bin(&out, bytes_of(text, dice_below(dice, sizeof text)));
        break;
    default:
        wire_put_map(&out, 1);
        wire_put_uint(&out, dice_below(dice, 1000));
        wire_put_uint(&out, dice_roll(dice));
    }
    struct bytes value = arena_copy(arena, buffer_view(&out));
    buffer_clear(&out);
    return value;
}

static void random_op(struct dice *dice, struct arena *arena, struct written_op *written,
                      uint8_t record)
{
    *written =
        (struct written_op){.op = {.type = record % 4u, .field = dice_below(dice, UINT16_MAX + 1)}};
    memset(written->op.record, record, ID_BYTES);
    written->op.kind = (enum op_kind)dice_below(dice, OP_KINDS);
    written->op.value = random_value(dice, arena);
    if (written->op.kind == OP_KEYED)
        written->op.key = random_value(dice, arena);
    written->count = random_dots(dice, written->supersedes);
}

static void random_payload(struct dice *dice, struct arena *arena, struct written *written)
{
    uint8_t record = 1;

    memset(written, 0, sizeof *written);
    written->hlc = dice_roll(dice);
    written->seen_count = random_dots(dice, written->seen);
    written->heads.is_present = dice_below(dice, 2);
    if (written->heads.is_present) {
        written->heads.roster_seq = dice_below(dice, ROSTER_ENTRIES_MAX + 1);
        written->heads.circle_seq = dice_below(dice, ROSTER_ENTRIES_MAX + 1);
        dice_bytes(dice, written->heads.roster, HEAD_PREFIX_BYTES);
        dice_bytes(dice, written->heads.circle, HEAD_PREFIX_BYTES);
    }
    written->op_count = dice_below(dice, OPS_MAX + 1);
    for (uint32_t i = 0; i < written->op_count; i++) {
        record = (uint8_t)(record + dice_below(dice, 2));
        random_op(dice, arena, &written->ops[i], record);
    }
}

static void write_payload(const struct written *written, struct buffer *out)
{
    struct payload_writer writer;

    payload_begin(&writer, out, written->hlc, written->seen, written->seen_count, &written->heads);
    for (uint32_t i = 0; i < written->op_count; i++)
        payload_add(&writer, &written->ops[i].op, written->ops[i].supersedes,
                    written->ops[i].count);
    assert_int_equal(payload_end(&writer), KITH_OK);
}

static void assert_op_equal(struct op *read, const struct written_op *written)
{
    struct dot dot;
    uint32_t count = 0;

    assert_memory_equal(read->record, written->op.record, ID_BYTES);
    assert_int_equal(read->type, written->op.type);
    assert_int_equal(read->field, written->op.field);
    assert_int_equal(read->kind, written->op.kind);
    assert_bytes_equal(read->value, written->op.value);
    assert_bytes_equal(read->key, written->op.key);
    for (; op_next_superseded(read, &dot); count++)
        assert_int_equal(dot_compare(dot, written->supersedes[count]), 0);
    assert_int_equal(count, written->count);
}

static void assert_payload_equal(struct bytes text, const struct written *written)
{
    struct payload payload;
    struct dot dot;
    struct op op;
    uint32_t count = 0;

    assert_int_equal(payload_open(&payload, text), KITH_OK);
    assert_int_equal(payload.hlc, written->hlc);
    for (; payload_next_seen(&payload, &dot); count++)
        assert_int_equal(dot_compare(dot, written->seen[count]), 0);
    assert_int_equal(count, written->seen_count);
    assert_int_equal(payload.heads.is_present, written->heads.is_present);
    assert_int_equal(payload.heads.roster_seq, written->heads.roster_seq);
    assert_int_equal(payload.heads.circle_seq, written->heads.circle_seq);
    assert_memory_equal(payload.heads.roster, written->heads.roster, HEAD_PREFIX_BYTES);
    assert_memory_equal(payload.heads.circle, written->heads.circle, HEAD_PREFIX_BYTES);
    for (count = 0; payload_next_op(&payload, &op); count++)
        assert_op_equal(&op, &written->ops[count]);
    assert_int_equal(count, written->op_count);
    assert_false(payload_next_op(&payload, &op));
}

static void what_is_written_reads_back(void **state)
{
    struct written written;
    struct arena arena;
    struct buffer out;

    (void)state;
    arena_init(&arena, ARENA_MAX);
    buffer_init(&out, CHANGE_TEXT_MAX);
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct dice dice = {seed};
        random_payload(&dice, &arena, &written);
        write_payload(&written, &out);
        assert_payload_equal(buffer_view(&out), &written);
        buffer_reset(&out);
        arena_reset(&arena);
    }
    buffer_clear(&out);
    arena_clear(&arena);
}

static void a_payload_cut_or_prolonged_is_refused(void **state)
{
    struct written written;
    struct payload payload;
    struct arena arena;
    struct buffer out;

    (void)state;
    arena_init(&arena, ARENA_MAX);
    buffer_init(&out, CHANGE_TEXT_MAX);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct dice dice = {seed};
        random_payload(&dice, &arena, &written);
        write_payload(&written, &out);
        for (size_t len = 0; len < out.len; len++)
            assert_int_not_equal(payload_open(&payload, bytes_of(out.ptr, len)), KITH_OK);
        buffer_add(&out, "", 1);
        assert_int_equal(payload_open(&payload, buffer_view(&out)), KITH_MALFORMED);
        buffer_reset(&out);
        arena_reset(&arena);
    }
    buffer_clear(&out);
    arena_clear(&arena);
}

/* What an altered payload reads as is anybody's guess; but reading it ends, and stays within its
 * bytes. */
static void no_altered_payload_does_harm(void **state)
{
    struct written written;
    struct arena arena;
    struct buffer out;
    struct dice dice = {17};

    (void)state;
    arena_init(&arena, ARENA_MAX);
    buffer_init(&out, CHANGE_TEXT_MAX);
    random_payload(&dice, &arena, &written);
    write_payload(&written, &out);
    for (uint32_t round = 0; round < 20000; round++) {
        size_t at = dice_below(&dice, (uint32_t)out.len);
        uint8_t flip = (uint8_t)(1 + dice_below(&dice, 255));
        struct payload payload;
        struct dot dot;
        struct op op;
        out.ptr[at] ^= flip;
        if (payload_open(&payload, buffer_view(&out)) == KITH_OK) {
            while (payload_next_seen(&payload, &dot))
                assert_true(dot.device != 0 && dot.n != 0);
            while (payload_next_op(&payload, &op)) {
                assert_true(op.value.len > 0 && wire_is_value(op.value));
                while (op_next_superseded(&op, &dot))
                    assert_true(dot.device != 0 && dot.n != 0);
            }
        }
        out.ptr[at] ^= flip;
    }
    buffer_clear(&out);
    arena_clear(&arena);
}

/* Payloads by hand: [hlc, seen, heads, records]. */
static const struct {
    const char *what;
    const char *bytes;
    size_t len;
    enum kith_err verdict;
} by_hand[] = {
#define BY_HAND(what, bytes, verdict)                                                              \
    {                                                                                              \
        what, bytes, sizeof(bytes) - 1, verdict                                                    \
    }
#define RECORD                                                                                     \
    "\xC4\x10"                                                                                     \
    "0123456789abcdef"
    BY_HAND("nothing at all", "", KITH_CUT),
    BY_HAND("no operation", "\x94\x01\x90\xC0\x90", KITH_OK),
    BY_HAND("three fields", "\x93\x01\x90\xC0", KITH_MALFORMED),
    BY_HAND("one seen", "\x94\x01\x92\x01\x01\xC0\x90", KITH_OK),
    BY_HAND("half a dot", "\x94\x01\x91\x01\xC0\x90", KITH_MALFORMED),
    BY_HAND("seen: device 0", "\x94\x01\x92\x00\x01\xC0\x90", KITH_MALFORMED),
    BY_HAND("seen: number 0", "\x94\x01\x92\x01\x00\xC0\x90", KITH_MALFORMED),
    BY_HAND("seen: twice the same", "\x94\x01\x94\x01\x01\x01\x01\xC0\x90", KITH_MALFORMED),
    BY_HAND("seen: descending numbers", "\x94\x01\x94\x01\x02\x01\x01\xC0\x90", KITH_MALFORMED),
    BY_HAND("seen: descending devices", "\x94\x01\x94\x02\x01\x01\x02\xC0\x90", KITH_MALFORMED),
    BY_HAND("seen: device over its limit", "\x94\x01\x92\xCE\x01\x00\x00\x00\x01\xC0\x90",
            KITH_MALFORMED),
    BY_HAND("seen: more than there are bytes", "\x94\x01\xDC\x20\x00\x01\x01\xC0\x90", KITH_CUT),
    BY_HAND("seen: more than the limit", "\x94\x01\xDC\x20\x02\x01\x01\xC0\x90", KITH_TOO_LARGE),
    BY_HAND("heads of one item", "\x94\x01\x90\x91\x01\x90", KITH_MALFORMED),
    BY_HAND("an operation", "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x94\x01\x00\x90\x05", KITH_OK),
    BY_HAND("two thirds of a record", "\x94\x01\x90\xC0\x92" RECORD "\x01", KITH_MALFORMED),
    BY_HAND("a record without operations", "\x94\x01\x90\xC0\x93" RECORD "\x01\x90",
            KITH_MALFORMED),
    BY_HAND("a short record id",
            "\x94\x01\x90\xC0\x93\xC4\x01"
            "0\x01\x91\x94\x01\x00\x90\x05",
            KITH_MALFORMED),
    BY_HAND("a kind that is not known",
            "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x94\x01\x05\x90\x05", KITH_MALFORMED),
    BY_HAND("keyed without a key", "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x94\x01\x04\x90\x05",
            KITH_CUT),
    BY_HAND("keyed", "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x95\x01\x04\x90\x05\x06", KITH_OK),
    BY_HAND("a key that does not belong",
            "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x95\x01\x00\x90\x05\x06", KITH_MALFORMED),
    BY_HAND("more operations than there are bytes",
            "\x94\x01\x90\xC0\x93" RECORD "\x01\xDC\x10\x00\x94", KITH_CUT),
    BY_HAND("more operations than the limit", "\x94\x01\x90\xC0\x93" RECORD "\x01\xDC\x10\x01\x94",
            KITH_TOO_LARGE),
    BY_HAND("supersedes device 0",
            "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x94\x01\x00\x92\x00\x01\x05", KITH_MALFORMED),
    BY_HAND("supersedes more than the limit",
            "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x94\x01\x00\xDC\x02\x02\x05", KITH_TOO_LARGE),
    BY_HAND("a value that is not minimal",
            "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x94\x01\x00\x90\xCC\x05", KITH_MALFORMED),
    BY_HAND("a field over its limit",
            "\x94\x01\x90\xC0\x93" RECORD "\x01\x91\x94\xCE\x00\x01\x00\x00\x00\x90\x05",
            KITH_MALFORMED),
#undef RECORD
#undef BY_HAND
};

static void each_rule_of_form_is_kept(void **state)
{
    struct payload payload;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(by_hand); i++) {
        enum kith_err err = payload_open(&payload, bytes_of(by_hand[i].bytes, by_hand[i].len));
        if (err != by_hand[i].verdict)
            fail_msg("%s: %s, not %s", by_hand[i].what, error_name(err),
                     error_name(by_hand[i].verdict));
    }
}

/* Writes `count` small operations on `records` records in turn. */
static enum kith_err write_many(struct buffer *out, uint32_t count, uint32_t records)
{
    struct payload_writer writer;
    struct op op = {.type = 1, .field = 1, .value = bytes_of("\x05", 1)};

    buffer_reset(out);
    payload_begin(&writer, out, 1, NULL, 0, NULL);
    for (uint32_t i = 0; i < count; i++) {
        put_u32(op.record, i * records / count);
        payload_add(&writer, &op, NULL, 0);
    }
    return payload_end(&writer);
}

static void a_change_has_so_many_operations_and_no_more(void **state)
{
    struct payload payload;
    struct buffer out;
    struct op op;
    uint32_t count = 0;

    (void)state;
    buffer_init(&out, CHANGE_TEXT_MAX);
    assert_int_equal(write_many(&out, CHANGE_OPS_MAX, 10), KITH_OK);
    assert_int_equal(payload_open(&payload, buffer_view(&out)), KITH_OK);
    while (payload_next_op(&payload, &op))
        count++;
    assert_int_equal(count, CHANGE_OPS_MAX);
    assert_int_equal(write_many(&out, CHANGE_OPS_MAX, CHANGE_OPS_MAX), KITH_OK);
    assert_int_equal(payload_open(&payload, buffer_view(&out)), KITH_OK);
    assert_int_equal(write_many(&out, CHANGE_OPS_MAX + 1, 1), KITH_TOO_LARGE);
    assert_int_equal(write_many(&out, CHANGE_OPS_MAX + 1, 10), KITH_TOO_LARGE);
    assert_int_equal(write_many(&out, 100000, 1), KITH_TOO_LARGE);
    assert_int_equal(write_many(&out, 100000, 100000), KITH_TOO_LARGE);
    buffer_clear(&out);
}

/* The reader's bound is on the whole change, not on each record. */
static void operations_are_counted_over_all_records(void **state)
{
    struct payload payload;
    struct buffer out;

    (void)state;
    buffer_init(&out, CHANGE_TEXT_MAX);
    wire_put_array(&out, 4);
    wire_put_uint(&out, 1);
    wire_put_array(&out, 0);
    wire_put_nil(&out);
    wire_put_array(&out, 6);
    for (unsigned record = 0; record < 2; record++) {
        wire_put_bin(&out, bytes_text("0123456789abcdef"));
        wire_put_uint(&out, 1);
        wire_put_array(&out, CHANGE_OPS_MAX / 2 + record);
        for (unsigned i = 0; i < CHANGE_OPS_MAX / 2 + record; i++)
            buffer_add(&out, "\x94\x01\x00\x90\x05", 5);
    }
    assert_int_equal(payload_open(&payload, buffer_view(&out)), KITH_MALFORMED);
    buffer_clear(&out);
}

/* Each operation alone is more than the reader takes, so the writer does not write it. */
static void what_no_reader_takes_is_not_written(void **state)
{
    static uint8_t value[VALUE_MAX + 1];
    static struct dot dots[SEEN_MAX + 1];
    struct payload_writer writer;
    struct buffer text;
    struct buffer out;

    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(dots); i++)
        dots[i] = (struct dot){1 + i, 1};
    buffer_init(&text, VALUE_MAX + 64);
    buffer_init(&out, CHANGE_TEXT_MAX);
    wire_put_bin(&text, bytes_of(value, VALUE_MAX));
    const struct {
        struct op op;
        uint32_t count;
    } refused[] = {
        {{.kind = OP_PUT, .value = buffer_view(&text)}, 0},
        {{.kind = OP_KEYED, .value = bytes_of("\x05", 1), .key = bytes_of(text.ptr, UINT8_MAX + 1)},
         0},
        {{.kind = OP_PUT, .value = bytes_of("\x05", 1), .field = UINT16_MAX + 1}, 0},
        {{.kind = OP_PUT, .value = bytes_of("\x05", 1), .type = UINT16_MAX + 1}, 0},
        {{.kind = OP_PUT, .value = bytes_of("\x05", 1)}, SUPERSEDES_MAX + 1},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        buffer_reset(&out);
        payload_begin(&writer, &out, 1, NULL, 0, NULL);
        payload_add(&writer, &refused[i].op, dots, refused[i].count);
        assert_int_equal(payload_end(&writer), KITH_TOO_LARGE);
    }
    buffer_reset(&out);
    payload_begin(&writer, &out, 1, dots, SEEN_MAX + 1, NULL);
    assert_int_equal(payload_end(&writer), KITH_TOO_LARGE);
    buffer_reset(&out);
    payload_begin(&writer, &out, 1, dots, SEEN_MAX, NULL);
    assert_int_equal(payload_end(&writer), KITH_OK);
    buffer_clear(&text);
    buffer_clear(&out);
}

/* Five values of 60 KiB do not fit; that a small record follows does not make it good. */
static void a_record_that_was_too_large_is_not_forgotten(void **state)
{
    static const uint8_t zeros[60000];
    struct payload_writer writer;
    struct buffer value;
    struct buffer out;
    struct op op = {.type = 1, .field = 1};

    (void)state;
    buffer_init(&value, VALUE_MAX);
    buffer_init(&out, 2 * CHANGE_TEXT_MAX);
    wire_put_bin(&value, bytes_of(zeros, sizeof zeros));
    op.value = buffer_view(&value);
    payload_begin(&writer, &out, 1, NULL, 0, NULL);
    for (unsigned i = 0; i < 5; i++)
        payload_add(&writer, &op, NULL, 0);
    op.record[0] = 1;
    op.value = bytes_of("\x05", 1);
    payload_add(&writer, &op, NULL, 0);
    assert_int_equal(payload_end(&writer), KITH_TOO_LARGE);
    buffer_clear(&value);
    buffer_clear(&out);
}

static void a_full_buffer_is_a_failure(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 40);
    assert_int_equal(write_many(&out, 10, 10), KITH_TOO_LARGE);
    buffer_clear(&out);
}

static void dots_are_ordered_by_device_and_number(void **state)
{
    static const struct dot ascending[] = {{0, 0},          {1, 1}, {1, 2},
                                           {1, UINT64_MAX}, {2, 1}, {DEVICE_MAX, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ascending); i++)
        for (size_t k = 0; k < COUNT_OF(ascending); k++)
            assert_int_equal(dot_compare(ascending[i], ascending[k]), (i > k) - (i < k));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_payload_cut_or_prolonged_is_refused),
        cmocka_unit_test(no_altered_payload_does_harm),
        cmocka_unit_test(each_rule_of_form_is_kept),
        cmocka_unit_test(a_change_has_so_many_operations_and_no_more),
        cmocka_unit_test(operations_are_counted_over_all_records),
        cmocka_unit_test(what_no_reader_takes_is_not_written),
        cmocka_unit_test(a_record_that_was_too_large_is_not_forgotten),
        cmocka_unit_test(a_full_buffer_is_a_failure),
        cmocka_unit_test(dots_are_ordered_by_device_and_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
