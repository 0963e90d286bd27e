/* SPDX-License-Identifier: Apache-2.0 */
/* The schema: what each kind of field takes and how it shows it, and that its numbers and words can
 * be relied on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/schema.h"
#include "make.h"
#include "protocol/invite.h"

#define MARCH_2_NOON 1772452800000u /* 2026-03-02 12:00 UTC */
#define ID_WHOLE     "aaaqeayeaudaocajbifqydiob4"

static bool number_of_ana(void *owner, const char *text, uint32_t *number)
{
    (void)owner;
    *number = 7;
    return strcmp(text, "Ana") == 0 || strcmp(text, "7") == 0;
}

static const char *name_of_ana(void *owner, uint32_t number)
{
    (void)owner;
    return number == 7 ? "Ana" : "somebody";
}

/* A record by its whole id, and a participant by name besides. */
static bool id_of(void *owner, const char *text, uint8_t id[static ID_BYTES])
{
    unsigned bits;

    (void)owner;
    return id_read_prefix(text, id, &bits) == KITH_OK && bits == ID_BYTES * 8;
}

static bool id_of_maria(void *owner, const char *text, uint8_t id[static ID_BYTES])
{
    return id_of(owner, strcmp(text, "Maria") == 0 ? ID_WHOLE : text, id);
}

static const struct schema_names names = {NULL, number_of_ana, name_of_ana, id_of_maria, id_of};

static const struct schema_field *field_of(const char *type, const char *name)
{
    const struct schema_type *found = schema_type(type);

    assert_non_null(found);
    const struct schema_field *field = schema_field(found, name);
    assert_non_null(field);
    return field;
}

static enum kith_err encode(const struct schema_field *field, const char *text, struct buffer *out)
{
    char why[SCHEMA_WHY_MAX] = "";

    buffer_init(out, VALUE_MAX);
    enum kith_err err = schema_encode(field, text, &names, MARCH_2_NOON, out, why);
    if (err == KITH_INPUT) {
        assert_memory_equal(why, field->name,
                            strlen(field->name)); /* says which field, and what it expected */
        assert_non_null(strstr(why, ": expected "));
        assert_int_equal(out->len, 0);
    }
    return err;
}

