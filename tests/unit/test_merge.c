/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merge, in three ways: small cases in a table; random histories, where every order in which the
 * changes can arrive gives the same bytes; and the same histories against a model that keeps
 * everything and evaluates it naively.
 */
#include "protocol/merge.h"

#include <string.h>

#include "tests/unit/make.h"

#define ARENA_MAX  ((size_t)8 << 20)
#define ENCODE_MAX ((size_t)1 << 20)

static const uint8_t record_id[ID_BYTES] = "a visit's record";
#define RECORD_TYPE 4

/* A number below 128 is its own encoding. */
static struct bytes number(uint8_t value)
{
    static uint8_t encoded[128];

    encoded[value] = value;
    return bytes_of(&encoded[value], 1);
}

static struct bytes nothing(void)
{
    return bytes_of(NULL, 0);
}

/* The operation as a reader has it: written into a payload and read out of it, in the arena. */
static struct op op_through_payload(struct arena *arena, const struct op *op,
                                    const struct dot *supersedes, uint32_t count)
{
    struct payload_writer writer;
    struct payload payload;
    struct buffer text;
    struct op read;

    buffer_init(&text, CHANGE_TEXT_MAX);
    payload_begin(&writer, &text, 1, NULL, 0, NULL);
    payload_add(&writer, op, supersedes, count);
    assert_int_equal(payload_end(&writer), KITH_OK);
    assert_int_equal(payload_open(&payload, arena_copy(arena, buffer_view(&text))), KITH_OK);
    assert_true(payload_next_op(&payload, &read));
    buffer_clear(&text);
    return read;
}

static struct op op_of(enum op_kind kind, uint32_t field, uint8_t value, uint8_t key)
{
    struct op op = {.type = RECORD_TYPE, .field = field, .kind = kind, .value = number(value)};

    memcpy(op.record, record_id, ID_BYTES);
    op.key = kind == OP_KEYED ? number(key) : nothing();
    return op;
}

/* The element under which an entry stands: [device, n, value]. */
static struct bytes entry_element(struct arena *arena, struct dot dot, uint8_t value)
{
    struct buffer out;

    buffer_init(&out, 64);
    wire_put_array(&out, 3);
    wire_put_uint(&out, dot.device);
    wire_put_uint(&out, dot.n);
    wire_put_uint(&out, value);
    struct bytes element = arena_copy(arena, buffer_view(&out));
    buffer_clear(&out);
    return element;
}

/* Small cases: steps on one field, in order, and how it reads then. */

#define FIELD     7
#define STEPS_MAX 4
#define NONE      (-1) /* reads as nothing */

struct step {
    struct dot dot;
    uint64_t hlc;
    enum op_kind kind;
    uint8_t value;
    struct dot supersedes[3]; /* up to the first device 0 */
};

static int rank_by_value(struct bytes value)
{
    return value.ptr[0];
}

static int rank_backwards(struct bytes value)
{
    return -value.ptr[0];
}

