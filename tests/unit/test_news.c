/* SPDX-License-Identifier: Apache-2.0 */
/* What is live goes only to whoever had all before, and what does not fit is news all the same. */
#include "tests/unit/make.h"

#include <string.h>

#include "store/news.h"
#include "store/position.h"

static size_t cursor_of(const struct position *position, uint8_t cursor[static CURSOR_MAX])
{
    size_t len = position_encode(position, cursor);

    assert_true(len > 0);
    return len;
}

static void who_had_all_before_is_where_the_changes_end(void **state)
{
    const struct news_live live = {.first = 100, .last = 102, .digest = {0, 0, 0, 0, 0, 0, 0, 5}};
    const struct position before = {
        .base = 90, .roster = 7, .urgent = 95, .digest = {1, 0, 0, 0, 0, 0, 0, 2}};
    const uint8_t sum[DIGEST_BYTES] = {1, 0, 0, 0, 0, 0, 0, 7};
    uint8_t cursor[CURSOR_MAX];
    uint8_t next[CURSOR_MAX];
    struct position after;
    size_t len;

    (void)state;
    assert_true(news_live_cursor(&live, bytes_of(cursor, cursor_of(&before, cursor)), next, &len));
    assert_true(position_decode(&after, bytes_of(next, len)));
    assert_int_equal(after.base, 102);
    assert_int_equal(after.urgent, 102);
    assert_int_equal(after.roster, 7);
    assert_memory_equal(after.digest, sum, DIGEST_BYTES);
}

static void who_is_in_the_middle_of_something_looks_into_the_store(void **state)
{
    const struct news_live live = {.first = 100, .last = 102};
    const struct position rows[] = {
        {.base = 100},                           /* has the first of them */
        {.base = 102},                           /* has them all */
        {.base = 90, .horizon = 95, .turn = 93}, /* a round is under way */
        {.base = 90, .removal = 4},              /* is being told that it was taken out */
        {.base = 90, .ahead_count = 1, .ahead = {{.circle = 3, .through = 95}}},
    };
    uint8_t cursor[CURSOR_MAX];
    uint8_t next[CURSOR_MAX];
    size_t len;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_false(
            news_live_cursor(&live, bytes_of(cursor, cursor_of(&rows[i], cursor)), next, &len));
    assert_false(news_live_cursor(&live, bytes_of("no cursor", 9), next, &len));
    assert_false(news_live_cursor(&live, bytes_of(NULL, 0), next, &len));
}

static void news_of_several_commits_stay_apart(void **state)
{
    static const uint32_t devices[] = {4, 5, 6};
    const struct news_live live = {.changes = 2, .first = 10, .last = 11};
    struct news one = {.is_everybody = false};
    struct news sum = {.is_everybody = false};

    (void)state;
    news_add(&one, devices, 1);
    news_add_live(&one, &live, bytes_text("as it is sent"), devices + 1, 2);
    news_append(&sum, &one);
    news_append(&sum, &one);
    assert_int_equal(sum.devices.count, 2);
    assert_int_equal(sum.live_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct news_live *found = &sum.lives[i];
        assert_int_equal(found->changes, 2);
        assert_int_equal(found->device_count, 2);
        assert_int_equal(sum.live_devices.list[found->devices_at + 1], 6);
        assert_bytes_equal(bytes_of(sum.frames.ptr + found->frames_at, found->frames_len),
                           bytes_text("as it is sent"));
    }
    news_reset(&sum);
    assert_int_equal(sum.devices.count + sum.live_count + sum.live_devices.count, 0);
    news_clear(&sum);
    news_clear(&one);
}

static void what_has_no_room_is_read_from_the_store(void **state)
{
    static const uint8_t frames[NEWS_LIVE_BYTES / 4];
    static const uint32_t devices[NEWS_DEVICES_MAX];
    const struct news_live live = {.first = 1, .last = 1};
    struct news news = {.is_everybody = false};

    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        news_add_live(&news, &live, bytes_of(frames, sizeof frames), devices, 1);
    assert_int_equal(news.live_count, 4);
    assert_int_equal(news.devices.count, 2);
    assert_false(news.is_everybody);
    news_add(&news, devices, NEWS_DEVICES_MAX);
    assert_true(news.is_everybody);
    news_clear(&news);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_had_all_before_is_where_the_changes_end),
        cmocka_unit_test(who_is_in_the_middle_of_something_looks_into_the_store),
        cmocka_unit_test(news_of_several_commits_stay_apart),
        cmocka_unit_test(what_has_no_room_is_read_from_the_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
