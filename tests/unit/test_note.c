/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a note, step by step and as a set: what a step's bytes hold, who may take it, and
 * where it leaves the note, whatever the order. */
#include "protocol/note.h"

#include <string.h>

#include "make.h"
#include "protocol/seal.h"

#define FOUNDER    1u /* person and device: an admin */
#define STEPS_MAX  7
#define VALUE_ROOM 65536

static struct made_agency *agency;
static uint32_t ana;  /* devices: a specialist, whose visit it is */
static uint32_t rosa; /* a supervisor */
static uint32_t omar; /* another specialist */

static const struct note_place place = {{1}, {2}, {3}};

static int make_agency(void **state)
{
    (void)state;
    agency = made_agency_new();
    ana = made_person(agency, ROLE_SPECIALIST);
    rosa = made_person(agency, ROLE_SUPERVISOR);
    omar = made_person(agency, ROLE_SPECIALIST);
    return 0;
}

static int free_agency(void **state)
{
    (void)state;
    made_agency_free(&agency);
    return 0;
}

/* A step as it is written and read back: the real bytes, signed with the device's key. */
struct made_step {
    struct note_step step;
    struct buffer past;
    struct buffer value;
};

static void put_dot(struct buffer *dots, uint32_t device, uint64_t n)
{
    wire_put_uint(dots, device);
    wire_put_uint(dots, n);
}

static void step_sign(struct made_step *made, const struct note_place *where)
{
    struct dot dot = made->step.dot;

    buffer_reset(&made->value);
    assert_int_equal(note_step_write(&made->step, where,
                                     made_sign_secret(agency, made->step.device), &made->value),
                     KITH_OK);
    assert_int_equal(note_step_read(&made->step, buffer_view(&made->value)), KITH_OK);
    made->step.dot = dot;
}

static void step_init(struct made_step *made, enum note_step_kind kind, uint32_t device, uint64_t n)
{
    memset(made, 0, sizeof *made);
    buffer_init(&made->past, VALUE_ROOM);
    buffer_init(&made->value, VALUE_ROOM);
    made->step.kind = kind;
    made->step.device = device;
    made->step.person = made_person_of(agency, device);
    made->step.roster_seq = agency->roster.count;
    made->step.time_ms = 1700000000000;
    made->step.clock_offset_ms = -5;
    made->step.addendum = kind == NOTE_ADDEND ? ADDENDUM_ADDENDUM : ADDENDUM_NONE;
    made->step.dot = (struct dot){device, n};
}

static void step_clear(struct made_step *made)
{
    buffer_clear(&made->past);
    buffer_clear(&made->value);
}

static void a_step_reads_as_it_was_written(void **state)
{
    struct made_step made;
    struct buffer amended;
    struct buffer taken;

    (void)state;
    step_init(&made, NOTE_ADDEND, ana, 7);
    buffer_init(&amended, VALUE_ROOM);
    buffer_init(&taken, VALUE_ROOM);
    put_dot(&made.past, ana, 6);
    put_dot(&made.past, rosa, 300);
    wire_put_uint(&amended, 6);
    wire_put_uint(&amended, 3);
    wire_put_text(&amended, bytes_text("09:10"));
    put_dot(&taken, rosa, 299);
    made.step.past = buffer_view(&made.past);
    made.step.past_count = 2;
    made.step.amended = buffer_view(&amended);
    made.step.amended_count = 1;
    made.step.taken = buffer_view(&taken);
    made.step.taken_count = 1;
    made.step.addendum = ADDENDUM_CORRECTION;
    made.step.text = bytes_text("ten minutes later");
    made.step.credential = bytes_text("CPS 17");
    memset(made.step.covers, 9, HASH_BYTES);
    step_sign(&made, &place);
    assert_int_equal(made.step.kind, NOTE_ADDEND);
    assert_int_equal(made.step.clock_offset_ms, -5);
    assert_int_equal(made.step.addendum, ADDENDUM_CORRECTION);
    assert_bytes_equal(made.step.text, bytes_text("ten minutes later"));
    assert_bytes_equal(made.step.credential, bytes_text("CPS 17"));
    assert_true(note_step_knows(&made.step, (struct dot){rosa, 300}));
    assert_true(note_step_knows(&made.step, (struct dot){rosa, 1}));
    assert_false(note_step_knows(&made.step, (struct dot){rosa, 301}));
    assert_false(note_step_knows(&made.step, (struct dot){omar, 1}));
    assert_true(note_step_takes(&made.step, (struct dot){rosa, 299}));
    assert_false(note_step_takes(&made.step, (struct dot){rosa, 298}));
    assert_true(note_step_amends(&made.step, 6, 3).len > 0);
    assert_int_equal(note_step_amends(&made.step, 6, 4).len, 0);
    assert_int_equal(note_step_amends(&made.step, 7, 3).len, 0);
    assert_int_equal(note_step_verify(&made.step, &place, &agency->roster), KITH_OK);
    buffer_clear(&amended);
    buffer_clear(&taken);
    step_clear(&made);
}