#define STEP(kind, device, n, hlc, value, ...)                                                     \
    {                                                                                              \
        {device, n}, hlc, kind, value,                                                             \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define PUT(...)  STEP(OP_PUT, __VA_ARGS__)
#define ADD(...)  STEP(OP_ADD, __VA_ARGS__)
#define DROP(...) STEP(OP_DROP, __VA_ARGS__)

static const struct {
    const char *what;
    struct step steps[STEPS_MAX]; /* device, n, hlc, value, and what it replaces */
    struct {
        enum merge_class class;
        merge_rank *rank;
        uint32_t live_count;
        int value;
        bool is_unsettled;
    } reads;
} small_cases[] = {
    {"one value", {PUT(1, 1, 5, 10, {0})}, {MERGE_LAST, NULL, 1, 10, false}},
    {"a later write wins whatever its clock said",
     {PUT(1, 1, 900, 10, {0}), PUT(2, 1, 5, 20, {1, 1})},
     {MERGE_LAST, NULL, 1, 20, false}},
    {"of concurrent ones the later stamp is read",
     {PUT(1, 1, 6, 10, {0}), PUT(2, 1, 5, 20, {0})},
     {MERGE_LAST, NULL, 2, 10, false}},
    {"of equal stamps the greater device",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 5, 20, {0})},
     {MERGE_LAST, NULL, 2, 20, false}},
    {"of equal stamps and devices the greater number",
     {PUT(1, 1, 5, 10, {0}), PUT(1, 2, 5, 20, {0})},
     {MERGE_LAST, NULL, 2, 20, false}},
    {"a write that saw both replaces both",
     {PUT(1, 1, 6, 10, {0}), PUT(2, 1, 5, 20, {0}), PUT(3, 1, 1, 30, {1, 1}, {2, 1})},
     {MERGE_LAST, NULL, 1, 30, false}},
    {"a write that saw one leaves the other",
     {PUT(1, 1, 6, 10, {0}), PUT(2, 1, 5, 20, {0}), PUT(1, 2, 7, 30, {1, 1})},
     {MERGE_LAST, NULL, 2, 30, false}},
    {"narrative: concurrent texts are unsettled",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 6, 20, {0})},
     {MERGE_NARRATIVE, NULL, 2, 20, true}},
    {"narrative: a person settles it",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 6, 20, {0}), PUT(1, 2, 7, 10, {1, 1}, {2, 1})},
     {MERGE_NARRATIVE, NULL, 1, 10, false}},
    {"narrative: two settle it differently",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 6, 20, {0}), PUT(1, 2, 7, 11, {1, 1}, {2, 1}),
      PUT(2, 2, 8, 21, {1, 1}, {2, 1})},
     {MERGE_NARRATIVE, NULL, 2, 21, true}},
    {"narrative: the same text twice is one",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 6, 10, {0})},
     {MERGE_NARRATIVE, NULL, 2, 10, false}},
    {"exact: different values are unsettled",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 5, 20, {0})},
     {MERGE_EXACT, NULL, 2, 20, true}},
    {"exact: equal values are one",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 5, 10, {0}), PUT(3, 1, 5, 10, {0})},
     {MERGE_EXACT, NULL, 3, 10, false}},
    {"exact: two of three equal values are not enough",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 5, 10, {0}), PUT(3, 1, 5, 11, {0})},
     {MERGE_EXACT, NULL, 3, 11, true}},
    {"fixed: set once", {PUT(1, 1, 5, 10, {0})}, {MERGE_FIXED, NULL, 1, 10, false}},
    {"fixed: a second value is unsettled",
     {PUT(1, 1, 5, 10, {0}), PUT(2, 1, 6, 20, {0})},
     {MERGE_FIXED, NULL, 2, 20, true}},
    {"restrict: the most restrictive, not the latest",
     {PUT(1, 1, 5, 3, {0}), PUT(2, 1, 6, 1, {0}), PUT(3, 1, 7, 2, {0})},
     {MERGE_RESTRICT, rank_by_value, 3, 3, false}},
    {"restrict: the order is the field's",
     {PUT(1, 1, 5, 3, {0}), PUT(2, 1, 6, 1, {0}), PUT(3, 1, 7, 2, {0})},
     {MERGE_RESTRICT, rank_backwards, 3, 1, false}},
    {"restrict: what saw it may lift it",
     {PUT(1, 1, 5, 3, {0}), PUT(2, 1, 6, 1, {1, 1})},
     {MERGE_RESTRICT, rank_by_value, 1, 1, false}},
    {"restrict: without an order as last",
     {PUT(1, 1, 5, 3, {0}), PUT(2, 1, 6, 1, {0})},
     {MERGE_RESTRICT, NULL, 2, 1, false}},
    {"a duplicate changes nothing",
     {PUT(1, 1, 5, 10, {0}), PUT(1, 1, 5, 10, {0})},
     {MERGE_LAST, NULL, 1, 10, false}},
    {"what is replaced and never came is no obstacle",
     {PUT(1, 2, 5, 10, {1, 1})},
     {MERGE_LAST, NULL, 1, 10, false}},
};

static void apply_step(struct record *record, const struct step *step)
{
    uint32_t count = 0;

    while (count < COUNT_OF(step->supersedes) && step->supersedes[count].device != 0)
        count++;
    struct op op = op_of(step->kind, FIELD, step->value, 0);
    op = op_through_payload(record->arena, &op, step->supersedes, count);
    assert_int_equal(record_apply(record, &op, step->dot, step->hlc), KITH_OK);
}

