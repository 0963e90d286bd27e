/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts of money as a person types them. */
#include "client/ledger.h"

#include "make.h"

static void an_amount_is_read_to_the_cent_or_refused(void **state)
{
    static const struct {
        const char *text;
        bool is_amount;
        int64_t cents;
    } cases[] = {
        {"0", true, 0},
        {"85", true, 8500},
        {"85.5", true, 8550},
        {"85.05", true, 8505},
        {"999999999.99", true, 99999999999},
        {"007", true, 700},
        {"", false, 0},
        {".5", false, 0},
        {"5.", false, 0},
        {"5.001", false, 0},
        {"1234567890", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1,50", false, 0},
        {"1.5.5", false, 0},
        {"1e3", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t cents = 0;
        assert_int_equal(ledger_money(cases[i].text, &cents), cases[i].is_amount);
        assert_int_equal(cents, cases[i].cents);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_amount_is_read_to_the_cent_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
