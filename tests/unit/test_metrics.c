/* SPDX-License-Identifier: Apache-2.0 */
/* What the hub counts: histograms and reasons. The page is read by tests/system/test_metrics.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "daemon/metrics.h"

static void a_value_counts_below_the_first_bound_that_holds_it(void **state)
{
    static const uint64_t *const bounds[] = {histogram_us, histogram_requests};

    (void)state;
    for (size_t which = 0; which < 2; which++) {
        for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
            struct histogram histogram = {.sum = 0};
            assert_true(i == 0 || bounds[which][i - 1] < bounds[which][i]);
            histogram_add(&histogram, bounds[which], bounds[which][i]);
            histogram_add(&histogram, bounds[which], bounds[which][i] + 1);
            assert_int_equal(histogram.counts[i], 1);
            assert_int_equal(histogram.counts[i + 1], 1);
            assert_int_equal(histogram.sum, 2 * bounds[which][i] + 1);
        }
    }
}

static void every_error_has_a_place(void **state)
{
    uint64_t counts[METRICS_ERRORS] = {0};

    (void)state;
#define COUNT_ERROR(number, name, actor, sentence)                                                 \
    metrics_count(counts, KITH_##name);                                                            \
    assert_int_equal(counts[number], 1);                                                           \
    _Static_assert((number) < METRICS_ERRORS - 1, "the last one is for what nobody knows");
    KITH_ERRORS(COUNT_ERROR)
    metrics_count(counts, (enum kith_err)100000);
    metrics_count(counts, KITH_ERROR_NONE);
    assert_int_equal(counts[METRICS_ERRORS - 1], 2);
}

static void an_intake_counts_what_was_stored_and_each_refusal(void **state)
{
    struct metrics metrics = {.changes_in = 5};
    struct refused refused = {.kind = ACK_CHAIN, .device = 7, .n = 3, .reason = KITH_GAP};
    struct ingest ingest;

    (void)state;
    ingest_init(&ingest);
    ingest.stored_count = 4;
    refused_write(&ingest.refusals, &refused);
    refused_write(&ingest.refusals, &refused);
    refused.reason = KITH_ENDED;
    refused_write(&ingest.refusals, &refused);
    metrics_count_ingest(&metrics, &ingest);
    assert_int_equal(metrics.changes_in, 9);
    assert_int_equal(metrics.refused[KITH_GAP], 2);
    assert_int_equal(metrics.refused[KITH_ENDED], 1);
    ingest.err = KITH_FULL; /* nothing of it was stored */
    metrics_count_ingest(&metrics, &ingest);
    assert_int_equal(metrics.changes_in, 9);
    assert_int_equal(metrics.refused[KITH_FULL], 1);
    assert_int_equal(metrics.refused[KITH_GAP], 2);
    ingest_clear(&ingest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_counts_below_the_first_bound_that_holds_it),
        cmocka_unit_test(every_error_has_a_place),
        cmocka_unit_test(an_intake_counts_what_was_stored_and_each_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