static void each_class_reads_as_its_table_says(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, ARENA_MAX);
    for (size_t i = 0; i < COUNT_OF(small_cases); i++) {
        struct record record;
        bool is_unsettled = true;
        record_begin(&record, &arena, record_id, RECORD_TYPE);
        for (size_t k = 0; k < STEPS_MAX && small_cases[i].steps[k].dot.device; k++)
            apply_step(&record, &small_cases[i].steps[k]);
        const struct merge_register *reg = record_register(&record, FIELD, nothing());
        const struct live *read =
            merge_read(reg, small_cases[i].reads.class, small_cases[i].reads.rank, &is_unsettled);
        int value = read ? read->value.ptr[0] : NONE;
        uint32_t live_count = reg ? reg->live_count : 0;
        if (value != small_cases[i].reads.value ||
            is_unsettled != small_cases[i].reads.is_unsettled ||
            live_count != small_cases[i].reads.live_count)
            fail_msg("%s: %d of %u, unsettled %d", small_cases[i].what, value, live_count,
                     is_unsettled);
        arena_reset(&arena);
    }
    arena_clear(&arena);
}

/* Steps on the element 10 of a set, and whether it is in it then. */
static const struct {
    const char *what;
    struct step steps[STEPS_MAX];
    bool is_present;
} set_cases[] = {
    {"added", {ADD(1, 1, 5, 10, {0})}, true},
    {"dropped by who saw it", {ADD(1, 1, 5, 10, {0}), DROP(2, 1, 6, 10, {1, 1})}, false},
    {"dropped by who never saw it", {ADD(1, 1, 5, 10, {0}), DROP(2, 1, 6, 10, {0})}, true},
    {"added and dropped at once: present wins",
     {ADD(1, 1, 5, 10, {0}), ADD(2, 1, 6, 10, {0}), DROP(3, 1, 9, 10, {1, 1})},
     true},
    {"dropped and added again",
     {ADD(1, 1, 5, 10, {0}), DROP(2, 1, 6, 10, {1, 1}), ADD(1, 2, 1, 10, {0})},
     true},
    {"confirmed while another drops it",
     {ADD(1, 1, 5, 10, {0}), ADD(2, 1, 6, 10, {1, 1}), DROP(3, 1, 7, 10, {1, 1})},
     true},
    {"another element", {ADD(1, 1, 5, 11, {0})}, false},
    {"dropped before anything", {DROP(1, 1, 5, 10, {0})}, false},
};

static void in_a_set_present_wins(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, ARENA_MAX);
    for (size_t i = 0; i < COUNT_OF(set_cases); i++) {
        struct record record;
        bool is_unsettled;
        record_begin(&record, &arena, record_id, RECORD_TYPE);
        for (size_t k = 0; k < STEPS_MAX && set_cases[i].steps[k].dot.device; k++)
            apply_step(&record, &set_cases[i].steps[k]);
        const struct merge_register *reg = record_register(&record, FIELD, number(10));
        const struct live *read = merge_read(reg, MERGE_SET, NULL, &is_unsettled);
        if ((read != NULL) != set_cases[i].is_present || is_unsettled)
            fail_msg("%s", set_cases[i].what);
        arena_reset(&arena);
    }
    arena_clear(&arena);
}

static void entries_of_two_devices_stand_side_by_side(void **state)
{
    const struct step steps[] = {
        STEP(OP_APPEND, 2, 1, 5, 10, {0}), STEP(OP_APPEND, 1, 1, 6, 10, {0}),
        STEP(OP_APPEND, 1, 2, 7, 20, {0}), STEP(OP_APPEND, 1, 2, 7, 21, {0})};
    struct arena arena;
    struct record record;
    uint32_t count;

    (void)state;
    arena_init(&arena, ARENA_MAX);
    record_begin(&record, &arena, record_id, RECORD_TYPE);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        apply_step(&record, &steps[i]);
    const struct merge_register *regs = record_field(&record, FIELD, &count);
    assert_int_equal(count, 4);
    const struct {
        struct dot dot;
        uint8_t value;
    } expected[] = {{{1, 1}, 10}, {{1, 2}, 20}, {{1, 2}, 21}, {{2, 1}, 10}};
    for (uint32_t i = 0; i < count; i++) {
        assert_bytes_equal(regs[i].element,
                           entry_element(&arena, expected[i].dot, expected[i].value));
        assert_int_equal(dot_compare(regs[i].live[0].dot, expected[i].dot), 0);
    }
    arena_clear(&arena);
}