static void a_typed_text_is_taken_and_shown_or_refused(void **state)
{
    static const struct {
        const char *type;
        const char *field;
        const char *text;
        const char *shown; /* NULL: refused */
    } rows[] = {
        {"participant", "name", "Maria López", "Maria López"},
        {"participant", "name", " ", " "},
        {"participant", "name", "two\nlines", NULL},
        {"participant", "name", "ends\r", NULL},
        {"participant", "name", "\xff", NULL},
        {"participant", "name", "\xc3", NULL},
        {"participant", "name", "\xed\xa0\x80", NULL},
        {"participant", "crisis_plan", "two\nlines", "two\nlines"},
        {"participant", "crisis_plan", "\xc0\x80", NULL},
        {"participant", "dob", "1971-02-28", "1971-02-28"},
        {"participant", "dob", "yesterday", "2026-03-01"},
        {"participant", "dob", "1971-02-29", NULL},
        {"participant", "dob", "28.02.1971", NULL},
        {"visit", "start", "14:05", "2026-03-02T14:05+00:00"},
        {"visit", "start", "2026-03-02T14:05-05:00", "2026-03-02T14:05-05:00"},
        {"visit", "start", "25:00", NULL},
        {"visit", "start", "today", NULL},
        {"visit", "group_size", "0", "0"},
        {"visit", "group_size", "12", "12"},
        {"visit", "group_size", "007", "7"},
        {"visit", "group_size", "4294967296", "4294967296"},
        {"visit", "group_size", "-1", NULL},
        {"visit", "group_size", "+1", NULL},
        {"visit", "group_size", "1.5", NULL},
        {"visit", "group_size", " 1", NULL},
        {"visit", "group_size", "1e3", NULL},
        {"visit", "group_size", "0x10", NULL},
        {"visit", "group_size", "99999999999999999999", NULL},
        {"participant", "do_not_contact", "yes", "yes"},
        {"participant", "do_not_contact", "true", "yes"},
        {"participant", "do_not_contact", "1", "yes"},
        {"participant", "do_not_contact", "no", "no"},
        {"participant", "do_not_contact", "false", "no"},
        {"participant", "do_not_contact", "0", "no"},
        {"participant", "do_not_contact", "Yes", NULL},
        {"participant", "do_not_contact", "maybe", NULL},
        {"participant", "do_not_contact", "2", NULL},
        {"visit", "risk", "none", "none"},
        {"visit", "risk", "urgent", "urgent"},
        {"visit", "risk", "Urgent", NULL},
        {"visit", "risk", "urg", NULL},
        {"visit", "risk", "urgents", NULL},
        {"visit", "risk", "none concern", NULL},
        {"visit", "risk", " ", NULL},
        {"visit", "interventions", "engagement", "engagement"},
        {"visit", "interventions", "shared_lived_experience", "shared_lived_experience"},
        {"visit", "interventions", "something", NULL},
        {"visit", "specialist", "Ana", "Ana"},
        {"visit", "specialist", "7", "Ana"},
        {"visit", "specialist", "Omar", NULL},
        {"visit", "goals", ID_WHOLE, ID_WHOLE},
        {"visit", "goals", "aaaqeay", NULL},
        {"visit", "goals", ID_WHOLE "a", NULL},
        {"visit", "goals", "not an id", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct schema_field *field = field_of(rows[i].type, rows[i].field);
        struct kith_value value = {0};
        struct buffer out;
        struct arena arena;
        arena_init(&arena, 65536);
        enum kith_err err = encode(field, rows[i].text, &out);
        if (err != (rows[i].shown ? KITH_OK : KITH_INPUT))
            fail_msg("%s = '%s': %s", rows[i].field, rows[i].text, error_name(err));
        if (rows[i].shown) {
            assert_true(wire_is_value(buffer_view(&out)));
            assert_int_equal(schema_show(field, buffer_view(&out), &names, &arena, &value),
                             KITH_OK);
            assert_string_equal(value.text, rows[i].shown);
        }
        buffer_clear(&out);
        arena_clear(&arena);
    }
}

static void a_text_has_its_limit(void **state)
{
    const struct schema_field *field = field_of("visit", "purpose");
    char *text = malloc(NARRATIVE_MAX + 2);
    struct buffer out;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', NARRATIVE_MAX + 1);
    text[NARRATIVE_MAX + 1] = '\0';
    assert_int_equal(encode(field, text, &out), KITH_INPUT);
    buffer_clear(&out);
    text[NARRATIVE_MAX] = '\0';
    assert_int_equal(encode(field, text, &out), KITH_OK);
    buffer_clear(&out);
    free(text);
}

static void an_empty_text_clears_whatever_the_kind(void **state)
{
    (void)state;
    for (const char *const *word = kith_schema_types(); *word; word++) {
        const struct schema_type *type = schema_type(*word);
        for (size_t i = 0; i < type->field_count; i++) {
            struct kith_value value = {0};
            struct buffer out;
            struct arena arena;
            arena_init(&arena, 1024);
            assert_int_equal(encode(&type->fields[i], "", &out), KITH_OK);
            assert_int_equal(
                schema_show(&type->fields[i], buffer_view(&out), &names, &arena, &value), KITH_OK);
            assert_string_equal(value.text, "");
            arena_clear(&arena);
            buffer_clear(&out);
        }
    }
}

static void a_value_has_the_kind_that_programs_read(void **state)
{
    static const struct {
        const char *type;
        const char *field;
        const char *text;
        enum kith_value_kind kind;
        int64_t number;
    } rows[] = {
        {"visit", "group_size", "12", KITH_NUMBER, 12},
        {"participant", "part2", "yes", KITH_FLAG, 1},
        {"participant", "part2", "no", KITH_FLAG, 0},
        {"participant", "name", "12", KITH_TEXT, 0},
        {"visit", "specialist", "Ana", KITH_TEXT, 7},
        {"visit", "risk", "none", KITH_TEXT, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct schema_field *field = field_of(rows[i].type, rows[i].field);
        struct kith_value value = {0};
        struct buffer out;
        struct arena arena;
        arena_init(&arena, 1024);
        assert_int_equal(encode(field, rows[i].text, &out), KITH_OK);
        assert_int_equal(schema_show(field, buffer_view(&out), &names, &arena, &value), KITH_OK);
        assert_int_equal(value.kind, rows[i].kind);
        assert_int_equal(value.number, rows[i].number);
        arena_clear(&arena);
        buffer_clear(&out);
    }
}

/* From a newer version, or from somebody who means harm: shown as bytes, and never a crash. */
static void a_value_of_another_form_is_shown_all_the_same(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *shown;
    } rows[] = {
        {"\x92\x01\x02", 3, "920102"},
        {"\x81\x01\x02", 3, "810102"},
        {"\xc4\x02\xab\xcd", 4, "c402abcd"},
        {"\xff", 1, "-1"},
        {"\xc0", 1, ""},
        {"\xa1x", 2, "x"},
    };
    const struct schema_field *fields[] = {field_of("participant", "name"),
                                           field_of("visit", "specialist"),
                                           field_of("visit", "risk"), field_of("visit", "goals")};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t k = 0; k < COUNT_OF(fields); k++) {
            struct kith_value value = {0};
            struct arena arena;
            arena_init(&arena, 1024);
            assert_int_equal(schema_show(fields[k], bytes_of(rows[i].bytes, rows[i].len), &names,
                                         &arena, &value),
                             KITH_OK);
            assert_string_equal(value.text, rows[i].shown);
            arena_clear(&arena);
        }
}

