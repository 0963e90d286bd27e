/* SPDX-License-Identifier: Apache-2.0 */
/* Rule packs: what a text may say, what it gives, and which pack is in force on a day. */
#include "client/rules.h"

#include <stdio.h>
#include <string.h>

#include "make.h"

#define HEAD "name = payer\nversion = 1\neffective = 2026-01-01\n"

static enum kith_err parse(const char *text, struct rules *rules, char why[static RULES_WHY_MAX])
{
    return rules_parse(rules, bytes_text(text), why);
}

/* Minutes and tenths of units; the ladders as payers publish them: Michigan (floor, ceil),
 * Massachusetts MBHP Alert 22 (eight), MaineCare Ch. I 1.03-8(J) (tenth80). */
static const struct {
    enum rounding rounding;
    unsigned minutes;
    unsigned tenths;
} ladders[] = {
    {ROUND_FLOOR, 0, 0},     {ROUND_FLOOR, 7, 0},     {ROUND_FLOOR, 14, 0},
    {ROUND_FLOOR, 15, 10},   {ROUND_FLOOR, 29, 10},   {ROUND_FLOOR, 30, 20},
    {ROUND_FLOOR, 53, 30},   {ROUND_EIGHT, 7, 0},     {ROUND_EIGHT, 8, 10},
    {ROUND_EIGHT, 22, 10},   {ROUND_EIGHT, 23, 20},   {ROUND_EIGHT, 37, 20},
    {ROUND_EIGHT, 38, 30},   {ROUND_EIGHT, 52, 30},   {ROUND_EIGHT, 53, 40},
    {ROUND_CEIL, 0, 0},      {ROUND_CEIL, 1, 10},     {ROUND_CEIL, 15, 10},
    {ROUND_CEIL, 16, 20},    {ROUND_HALF_UP, 7, 0},   {ROUND_HALF_UP, 8, 10},
    {ROUND_TENTH80, 11, 7},  {ROUND_TENTH80, 12, 10}, {ROUND_TENTH80, 9, 6},
    {ROUND_TENTH80, 22, 14}, {ROUND_TENTH80, 27, 20}, {ROUND_FLOOR, 44, 20},
    {ROUND_FLOOR, 45, 30},   {ROUND_FLOOR, 59, 30},   {ROUND_FLOOR, 60, 40},
    {ROUND_FLOOR, 74, 40},   {ROUND_EIGHT, 67, 40},   {ROUND_EIGHT, 68, 50},
    {ROUND_CEIL, 30, 20},    {ROUND_HALF_UP, 22, 10}, {ROUND_HALF_UP, 23, 20},
    {ROUND_TENTH80, 15, 10}, {ROUND_TENTH80, 26, 17}, {ROUND_TENTH80, 0, 0},
};

static void minutes_become_units_as_the_pack_rounds(void **state)
{
    struct rules rules;

    (void)state;
    rules_default(&rules);
    for (size_t i = 0; i < COUNT_OF(ladders); i++) {
        rules.rounding = ladders[i].rounding;
        if (rules_units(&rules, ladders[i].minutes) != ladders[i].tenths)
            fail_msg("case %zu: %u minutes give %u tenths, not %u", i, ladders[i].minutes,
                     rules_units(&rules, ladders[i].minutes), ladders[i].tenths);
    }
}

static void a_pack_says_what_its_lines_say(void **state)
{
    char why[RULES_WHY_MAX];
    char title[2 * RULES_WORD_MAX];
    struct rules rules;

    (void)state;
    assert_int_equal(parse(HEAD
                           "# a remark\n\n  rounding = floor \r\nper=day\ncodes = H0038 T1012\n"
                           "unit_minutes = 30\nunits_per_day_max = 0\ndue_hours = 48\n"
                           "due_hours_crisis = 12\ncosign = all",
                           &rules, why),
                     KITH_OK);
    rules_title(&rules, title);
    assert_string_equal(title, "payer 1");
    assert_string_equal(rules.effective, "2026-01-01");
    assert_int_equal(rules.rounding, ROUND_FLOOR);
    assert_true(rules.is_per_day);
    assert_int_equal(rules.unit_minutes, 30);
    assert_int_equal(rules.due_hours, 48);
    assert_int_equal(rules.due_hours_crisis, 12);
    assert_int_equal(rules.cosign, COSIGN_ALL);
    assert_true(rules_know_code(&rules, bytes_text("T1012")));
    assert_false(rules_know_code(&rules, bytes_text("T101")));
    assert_false(rules_know_code(&rules, bytes_text("T1012 ")));
}