static void a_step_altered_or_moved_does_not_verify(void **state)
{
    struct note_place elsewhere[3] = {place, place, place};
    struct made_step made;
    struct note_step read;

    (void)state;
    step_init(&made, NOTE_RETURN, rosa, 1);
    made.step.text = bytes_text("the goal is missing");
    step_sign(&made, &place);
    elsewhere[0].agency[5] ^= 1;
    elsewhere[1].circle[5] ^= 1;
    elsewhere[2].record[5] ^= 1;
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++)
        assert_int_equal(note_step_verify(&made.step, &elsewhere[i], &agency->roster),
                         KITH_SIGNATURE);
    for (size_t at = 0; at < made.value.len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            made.value.ptr[at] ^= (uint8_t)(1u << bit);
            if (note_step_read(&read, buffer_view(&made.value)) == KITH_OK)
                assert_int_not_equal(note_step_verify(&read, &place, &agency->roster), KITH_OK);
            made.value.ptr[at] ^= (uint8_t)(1u << bit);
        }
    for (size_t len = 0; len < made.value.len; len++)
        assert_int_not_equal(note_step_read(&read, bytes_of(made.value.ptr, len)), KITH_OK);
    buffer_add(&made.value, "", 1);
    assert_int_not_equal(note_step_read(&read, buffer_view(&made.value)), KITH_OK);
    step_clear(&made);
}

static void a_step_that_cannot_be_is_refused(void **state)
{
    struct made_step made;
    struct note_step read;

    (void)state;
    step_init(&made, NOTE_SIGN, ana, 1);
    made.step.addendum = ADDENDUM_CORRECTION; /* only an addendum is of a kind */
    assert_int_equal(
        note_step_write(&made.step, &place, made_sign_secret(agency, ana), &made.value), KITH_OK);
    assert_int_equal(note_step_read(&read, buffer_view(&made.value)), KITH_MALFORMED);
    made.step.addendum = ADDENDUM_NONE;
    put_dot(&made.past, rosa, 2);
    put_dot(&made.past, ana, 2); /* not ascending */
    made.step.past = buffer_view(&made.past);
    made.step.past_count = 2;
    buffer_reset(&made.value);
    assert_int_equal(
        note_step_write(&made.step, &place, made_sign_secret(agency, ana), &made.value), KITH_OK);
    assert_int_equal(note_step_read(&read, buffer_view(&made.value)), KITH_MALFORMED);
    step_clear(&made);
}

static void each_step_is_for_some_and_not_for_others(void **state)
{
    static const struct {
        enum note_step_kind kind;
        bool author, supervisor, admin, colleague;
    } rows[] = {
        {NOTE_SIGN, true, false, false, false},  {NOTE_SUBMIT, true, false, false, false},
        {NOTE_COSIGN, false, true, true, false}, {NOTE_RETURN, false, true, true, false},
        {NOTE_VOID, true, true, true, false},    {NOTE_ADDEND, true, true, true, false},
        {NOTE_KEEP, true, false, false, false},
    };
    uint32_t specialist = made_person_of(agency, ana);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const uint32_t devices[] = {ana, rosa, FOUNDER, omar};
        const bool verdicts[] = {rows[i].author, rows[i].supervisor, rows[i].admin,
                                 rows[i].colleague};
        for (size_t k = 0; k < COUNT_OF(devices); k++) {
            struct made_step made;
            step_init(&made, rows[i].kind, devices[k], 1);
            assert_int_equal(note_step_is_allowed(&made.step, &agency->roster, specialist),
                             verdicts[k]);
            made.step.dot.device = omar == devices[k] ? ana : omar; /* came in another's change */
            assert_false(note_step_is_allowed(&made.step, &agency->roster, specialist));
            step_clear(&made);
        }
    }
}

