/* SPDX-License-Identifier: Apache-2.0 */
/* The list of errors: complete, unambiguous, and closed to numbers that are not on it. */
#include "protocol/error.h"

#include <ctype.h>
#include <string.h>

#include "tests/unit/make.h"

static const struct {
    enum kith_err err;
    unsigned number;
    const char *name; /* in upper case */
    enum kith_actor actor;
    const char *sentence;
} rows[] = {
#define ERROR_ROW(number, name, actor, sentence)                                                   \
    {KITH_##name, (number), #name, KITH_##actor, sentence},
    KITH_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

static void every_error_has_its_name_sentence_and_actor(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = error_name(rows[i].err);
        assert_int_equal(rows[i].err, rows[i].number);
        assert_int_equal(strlen(name), strlen(rows[i].name));
        for (size_t k = 0; name[k]; k++)
            assert_int_equal(name[k], tolower((unsigned char)rows[i].name[k]));
        assert_string_equal(error_text(rows[i].err), rows[i].sentence);
        assert_int_equal(error_actor(rows[i].err), rows[i].actor);
        assert_true(error_is_known(rows[i].number));
    }
}

static void no_two_errors_share_a_number_a_name_or_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t k = i + 1; k < COUNT_OF(rows); k++) {
            assert_int_not_equal(rows[i].number, rows[k].number);
            assert_string_not_equal(rows[i].name, rows[k].name);
            assert_string_not_equal(rows[i].sentence, rows[k].sentence);
        }
    }
}

static void only_ok_is_nobodys_business(void **state)
{
    (void)state;
    assert_int_equal(KITH_OK, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(rows[i].actor == KITH_NOBODY, rows[i].err == KITH_OK);
}

static void a_number_that_is_not_listed_is_unknown(void **state)
{
    unsigned known = 0;

    (void)state;
    for (unsigned number = 0; number <= UINT16_MAX; number++)
        known += error_is_known(number);
    assert_int_equal(known, COUNT_OF(rows));
    assert_false(error_is_known(UINT32_MAX));
    assert_string_equal(error_name((enum kith_err)9999), "unknown");
    assert_true(strlen(error_text((enum kith_err)9999)) > 0);
    assert_int_equal(error_actor((enum kith_err)9999), KITH_PROGRAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_name_sentence_and_actor),
        cmocka_unit_test(no_two_errors_share_a_number_a_name_or_a_sentence),
        cmocka_unit_test(only_ok_is_nobodys_business),
        cmocka_unit_test(a_number_that_is_not_listed_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