static void field_numbers_and_names_are_unique_within_their_record(void **state)
{
    (void)state;
    for (const char *const *word = kith_schema_types(); *word; word++) {
        const struct schema_type *type = schema_type(*word);
        for (size_t i = 0; i < type->field_count; i++) {
            const struct schema_field *a = &type->fields[i];
            assert_true(a->number > 0);
            assert_true(strlen(a->help) > 0);
            assert_int_equal(a->kind == FIELD_CHOICE, a->choices[0] != '\0');
            assert_ptr_equal(schema_field(type, a->name), a);
            assert_ptr_equal(schema_field_numbered(type, a->record, a->number), a);
            for (size_t k = 0; k < i; k++) {
                const struct schema_field *b = &type->fields[k];
                assert_false(a->record == b->record && a->number == b->number);
                assert_string_not_equal(a->name, b->name);
            }
        }
    }
}

static void record_types_have_words_and_numbers_of_their_own(void **state)
{
    static const struct {
        const char *word;
        uint32_t number;
    } types[] = {
#define TYPE_ROW(name, number, word, kind) {word, number},
        RECORD_TYPES(TYPE_ROW)
#undef TYPE_ROW
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const struct schema_type *type = schema_type(types[i].word);
        /* A note is part of a visit; nobody fills in a clock. */
        assert_true(type || types[i].number == RECORD_NOTE || types[i].number == RECORD_CLOCK);
        if (type)
            assert_int_equal(type->record, types[i].number);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(types[i].number, types[k].number);
            assert_string_not_equal(types[i].word, types[k].word);
        }
    }
    assert_null(schema_type("note"));
    assert_null(schema_type(""));
    assert_null(schema_type("visits"));
    assert_null(schema_field(schema_type("visit"), "Date"));
    assert_null(schema_field(schema_type("visit"), ""));
    assert_null(schema_field_numbered(schema_type("visit"), RECORD_PLAN, 1));
}

static void the_rank_of_a_choice_is_its_place_and_yes_is_over_no(void **state)
{
    static const struct {
        const char *field;
        const char *text;
        int rank;
    } rows[] = {
        {"risk", "none", 0},     {"risk", "concern", 1},          {"risk", "urgent", 2},
        {"risk", "", -1},        {"participant_agreed", "no", 0}, {"participant_agreed", "yes", 1},
        {"group_size", "3", -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct schema_field *field = field_of("visit", rows[i].field);
        struct buffer out;
        assert_int_equal(encode(field, rows[i].text, &out), KITH_OK);
        assert_int_equal(schema_rank(field, buffer_view(&out)), rows[i].rank);
        buffer_clear(&out);
    }
    assert_int_equal(schema_rank(field_of("visit", "risk"), bytes_of("\xa4"
                                                                     "what",
                                                                     5)),
                     -1);
    assert_int_equal(schema_rank(field_of("visit", "risk"), bytes_of("\x90", 1)), -1);
}

static void the_public_schema_says_what_the_table_says(void **state)
{
    size_t count;

    (void)state;
    for (const char *const *word = kith_schema_types(); *word; word++) {
        const struct schema_type *type = schema_type(*word);
        const struct kith_schema_field *fields = kith_schema_fields(*word, &count);
        assert_non_null(fields);
        assert_int_equal(count, type->field_count);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(fields[i].name, type->fields[i].name);
            assert_string_equal(fields[i].kind, field_kind_word(type->fields[i].kind));
            assert_string_equal(fields[i].class, merge_class_word(type->fields[i].class));
            assert_string_equal(fields[i].choices, type->fields[i].choices);
            assert_int_equal(fields[i].is_required, (type->fields[i].flags & FIELD_IS_NEEDED) != 0);
            assert_int_equal(fields[i].is_keyed, (type->fields[i].flags & FIELD_IS_KEYED) != 0);
            assert_string_equal(fields[i].asks, type->fields[i].rules.asks);
            assert_int_equal(fields[i].record, type->fields[i].record);
            assert_int_equal(fields[i].number, type->fields[i].number);
        }
    }
    static const char *const others[] = {"person", "device", "agency", "note", "", "visits"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_null(kith_schema_fields(others[i], &count));
        assert_int_equal(count, 0);
    }
}

static int zone_set(void **state)
{
    (void)state;
    if (setenv("TZ", "UTC0", 1))
        return 1;
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_typed_text_is_taken_and_shown_or_refused),
        cmocka_unit_test(a_text_has_its_limit),
        cmocka_unit_test(an_empty_text_clears_whatever_the_kind),
        cmocka_unit_test(a_value_has_the_kind_that_programs_read),
        cmocka_unit_test(a_value_of_another_form_is_shown_all_the_same),
        cmocka_unit_test(field_numbers_and_names_are_unique_within_their_record),
        cmocka_unit_test(record_types_have_words_and_numbers_of_their_own),
        cmocka_unit_test(the_rank_of_a_choice_is_its_place_and_yes_is_over_no),
        cmocka_unit_test(the_public_schema_says_what_the_table_says),
    };

    return cmocka_run_group_tests(tests, zone_set, NULL);
}