/* A supervisor's own visit is for another supervisor; a role counts as it was then. */
static void nobody_cosigns_what_is_their_own_or_before_they_may(void **state)
{
    struct made_step made;

    (void)state;
    step_init(&made, NOTE_COSIGN, rosa, 1);
    assert_false(note_step_is_allowed(&made.step, &agency->roster, made_person_of(agency, rosa)));
    step_clear(&made);
    uint32_t before = agency->roster.count;
    made_role(agency, made_person_of(agency, omar), ROLE_SUPERVISOR, 0);
    step_init(&made, NOTE_COSIGN, omar, 1);
    assert_true(note_step_is_allowed(&made.step, &agency->roster, made_person_of(agency, ana)));
    made.step.roster_seq = before;
    assert_false(note_step_is_allowed(&made.step, &agency->roster, made_person_of(agency, ana)));
    step_clear(&made);
    made_role(agency, made_person_of(agency, omar), ROLE_SPECIALIST, 0);
}

/* Lives: steps that know of each other by their places, and where they leave the note. */

enum who { ANA, TABLET, ROSA, IRMA, OMAR };

struct life_step {
    enum note_step_kind kind;
    enum who who;
    unsigned knows; /* a bit for each of the steps above it */
    uint8_t covers; /* a signature's content; VERSION: the version by the steps it knows */
};

#define VERSION 0
#define END                                                                                        \
    {                                                                                              \
        0, ANA, 0, 0                                                                               \
    }

static const struct life {
    const char *what;
    struct life_step steps[STEPS_MAX];
    enum note_state state;
    bool is_unsettled, is_amended, has_stale_cosign;
} lives[] = {
    {"nothing", {END}, NOTE_IS_DRAFT, false, false, false},
    {"signed", {{NOTE_SIGN, ANA, 0, 1}}, NOTE_IS_SIGNED, false, false, false},
    {"signed by somebody else", {{NOTE_SIGN, OMAR, 0, 1}}, NOTE_IS_DRAFT, false, false, false},
    {"submitted",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SUBMIT, ANA, 1, VERSION}},
     NOTE_IS_SUBMITTED,
     false,
     false,
     false},
    {"co-signed",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SUBMIT, ANA, 1, VERSION}, {NOTE_COSIGN, ROSA, 3, VERSION}},
     NOTE_IS_COSIGNED,
     false,
     false,
     false},
    {"co-signed by its author",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SUBMIT, ANA, 1, VERSION}, {NOTE_COSIGN, ANA, 3, VERSION}},
     NOTE_IS_SUBMITTED,
     false,
     false,
     false},
    {"amended beside the co-signature",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SUBMIT, ANA, 1, VERSION},
      {NOTE_COSIGN, ROSA, 3, VERSION},
      {NOTE_ADDEND, ANA, 3, VERSION}},
     NOTE_IS_SUBMITTED,
     false,
     true,
     true},
    {"co-signed again",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SUBMIT, ANA, 1, VERSION},
      {NOTE_COSIGN, ROSA, 3, VERSION},
      {NOTE_ADDEND, ANA, 3, VERSION},
      {NOTE_COSIGN, ROSA, 15, VERSION}},
     NOTE_IS_COSIGNED,
     false,
     true,
     false},
    {"two addenda at once make any co-signature of one of them stale",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SUBMIT, ANA, 1, VERSION},
      {NOTE_ADDEND, ANA, 3, VERSION},
      {NOTE_ADDEND, ROSA, 3, VERSION},
      {NOTE_COSIGN, IRMA, 7, VERSION}},
     NOTE_IS_SUBMITTED,
     false,
     true,
     true},
    {"returned",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SUBMIT, ANA, 1, VERSION}, {NOTE_RETURN, ROSA, 3, VERSION}},
     NOTE_IS_RETURNED,
     false,
     false,
     false},
    {"returned, amended, submitted again",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SUBMIT, ANA, 1, VERSION},
      {NOTE_RETURN, ROSA, 3, VERSION},
      {NOTE_ADDEND, ANA, 7, VERSION},
      {NOTE_SUBMIT, ANA, 15, VERSION}},
     NOTE_IS_SUBMITTED,
     false,
     true,
     false},
    {"submitted again without knowing of the return",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SUBMIT, ANA, 1, VERSION},
      {NOTE_RETURN, ROSA, 3, VERSION},
      {NOTE_SUBMIT, TABLET, 1, VERSION}},
     NOTE_IS_RETURNED,
     false,
     false,
     false},
    {"one returns what another co-signs",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SUBMIT, ANA, 1, VERSION},
      {NOTE_RETURN, ROSA, 3, VERSION},
      {NOTE_COSIGN, IRMA, 3, VERSION}},
     NOTE_IS_COSIGNED,
     false,
     false,
     false},
    {"void absorbs what comes beside and after it",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SUBMIT, ANA, 1, VERSION},
      {NOTE_VOID, ROSA, 3, VERSION},
      {NOTE_ADDEND, ANA, 3, VERSION},
      {NOTE_COSIGN, IRMA, 15, VERSION}},
     NOTE_IS_VOIDED,
     false,
     true,
     false},
    {"a draft is voided", {{NOTE_VOID, ANA, 0, 0}}, NOTE_IS_VOIDED, false, false, false},
    {"voided by a colleague",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_VOID, OMAR, 1, VERSION}},
     NOTE_IS_SIGNED,
     false,
     false,
     false},
    {"signed twice at once over the same",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SIGN, TABLET, 0, 1}, {NOTE_SUBMIT, ANA, 3, VERSION}},
     NOTE_IS_SUBMITTED,
     false,
     false,
     false},
    {"signed twice at once over different content",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SIGN, TABLET, 0, 2}},
     NOTE_IS_SIGNED,
     true,
     false,
     false},
    {"the author keeps one of them",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SIGN, TABLET, 0, 2}, {NOTE_KEEP, ANA, 3, 2}},
     NOTE_IS_SIGNED,
     false,
     false,
     false},
    {"a decision that has not seen both is none",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SIGN, TABLET, 0, 2}, {NOTE_KEEP, ANA, 1, 1}},
     NOTE_IS_SIGNED,
     true,
     false,
     false},
    {"two decisions at once that differ are none",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SIGN, TABLET, 0, 2},
      {NOTE_KEEP, ANA, 3, 1},
      {NOTE_KEEP, TABLET, 3, 2}},
     NOTE_IS_SIGNED,
     true,
     false,
     false},
    {"until one has seen the other",
     {{NOTE_SIGN, ANA, 0, 1},
      {NOTE_SIGN, TABLET, 0, 2},
      {NOTE_KEEP, ANA, 3, 1},
      {NOTE_KEEP, TABLET, 3, 2},
      {NOTE_KEEP, ANA, 15, 1}},
     NOTE_IS_SIGNED,
     false,
     false,
     false},
    {"a signature that has seen one counts for nothing",
     {{NOTE_SIGN, ANA, 0, 1}, {NOTE_SIGN, TABLET, 1, 2}},
     NOTE_IS_SIGNED,
     false,
     false,
     false},
};