static void a_line_that_cannot_be_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } wrongs[] = {
        {"", "'name' is missing"},
        {"name = a\nversion = 1\n", "'effective' is missing"},
        {HEAD "rounding\n", "line 4: expected NAME = VALUE"},
        {HEAD "rounding = up\n", "line 4: expected one of: floor eight ceil half_up tenth80"},
        {HEAD "\nunit_minutes = 0\n", "line 5: expected a whole number above 0"},
        {HEAD "unit_minutes = 99999999999999999999\n", "line 4: expected a whole number"},
        {HEAD "due_hours = -1\n", "line 4: expected a whole number"},
        {HEAD "version = 2\n", "line 4: given twice"},
        {HEAD "colour = red\n", "line 4: a name that this version does not know"},
        {"name = a\nversion = 1\neffective = today\n", "line 3: expected a date like 2026-03-02"},
        {"name = a\nversion = 1\neffective = 2026-02-30\n",
         "line 3: expected a date like 2026-03-02"},
        {"name = \xFF\n", "line 1: expected a short text"},
        {"name =\n", "line 1: expected a short text"},
        {HEAD "agency_npi = 123456789\n", "line 4: expected an NPI of ten digits"},
        {HEAD "place.moon = 12\n", "line 4: expected one of: home shelter clinic office community "
                                   "school jail hospital telehealth other"},
        {HEAD "place.home = 12a\n", "line 4: expected a code like 12"},
        {HEAD "place.home = 12\nplace.home = 11\n", "line 5: given twice"},
        {HEAD "modifier.group = hq\n", "line 4: expected a modifier like HQ"},
        {HEAD "modifier.any = HQ\n", "line 4: expected one of: group phone video MH SUD trainee"},
        {HEAD "charge.H0038 = 18,75\n", "line 4: expected an amount like 18.75"},
        {HEAD "charge.H0038 = 18.7\n", "line 4: expected an amount like 18.75"},
        {HEAD "training.ethics = 0\n", "line 4: expected a whole number above 0"},
        {HEAD "colour.red = 1\n", "line 4: a name that this version does not know"},
        {HEAD "requires = goals mood\n", "line 4: a visit has no field mood"},
        {HEAD "credential = maybe\n", "line 4: expected one of: warn required"},
    };
    char why[RULES_WHY_MAX];
    struct rules rules;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        assert_int_equal(parse(wrongs[i].text, &rules, why), KITH_INPUT);
        assert_string_equal(why, wrongs[i].why);
    }
}

static void a_pack_maps_places_modifiers_and_charges(void **state)
{
    char why[RULES_WHY_MAX];
    struct rules rules;

    (void)state;
    assert_int_equal(parse(HEAD "place.home = 99\nmodifier.group = HQ\ncharge.H0038 = 18.75\n"
                                "charge.T1012 = 20\ntraining.ethics = 3\nrequires = goals\n"
                                "agency_npi = 1234567893\n",
                           &rules, why),
                     KITH_OK);
    assert_string_equal(rules_place(&rules, bytes_text("home")), "99");
    assert_string_equal(rules_place(&rules, bytes_text("shelter")), "04");
    assert_null(rules_place(&rules, bytes_text("moon")));
    assert_string_equal(rules_entry(&rules, RULES_MODIFIER, bytes_text("group")), "HQ");
    assert_null(rules_entry(&rules, RULES_MODIFIER, bytes_text("phone")));
    assert_int_equal(rules_charge(&rules, bytes_text("H0038"), 30), 5625);
    assert_int_equal(rules_charge(&rules, bytes_text("H0038"), 7), 1313);
    assert_int_equal(rules_charge(&rules, bytes_text("T1012"), 15), 3000);
    assert_int_equal(rules_charge(&rules, bytes_text("H2014"), 10), -1);
    assert_true(rules_require(&rules, "goals"));
    assert_false(rules_require(&rules, "response"));
    rules_default(&rules);
    assert_false(rules_require(&rules, "goals"));
}

static void the_pack_that_is_shipped_is_one(void **state)
{
    char text[8192];
    char why[RULES_WHY_MAX];
    struct rules rules;
    FILE *file = fopen("deploy/rules/example.rules", "r");

    (void)state;
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text, file);
    assert_int_equal(fclose(file), 0);
    assert_true(len > 0 && len < sizeof text);
    enum kith_err err = rules_parse(&rules, bytes_of(text, len), why);
    assert_string_equal(why, "");
    assert_int_equal(err, KITH_OK);
    assert_string_equal(rules.name, "example");
    assert_string_equal(rules_entry(&rules, RULES_TRAINING, bytes_text("ethics")), "3");
}