static void keys_of_one_field_have_values_of_their_own(void **state)
{
    struct arena arena;
    struct record record;
    uint32_t count;
    bool is_unsettled;

    (void)state;
    arena_init(&arena, ARENA_MAX);
    record_begin(&record, &arena, record_id, RECORD_TYPE);
    for (uint8_t key = 1; key <= 3; key++) {
        struct op op = op_of(OP_KEYED, FIELD, (uint8_t)(10 * key), key);
        op = op_through_payload(&arena, &op, NULL, 0);
        assert_int_equal(record_apply(&record, &op, (struct dot){key, 1}, key), KITH_OK);
    }
    struct op op = op_of(OP_KEYED, FIELD, 99, 2);
    op = op_through_payload(&arena, &op, (struct dot[]){{2, 1}}, 1);
    assert_int_equal(record_apply(&record, &op, (struct dot){1, 2}, 0), KITH_OK);
    (void)record_field(&record, FIELD, &count);
    assert_int_equal(count, 3);
    const struct merge_register *reg = record_register(&record, FIELD, number(2));
    assert_int_equal(reg->live_count, 1);
    assert_bytes_equal(merge_read(reg, MERGE_EXACT, NULL, &is_unsettled)->value, number(99));
    reg = record_register(&record, FIELD, number(3));
    assert_bytes_equal(merge_read(reg, MERGE_EXACT, NULL, &is_unsettled)->value, number(30));
    assert_null(record_register(&record, FIELD, number(4)));
    arena_clear(&arena);
}

static void a_field_is_found_between_its_neighbours(void **state)
{
    static const uint32_t fields[] = {0, 3, 3, 9, UINT16_MAX};
    struct arena arena;
    struct record record;
    uint32_t count;

    (void)state;
    arena_init(&arena, ARENA_MAX);
    record_begin(&record, &arena, record_id, RECORD_TYPE);
    assert_null(record_field(&record, 3, &count));
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct op op = op_of(OP_ADD, fields[COUNT_OF(fields) - 1 - i], (uint8_t)i, 0);
        op = op_through_payload(&arena, &op, NULL, 0);
        assert_int_equal(record_apply(&record, &op, (struct dot){1, i + 1}, i), KITH_OK);
    }
    assert_int_equal(record_field(&record, 3, &count)->field, 3);
    assert_int_equal(count, 2);
    assert_int_equal(record_field(&record, 0, &count)->field, 0);
    assert_int_equal(count, 1);
    assert_int_equal(record_field(&record, UINT16_MAX, &count)->field, UINT16_MAX);
    assert_int_equal(count, 1);
    assert_null(record_field(&record, 4, &count));
    assert_int_equal(count, 0);
    arena_clear(&arena);
}

static void an_empty_register_reads_as_nothing(void **state)
{
    static const enum merge_class classes[] = {MERGE_LAST,      MERGE_SET,   MERGE_RESTRICT,
                                               MERGE_NARRATIVE, MERGE_EXACT, MERGE_FIXED,
                                               MERGE_ENTRIES};
    const struct merge_register empty = {.field = FIELD};
    bool is_unsettled;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        is_unsettled = true;
        assert_null(merge_read(&empty, classes[i], rank_by_value, &is_unsettled));
        assert_false(is_unsettled);
        is_unsettled = true;
        assert_null(merge_read(NULL, classes[i], rank_by_value, &is_unsettled));
        assert_false(is_unsettled);
    }
}

/* Random histories and the model. Sets of changes are bit masks. */

#define HISTORIES       600
#define WHOLE_HISTORIES 60 /* of CHANGES_MAX changes, each in all orders there are */
#define CHANGES_MAX     8
#define ACTIONS_MAX     3
#define DEVICES         3

/* What one operation does, as the model sees it. */
struct action {
    enum op_kind kind;
    uint32_t field;
    uint8_t value;
    uint8_t key;
    unsigned
        supersedes; /* of the changes that wrote to the same register, those that it replaces */
};

struct authored {
    struct dot dot;
    uint64_t hlc;
    unsigned seen; /* the changes its author had */
    struct action actions[ACTIONS_MAX];
    struct op ops[ACTIONS_MAX];
    unsigned action_count;
};

struct history {
    uint64_t seed;
    struct authored changes[CHANGES_MAX];
    unsigned count;
    struct arena arena;   /* of the operations */
    struct arena scratch; /* of the record being built */
    struct buffer first;  /* the encoding that the first order gave */
    struct buffer another;
    unsigned orders;
    bool is_duplicating;
};

static bool is_same_register(const struct action *a, const struct action *b)
{
    if (a->field != b->field || a->kind == OP_APPEND)
        return false;
    switch (a->kind) {
    case OP_ADD:
    case OP_DROP:
        return a->value == b->value;
    case OP_KEYED:
        return a->key == b->key;
    case OP_PUT:
    case OP_APPEND:
        break;
    }
    return true;
}