static uint32_t tablet; /* Ana's other device */

static uint32_t device_of(enum who who)
{
    const uint32_t devices[] = {
        [ANA] = ana, [TABLET] = tablet, [ROSA] = rosa, [IRMA] = FOUNDER, [OMAR] = omar};

    return devices[who];
}

/* The steps of a life as real bytes. A step's version is computed from those that it knows. */
static unsigned life_make(const struct life *life, struct made_step *made)
{
    struct note_step known[STEPS_MAX];
    struct note_life then;
    unsigned count = 0;

    for (; count < STEPS_MAX && life->steps[count].kind; count++) {
        const struct life_step *said = &life->steps[count];
        struct made_step *step = &made[count];
        unsigned known_count = 0;
        uint64_t newest[16] = {0};
        step_init(step, said->kind, device_of(said->who), count + 1);
        for (unsigned i = 0; i < count; i++)
            if (said->knows & (1u << i)) {
                known[known_count++] = made[i].step;
                newest[made[i].step.device] = i + 1;
            }
        for (uint32_t device = 1; device < COUNT_OF(newest); device++)
            if (newest[device]) {
                put_dot(&step->past, device, newest[device]);
                step->step.past_count++;
            }
        step->step.past = buffer_view(&step->past);
        memset(step->step.covers, said->covers, HASH_BYTES);
        note_life_read(&then, &place, known, known_count, &agency->roster,
                       made_person_of(agency, ana));
        if (said->covers == VERSION && then.sign)
            memcpy(step->step.covers, then.version, HASH_BYTES);
        step_sign(step, &place);
    }
    return count;
}

static void check_life(const struct life *life, const struct note_step *steps, unsigned count,
                       uint8_t version[static HASH_BYTES], bool is_first)
{
    struct note_life read;

    note_life_read(&read, &place, steps, count, &agency->roster, made_person_of(agency, ana));
    if (read.state != life->state)
        fail_msg("%s: %s, not %s", life->what, note_state_word(read.state),
                 note_state_word(life->state));
    if (read.is_sign_unsettled != life->is_unsettled || read.is_amended != life->is_amended ||
        (read.stale_cosign != NULL) != life->has_stale_cosign)
        fail_msg("%s: unsettled %d, amended %d, stale %d", life->what, read.is_sign_unsettled,
                 read.is_amended, read.stale_cosign != NULL);
    if (is_first)
        memcpy(version, read.version, HASH_BYTES);
    assert_memory_equal(version, read.version, HASH_BYTES);
}