static void a_payer_with_a_pack_of_its_own_goes_by_that(void **state)
{
    struct rules packs[3];
    const struct rules_list list = {packs, COUNT_OF(packs)};
    const struct rules_list general = {packs, 1};
    const struct bytes day = bytes_text("2026-06-30");
    char why[RULES_WHY_MAX];

    (void)state;
    assert_int_equal(parse("name=all\nversion=9\neffective=2026-06-01", &packs[0], why), KITH_OK);
    assert_int_equal(parse("name=p\nversion=1\neffective=2026-01-01\npayer=P1", &packs[1], why),
                     KITH_OK);
    assert_int_equal(parse("name=p\nversion=2\neffective=2026-07-01\npayer=P1", &packs[2], why),
                     KITH_OK);
    assert_string_equal(rules_on(&list, bytes_text("P1"), day)->version, "1");
    assert_string_equal(rules_on(&list, bytes_text("P1"), bytes_text("2026-07-01"))->version, "2");
    assert_string_equal(rules_on(&list, bytes_text("P2"), day)->version, "9");
    assert_string_equal(rules_on(&list, bytes_text(""), day)->version, "9");
    assert_string_equal(rules_on(&list, bytes_text("P1"), bytes_text("2025-12-31"))->version,
                        "built-in");
    assert_true(rules_list_names_payers(&list));
    assert_false(rules_list_names_payers(&general));
}

static void every_cut_and_flip_of_a_pack_is_read_or_refused(void **state)
{
    static const char text[] = HEAD "rounding = tenth80\nper = day\ncodes = H0038\n"
                                    "place.home = 12\ncharge.H0038 = 1.50\nrequires = goals\n";
    char why[RULES_WHY_MAX];
    char damaged[sizeof text];
    struct rules rules;

    (void)state;
    for (size_t at = 0; at < sizeof text - 1; at++) {
        enum kith_err err = rules_parse(&rules, bytes_of(text, at), why);
        assert_true(err == KITH_OK || (err == KITH_INPUT && why[0]));
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(damaged, text, sizeof text);
            damaged[at] = (char)(damaged[at] ^ (1 << bit));
            err = rules_parse(&rules, bytes_of(damaged, sizeof text - 1), why);
            assert_true(err == KITH_OK || (err == KITH_INPUT && why[0]));
        }
    }
}

static void the_pack_of_a_day_is_the_newest_in_force(void **state)
{
    struct rules packs[3];
    const struct rules_list list = {packs, COUNT_OF(packs)};
    const struct rules_list none = {0};
    const struct bytes nobody = {NULL, 0};
    char why[RULES_WHY_MAX];

    (void)state;
    assert_int_equal(parse("name=p\nversion=b\neffective=2026-07-01", &packs[0], why), KITH_OK);
    assert_int_equal(parse("name=p\nversion=a\neffective=2026-01-01", &packs[1], why), KITH_OK);
    assert_int_equal(parse("name=p\nversion=c\neffective=2026-07-01", &packs[2], why), KITH_OK);
    assert_string_equal(rules_on(&list, nobody, bytes_text("2026-06-30"))->version, "a");
    assert_string_equal(rules_on(&list, nobody, bytes_text("2026-07-01"))->version, "c");
    assert_string_equal(rules_on(&list, nobody, bytes_text(""))->version, "c");
    assert_string_equal(rules_on(&list, nobody, bytes_text("2025-12-31"))->version, "built-in");
    assert_string_equal(rules_on(&none, nobody, bytes_text("2026-06-30"))->name, "example");
    assert_ptr_equal(rules_titled(&list, bytes_text("p b")), &packs[0]);
    assert_null(rules_titled(&list, bytes_text("p d")));
    assert_string_equal(rules_titled(&none, bytes_text("example built-in"))->version, "built-in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minutes_become_units_as_the_pack_rounds),
        cmocka_unit_test(a_pack_says_what_its_lines_say),
        cmocka_unit_test(a_line_that_cannot_be_is_named),
        cmocka_unit_test(a_pack_maps_places_modifiers_and_charges),
        cmocka_unit_test(the_pack_that_is_shipped_is_one),
        cmocka_unit_test(a_payer_with_a_pack_of_its_own_goes_by_that),
        cmocka_unit_test(every_cut_and_flip_of_a_pack_is_read_or_refused),
        cmocka_unit_test(the_pack_of_a_day_is_the_newest_in_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