/* Whether any change of `known` replaces what `change` wrote to the action's register. */
static bool is_replaced(const struct history *history, unsigned known, unsigned change,
                        const struct action *action)
{
    for (unsigned i = 0; i < history->count; i++) {
        const struct authored *by = &history->changes[i];
        for (unsigned k = 0; known & (1u << i) && k < by->action_count; k++)
            if (is_same_register(&by->actions[k], action) &&
                by->actions[k].supersedes & (1u << change))
                return true;
    }
    return false;
}

/* The changes of `known` whose value in the action's register nothing in `known` has replaced. */
static unsigned alive(const struct history *history, unsigned known, const struct action *action)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < history->count; i++) {
        const struct authored *by = &history->changes[i];
        for (unsigned k = 0; known & (1u << i) && k < by->action_count; k++)
            if (by->actions[k].kind != OP_DROP && is_same_register(&by->actions[k], action) &&
                !is_replaced(history, known, i, action))
                mask |= 1u << i;
    }
    return mask;
}

static struct action random_action(struct dice *dice)
{
    static const struct {
        enum op_kind kind;
        uint32_t field;
    } choices[] = {{OP_PUT, 1},  {OP_PUT, 2},    {OP_ADD, 3},
                   {OP_DROP, 3}, {OP_APPEND, 4}, {OP_KEYED, 5}};
    uint32_t choice = dice_below(dice, COUNT_OF(choices));

    return (struct action){.kind = choices[choice].kind,
                           .field = choices[choice].field,
                           .value = (uint8_t)(1 + dice_below(dice, 2)),
                           .key = (uint8_t)(1 + dice_below(dice, 2))};
}

/* One action as an author who has `seen` would write it; none if the change has one on that
 * register already. */
static void author_action(struct history *history, struct authored *change, struct dice *dice)
{
    struct action action = random_action(dice);
    struct dot supersedes[CHANGES_MAX];
    uint32_t count = 0;

    for (unsigned i = 0; i < change->action_count; i++)
        if (is_same_register(&change->actions[i], &action) ||
            (action.kind == OP_APPEND && change->actions[i].kind == OP_APPEND))
            return;
    action.supersedes = alive(history, change->seen, &action);
    for (uint32_t device = 1; device <= DEVICES; device++) /* ascending, as dots must be */
        for (unsigned i = 0; i < history->count; i++)
            if (action.supersedes & (1u << i) && history->changes[i].dot.device == device)
                supersedes[count++] = history->changes[i].dot;
    struct op op = op_of(action.kind, action.field, action.value, action.key);
    change->ops[change->action_count] = op_through_payload(&history->arena, &op, supersedes, count);
    change->actions[change->action_count++] = action;
}

static void history_author(struct history *history, uint64_t seed)
{
    struct dice dice = {seed};
    unsigned known[DEVICES] = {0};
    uint64_t n[DEVICES] = {0};
    unsigned count = 2 + dice_below(&dice, CHANGES_MAX - 1);

    history->seed = seed;
    history->count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct authored *change = &history->changes[i];
        uint32_t device = dice_below(&dice, DEVICES);
        memset(change, 0, sizeof *change);
        if (dice_below(&dice, 2))
            known[device] |= known[dice_below(&dice, DEVICES)];
        change->dot = (struct dot){device + 1, ++n[device]};
        change->hlc = dice_below(&dice, 5);
        change->seen = known[device];
        for (unsigned k = 0; k < ACTIONS_MAX; k++)
            author_action(history, change, &dice);
        known[device] |= 1u << i;
        history->count++;
    }
}

static void apply_change(struct record *record, const struct authored *change)
{
    for (unsigned i = 0; i < change->action_count; i++)
        assert_int_equal(record_apply(record, &change->ops[i], change->dot, change->hlc), KITH_OK);
}

static void build_record(struct history *history, struct record *record, const unsigned *order,
                         unsigned count)
{
    arena_reset(&history->scratch);
    record_begin(record, &history->scratch, record_id, RECORD_TYPE);
    for (unsigned i = 0; i < count; i++) {
        apply_change(record, &history->changes[order[i]]);
        if (history->is_duplicating)
            apply_change(record, &history->changes[order[i]]);
    }
}