static void check_orders(const struct life *life, const struct made_step *made, unsigned count,
                         struct note_step *order, unsigned placed, unsigned used,
                         uint8_t version[static HASH_BYTES], bool *is_first)
{
    if (placed == count) {
        check_life(life, order, count, version, *is_first);
        *is_first = false;
        return;
    }
    for (unsigned i = 0; i < count; i++)
        if (!(used & (1u << i))) {
            order[placed] = made[i].step;
            check_orders(life, made, count, order, placed + 1, used | (1u << i), version, is_first);
        }
}

static void where_a_note_stands_follows_from_its_steps_in_any_order(void **state)
{
    (void)state;
    tablet = made_invited(agency, made_person_of(agency, ana), ROLE_SPECIALIST, 0);
    made_enrol(agency, tablet);
    for (size_t i = 0; i < COUNT_OF(lives); i++) {
        struct made_step made[STEPS_MAX];
        struct note_step order[STEPS_MAX];
        uint8_t version[HASH_BYTES] = {0};
        bool is_first = true;
        unsigned count = life_make(&lives[i], made);
        check_orders(&lives[i], made, count, order, 0, 0, version, &is_first);
        for (unsigned k = 0; k < count; k++)
            step_clear(&made[k]);
    }
}

/* Content */

static void put_value(struct record *record, uint32_t field, enum op_kind kind, const char *text,
                      struct dot dot)
{
    struct buffer value;
    struct op op = {.type = record->type, .field = field, .kind = kind};

    buffer_init(&value, VALUE_ROOM);
    wire_put_text(&value, bytes_text(text));
    op.value = arena_copy(record->arena, buffer_view(&value));
    assert_int_equal(record_apply(record, &op, dot, 5), KITH_OK);
    buffer_clear(&value);
}

static void hash_of(const struct record *facts, const struct record *note,
                    uint8_t hash[static HASH_BYTES])
{
    assert_int_equal(note_content_hash(&place, facts, note, hash), KITH_OK);
}

static void the_content_hash_is_of_values_and_their_dots_and_of_nothing_else(void **state)
{
    uint8_t hashes[6][HASH_BYTES];
    uint8_t same[HASH_BYTES];
    struct arena arena;
    struct record facts;
    struct record note;

    (void)state;
    arena_init(&arena, 1 << 20);
    record_begin(&facts, &arena, place.record, 6);
    record_begin(&note, &arena, place.record, 7);
    put_value(&facts, 2, OP_PUT, "2026-03-02", (struct dot){1, 1});
    hash_of(&facts, NULL, hashes[0]);
    hash_of(&facts, &note, hashes[1]);
    put_value(&note, 5, OP_PUT, "we walked", (struct dot){1, 2});
    hash_of(&facts, &note, hashes[2]);
    put_value(&note, 5, OP_PUT, "we walked", (struct dot){2, 1});
    hash_of(&facts, &note, hashes[3]);
    put_value(&note, 2, OP_ADD, "advocacy", (struct dot){2, 2});
    hash_of(&facts, &note, hashes[4]);
    put_value(&facts, 999, OP_PUT, "of a newer version", (struct dot){2, 3});
    hash_of(&facts, &note, hashes[5]);
    for (size_t i = 0; i < COUNT_OF(hashes); i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(hashes[i], hashes[k], HASH_BYTES);
    put_value(&facts, NOTE_STEPS, OP_APPEND, "a step", (struct dot){2, 4});
    hash_of(&facts, &note, same);
    assert_memory_equal(same, hashes[5], HASH_BYTES);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_reads_as_it_was_written),
        cmocka_unit_test(a_step_altered_or_moved_does_not_verify),
        cmocka_unit_test(a_step_that_cannot_be_is_refused),
        cmocka_unit_test(each_step_is_for_some_and_not_for_others),
        cmocka_unit_test(nobody_cosigns_what_is_their_own_or_before_they_may),
        cmocka_unit_test(where_a_note_stands_follows_from_its_steps_in_any_order),
        cmocka_unit_test(the_content_hash_is_of_values_and_their_dots_and_of_nothing_else),
    };

    return cmocka_run_group_tests(tests, make_agency, free_agency);
}