static void check_order(struct history *history, const unsigned *order)
{
    struct record record;
    struct buffer *out = history->orders == 0 ? &history->first : &history->another;

    build_record(history, &record, order, history->count);
    buffer_reset(out);
    record_encode(&record, out);
    assert_int_equal(out->err, KITH_OK);
    if (history->orders > 0 && !bytes_equal(buffer_view(&history->first), buffer_view(out)))
        fail_msg("seed %llu: order %u gives another state", (unsigned long long)history->seed,
                 history->orders);
    history->orders++;
}

/* Every order in which each change comes after all that its author had seen. */
static void check_orders_from(struct history *history, unsigned *order, unsigned placed,
                              unsigned applied)
{
    if (placed == history->count) {
        check_order(history, order);
        return;
    }
    for (unsigned i = 0; i < history->count; i++) {
        if (applied & (1u << i) || history->changes[i].seen & ~applied)
            continue;
        order[placed] = i;
        check_orders_from(history, order, placed + 1, applied | (1u << i));
    }
}

/* Each history is checked in memory that is made and taken down once. */
static void with_each_history(void (*check)(struct history *history))
{
    struct history history = {.count = 0};

    arena_init(&history.arena, ARENA_MAX);
    arena_init(&history.scratch, ARENA_MAX);
    buffer_init(&history.first, ENCODE_MAX);
    buffer_init(&history.another, ENCODE_MAX);
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        arena_reset(&history.arena);
        history_author(&history, seed);
        check(&history);
    }
    arena_clear(&history.arena);
    arena_clear(&history.scratch);
    buffer_clear(&history.first);
    buffer_clear(&history.another);
}

static void check_all_orders(struct history *history)
{
    unsigned order[CHANGES_MAX];

    history->orders = 0;
    history->is_duplicating = false;
    check_orders_from(history, order, 0, 0);
    history->is_duplicating = true;
    check_orders_from(history, order, 0, 0);
}

static void every_order_of_arrival_gives_the_same_bytes(void **state)
{
    (void)state;
    with_each_history(check_all_orders);
}

/* What a replica makes of changes that arrive in any order: each waits for all that its author had
 * seen. */
static void merge_order(const struct history *history, const unsigned *arrival, unsigned *merged)
{
    unsigned arrived = 0;
    unsigned applied = 0;
    unsigned count = 0;

    for (unsigned i = 0; i < history->count; i++) {
        bool has_moved = true;
        arrived |= 1u << arrival[i];
        while (has_moved) {
            has_moved = false;
            for (unsigned k = 0; k < history->count; k++)
                if (arrived & ~applied & (1u << k) && !(history->changes[k].seen & ~applied)) {
                    merged[count++] = k;
                    applied |= 1u << k;
                    has_moved = true;
                }
        }
    }
    assert_int_equal(count, history->count);
}

static void check_arrivals_from(struct history *history, unsigned *arrival, unsigned placed,
                                unsigned used)
{
    unsigned merged[CHANGES_MAX];

    if (placed == history->count) {
        merge_order(history, arrival, merged);
        check_order(history, merged);
        return;
    }
    for (unsigned i = 0; i < history->count; i++)
        if (!(used & (1u << i))) {
            arrival[placed] = i;
            check_arrivals_from(history, arrival, placed + 1, used | (1u << i));
        }
}

static void check_all_arrivals(struct history *history)
{
    unsigned arrival[CHANGES_MAX];
    static unsigned whole;

    if (history->count < CHANGES_MAX || whole == WHOLE_HISTORIES)
        return;
    whole++;
    history->orders = 0;
    history->is_duplicating = false;
    check_arrivals_from(history, arrival, 0, 0);
    assert_int_equal(history->orders, 40320);
}

static void all_permutations_of_eight_changes_give_the_same_bytes(void **state)
{
    (void)state;
    with_each_history(check_all_arrivals);
}

static struct bytes action_element(struct history *history, const struct authored *change,
                                   const struct action *action)
{
    switch (action->kind) {
    case OP_ADD:
    case OP_DROP:
        return number(action->value);
    case OP_KEYED:
        return number(action->key);
    case OP_APPEND:
        return entry_element(&history->scratch, change->dot, action->value);
    case OP_PUT:
        break;
    }
    return nothing();
}

/* The register of one action holds exactly what the model says is alive in it. Returns how many
 * registers that is: one for the first change that is alive there, none for the others, so that
 * each counts once. */
static unsigned check_register(struct history *history, const struct record *record, unsigned known,
                               unsigned change, const struct action *action)
{
    const struct authored *author = &history->changes[change];
    unsigned mask = action->kind == OP_APPEND ? 1u << change : alive(history, known, action);
    const struct merge_register *reg =
        record_register(record, action->field, action_element(history, author, action));
    unsigned count = 0;

    for (unsigned i = 0; i < history->count; i++)
        count += (mask >> i) & 1u;
    if ((reg ? reg->live_count : 0) != count)
        fail_msg("seed %llu: %u alive, not %u", (unsigned long long)history->seed,
                 reg ? reg->live_count : 0, count);
    for (unsigned i = 0; i < count; i++) {
        unsigned k = 0;
        while (k < history->count &&
               !(mask & (1u << k) && !dot_compare(history->changes[k].dot, reg->live[i].dot)))
            k++;
        assert_in_range(k, 0, history->count - 1);
        assert_int_equal(reg->live[i].hlc, history->changes[k].hlc);
    }
    bool is_first = mask & (1u << change) && (mask & ((1u << change) - 1)) == 0;
    return is_first ? 1 : 0;
}

static bool is_before(const struct authored *a, const struct authored *b)
{
    return a->hlc != b->hlc ? a->hlc < b->hlc : dot_compare(a->dot, b->dot) < 0;
}

static void check_stamps(struct history *history, const struct record *record, unsigned known)
{
    const struct authored *created = NULL;
    const struct authored *touched = NULL;

    for (unsigned i = 0; i < history->count; i++) {
        const struct authored *change = &history->changes[i];
        if (!(known & (1u << i)) || change->action_count == 0)
            continue;
        created = !created || is_before(change, created) ? change : created;
        touched = !touched || is_before(touched, change) ? change : touched;
    }
    assert_non_null(created);
    assert_int_equal(dot_compare(record->created, created->dot), 0);
    assert_int_equal(record->created_hlc, created->hlc);
    assert_int_equal(dot_compare(record->touched, touched->dot), 0);
    assert_int_equal(record->touched_hlc, touched->hlc);
}

/* The model after each change, in the order in which they were authored. */
static void check_against_model(struct history *history)
{
    static const unsigned authored_order[CHANGES_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct record record;

    history->is_duplicating = false;
    for (unsigned count = 1; count <= history->count; count++) {
        unsigned known = (1u << count) - 1;
        unsigned registers = 0;
        build_record(history, &record, authored_order, count);
        for (unsigned i = 0; i < count; i++)
            for (unsigned k = 0; k < history->changes[i].action_count; k++)
                registers +=
                    check_register(history, &record, known, i, &history->changes[i].actions[k]);
        assert_int_equal(record.register_count, registers);
        check_stamps(history, &record, known);
    }
}

static void every_history_agrees_with_the_model(void **state)
{
    (void)state;
    with_each_history(check_against_model);
}

/* The last record of the history, encoded in `first`. */
static void encode_whole(struct history *history)
{
    static const unsigned authored_order[CHANGES_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};

    history->orders = 0;
    history->is_duplicating = false;
    check_order(history, authored_order);
}

static void check_decoding(struct history *history)
{
    struct record read;

    encode_whole(history);
    arena_reset(&history->scratch);
    assert_int_equal(record_decode(&read, &history->scratch, buffer_view(&history->first)),
                     KITH_OK);
    buffer_reset(&history->another);
    record_encode(&read, &history->another);
    assert_bytes_equal(buffer_view(&history->first), buffer_view(&history->another));
    if (history->seed > 20)
        return;
    for (size_t len = 0; len < history->first.len; len++) {
        arena_reset(&history->scratch);
        assert_int_equal(record_decode(&read, &history->scratch, bytes_of(history->first.ptr, len)),
                         KITH_DAMAGED);
    }
}

static void a_stored_record_reads_as_it_was_and_a_cut_one_is_damaged(void **state)
{
    (void)state;
    with_each_history(check_decoding);
}

/* Decoding goes on where the record was left: half of the changes before, half after. */
static void check_resuming(struct history *history)
{
    static const unsigned authored_order[CHANGES_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct record record;
    struct buffer stored;

    encode_whole(history);
    buffer_init(&stored, ENCODE_MAX);
    build_record(history, &record, authored_order, history->count / 2);
    record_encode(&record, &stored);
    arena_reset(&history->scratch);
    assert_int_equal(record_decode(&record, &history->scratch, buffer_view(&stored)), KITH_OK);
    for (unsigned i = history->count / 2; i < history->count; i++)
        apply_change(&record, &history->changes[i]);
    buffer_reset(&history->another);
    record_encode(&record, &history->another);
    assert_bytes_equal(buffer_view(&history->first), buffer_view(&history->another));
    buffer_clear(&stored);
}

static void a_stored_record_goes_on_where_it_was_left(void **state)
{
    (void)state;
    with_each_history(check_resuming);
}

static void a_damaged_record_is_refused_or_reads_as_another(void **state)
{
    struct history history = {.seed = 3};
    struct record read;

    (void)state;
    arena_init(&history.arena, ARENA_MAX);
    arena_init(&history.scratch, ARENA_MAX);
    buffer_init(&history.first, ENCODE_MAX);
    buffer_init(&history.another, ENCODE_MAX);
    history_author(&history, 3);
    encode_whole(&history);
    for (size_t bit = 0; bit < history.first.len * 8; bit++) {
        arena_reset(&history.scratch);
        history.first.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum kith_err err = record_decode(&read, &history.scratch, buffer_view(&history.first));
        assert_true(err == KITH_OK || err == KITH_DAMAGED);
        history.first.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    arena_clear(&history.arena);
    arena_clear(&history.scratch);
    buffer_clear(&history.first);
    buffer_clear(&history.another);
}

/* A register holds as many values as an array of the encoding has room for; one more is refused,
 * not written. */
static void a_register_has_a_last_place(void **state)
{
    enum { LIVE_MAX = WIRE_ITEMS_MAX / 4 };
    struct arena arena;
    struct buffer stored;
    struct record record = {.type = RECORD_TYPE};
    static struct live live[LIVE_MAX];
    struct merge_register full = {.field = FIELD, .live = live, .live_count = LIVE_MAX};

    (void)state;
    for (uint32_t i = 0; i < LIVE_MAX; i++)
        live[i] = (struct live){{1, i + 1}, i, number(1)};
    arena_init(&arena, ARENA_MAX);
    buffer_init(&stored, ENCODE_MAX);
    record.registers = &full;
    record.register_count = 1;
    record_encode(&record, &stored);
    assert_int_equal(record_decode(&record, &arena, buffer_view(&stored)), KITH_OK);
    struct op op = op_of(OP_PUT, FIELD, 2, 0);
    op = op_through_payload(&arena, &op, NULL, 0);
    assert_int_equal(record_apply(&record, &op, (struct dot){2, 1}, 1), KITH_TOO_LARGE);
    buffer_reset(&stored);
    record_encode(&record, &stored);
    assert_int_equal(stored.err, KITH_OK);
    op = op_of(OP_PUT, FIELD, 2, 0);
    op = op_through_payload(&arena, &op, (struct dot[]){{1, 5}}, 1);
    assert_int_equal(record_apply(&record, &op, (struct dot){2, 1}, 1), KITH_OK);
    assert_int_equal(record_register(&record, FIELD, nothing())->live_count, LIVE_MAX);
    buffer_clear(&stored);
    arena_clear(&arena);
}

static void without_memory_an_operation_is_refused(void **state)
{
    struct arena arena;
    struct arena ops;
    struct record record;

    (void)state;
    arena_init(&ops, ARENA_MAX);
    arena_init(&arena, 64);
    record_begin(&record, &arena, record_id, RECORD_TYPE);
    struct op op = op_of(OP_PUT, FIELD, 2, 0);
    op = op_through_payload(&ops, &op, NULL, 0);
    assert_int_equal(record_apply(&record, &op, (struct dot){2, 1}, 1), KITH_MEMORY);
    assert_int_equal(record.register_count, 0);
    arena_clear(&arena);
    arena_clear(&ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_class_reads_as_its_table_says),
        cmocka_unit_test(in_a_set_present_wins),
        cmocka_unit_test(entries_of_two_devices_stand_side_by_side),
        cmocka_unit_test(keys_of_one_field_have_values_of_their_own),
        cmocka_unit_test(a_field_is_found_between_its_neighbours),
        cmocka_unit_test(an_empty_register_reads_as_nothing),
        cmocka_unit_test(every_order_of_arrival_gives_the_same_bytes),
        cmocka_unit_test(all_permutations_of_eight_changes_give_the_same_bytes),
        cmocka_unit_test(every_history_agrees_with_the_model),
        cmocka_unit_test(a_stored_record_reads_as_it_was_and_a_cut_one_is_damaged),
        cmocka_unit_test(a_stored_record_goes_on_where_it_was_left),
        cmocka_unit_test(a_damaged_record_is_refused_or_reads_as_another),
        cmocka_unit_test(a_register_has_a_last_place),
        cmocka_unit_test(without_memory_an_operation_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
