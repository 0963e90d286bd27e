/* SPDX-License-Identifier: Apache-2.0 */
/* What colleagues hand each other in place of the hub: what is taken, what is not, and that the hub
 * is never blamed for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "liar.h"
#include "link.h"
#include "store/device_held_rows.h"
#include "store/replica_internal.h"

enum { FOUNDER = 1, ROSA, ANA, BO };

/* Number of person and of device are the same. The chart has founder, rosa and ana; bo is a
 * specialist outside of it. */
struct team {
    struct test_hub hub;
    struct test_device founder;
    struct test_device rosa;
    struct test_device ana;
    struct test_device bo;
    uint8_t chart[ID_BYTES];
};

static const uint8_t visit[ID_BYTES] = {7};

static int team_open(void **state)
{
    struct team *team = calloc(1, sizeof *team);

    test_hub_open(&team->hub);
    test_device_open(&team->founder);
    test_device_open(&team->rosa);
    test_device_open(&team->ana);
    test_device_open(&team->bo);
    link_found(&team->hub, &team->founder);
    link_join(&team->hub, &team->founder, &team->rosa, 0, ROLE_SUPERVISOR, 0);
    link_join(&team->hub, &team->founder, &team->ana, 0, ROLE_SPECIALIST, ROSA);
    link_join(&team->hub, &team->founder, &team->bo, 0, ROLE_SPECIALIST, 0);
    struct test_device *const devices[] = {&team->ana, &team->rosa, &team->bo, &team->founder};
    for (size_t i = 0; i < COUNT_OF(devices); i++)
        assert_int_equal(link_sync(&team->hub, devices[i]).device_err, KITH_OK);
    link_chart(&team->ana, "Maria Lopez", team->chart);
    for (size_t i = 0; i < COUNT_OF(devices); i++)
        assert_int_equal(link_sync(&team->hub, devices[i]).device_err, KITH_OK);
    *state = team;
    return 0;
}

static int team_close(void **state)
{
    struct team *team = *state;

    test_device_close(&team->bo);
    test_device_close(&team->ana);
    test_device_close(&team->rosa);
    test_device_close(&team->founder);
    test_hub_close(&team->hub);
    free(team);
    return 0;
}

static enum kith_err take(struct test_device *taker, struct bytes frames, struct applied *applied)
{
    struct sending sending;

    sending_init(&sending, LINK_NOW_MS / 1000);
    enum kith_err err = replica_take(taker->replica, &sending, frames, LINK_NOW_MS, applied);
    sending_clear(&sending);
    return err;
}

/* All that one device shares with a person, in batches of at most `room` bytes; how many changes
 * were new. */
static uint32_t hand_in(struct test_device *giver, struct test_device *taker, uint32_t person,
                        size_t room)
{
    struct sharing sharing = {.person = person};
    struct applied applied;
    struct buffer frames;
    uint32_t received = 0;
    bool has_more = true;

    buffer_init(&frames, BATCH_MAX);
    while (has_more) {
        buffer_reset(&frames);
        assert_int_equal(replica_share(giver->replica, &sharing, room, &frames, &has_more),
                         KITH_OK);
        assert_true(frames.len > 0 && frames.len <= room);
        assert_int_equal(take(taker, buffer_view(&frames), &applied), KITH_OK);
        received += applied.received;
    }
    buffer_clear(&frames);
    return received;
}

static uint32_t hand(struct test_device *giver, struct test_device *taker, uint32_t person)
{
    return hand_in(giver, taker, person, BATCH_MAX);
}

static void put(struct team *team, struct test_device *device, const char *text)
{
    (void)link_put(device, team->chart, visit, NOTE, PURPOSE, text);
}

static const char *read_at(struct team *team, struct test_device *device)
{
    return link_read(device, team->chart, visit, NOTE, PURPOSE);
}

static void sync_ok(struct team *team, struct test_device *device)
{
    struct link_result result = link_sync(&team->hub, device);

    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.refused, 0);
}

/* A sync that finds nothing: cursor and digest agree. */
static void assert_settled(struct team *team, struct test_device *device)
{
    struct link_result result = link_sync(&team->hub, device);

    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.received, 0);
    assert_in_range(result.bytes_in, 1, 400);
}

static void what_is_handed_over_is_read_at_once_and_served_once(void **state)
{
    struct team *team = *state;

    put(team, &team->ana, "by hand");
    assert_int_equal(hand(&team->ana, &team->rosa, ROSA), 1);
    assert_string_equal(read_at(team, &team->rosa), "by hand");
    assert_int_equal(hand(&team->ana, &team->rosa, ROSA), 0);
    sync_ok(team, &team->ana);
    for (unsigned times = 0; times < 2; times++)
        sync_ok(team, &team->rosa);
    assert_settled(team, &team->rosa);
    assert_settled(team, &team->ana);
    assert_int_equal(device_alarms(&team->rosa), 0);
}

static void it_comes_in_batches_of_any_size(void **state)
{
    struct team *team = *state;
    char text[200];

    for (int i = 0; i < 40; i++) {
        memset(text, 'a' + i % 26, sizeof text - 1);
        text[sizeof text - 1] = '\0';
        put(team, &team->ana, text);
    }
    assert_int_equal(hand_in(&team->ana, &team->rosa, ROSA, 2000), 40);
    assert_string_equal(read_at(team, &team->rosa), read_at(team, &team->ana));
}

/* Rosa has read what the hub does not have; what she writes names it, and goes up behind it. */
static void whoever_comes_first_brings_what_was_handed_over(void **state)
{
    struct team *team = *state;

    put(team, &team->ana, "one");
    (void)hand(&team->ana, &team->rosa, ROSA);
    put(team, &team->rosa, "two");
    sync_ok(team, &team->rosa);
    sync_ok(team, &team->founder);
    assert_string_equal(read_at(team, &team->founder), "two");
    assert_int_equal(device_waiting(&team->founder), 0);
    sync_ok(team, &team->ana);
    for (unsigned times = 0; times < 2; times++)
        sync_ok(team, &team->rosa);
    assert_settled(team, &team->ana);
    assert_settled(team, &team->rosa);
    assert_int_equal(
        device_alarms(&team->founder) + device_alarms(&team->ana) + device_alarms(&team->rosa), 0);
}

/* What ana's change names is at no hub: that is no sign of a hub that hides. */
static void what_is_named_by_hand_alone_is_no_evidence_against_the_hub(void **state)
{
    struct team *team = *state;
    struct sharing sharing = {.person = FOUNDER};
    struct applied applied;
    struct buffer frames;
    bool has_more;

    put(team, &team->rosa, "one");
    (void)hand(&team->rosa, &team->ana, ANA);
    put(team, &team->ana, "two");
    /* Of what ana has the founder gets her own chain alone, as of a file that was cut off. */
    buffer_init(&frames, BATCH_MAX);
    assert_int_equal(replica_share(team->ana.replica, &sharing, BATCH_MAX, &frames, &has_more),
                     KITH_OK);
    struct liar_change changes[32];
    size_t count = liar_changes(buffer_view(&frames), changes, COUNT_OF(changes));
    struct buffer part;
    buffer_init(&part, BATCH_MAX);
    for (size_t i = 0; i < count; i++)
        if (changes[i].device == ANA)
            liar_write_change(&part, &changes[i]);
    struct wire_in batch = wire_open(buffer_view(&part));
    assert_true(batch.left.len > 0);
    assert_int_equal(take(&team->founder, buffer_view(&part), &applied), KITH_OK);
    assert_int_equal(applied.received, 1);
    assert_int_equal(device_waiting(&team->founder), 1);
    for (unsigned times = 0; times < 2; times++)
        sync_ok(team, &team->founder);
    assert_int_equal(device_alarms(&team->founder), 0);
    sync_ok(team, &team->rosa);
    sync_ok(team, &team->founder);
    assert_string_equal(read_at(team, &team->founder), "two");
    assert_int_equal(device_alarms(&team->founder), 0);
    buffer_clear(&frames);
    buffer_clear(&part);
}

/* Ana's laptop was copied: one copy handed its work to rosa, the other one was at the hub. */
static void of_two_histories_the_hubs_counts_and_the_other_is_kept_with_an_alarm(void **state)
{
    struct team *team = *state;
    struct test_device copy;
    struct alarm alarm;
    uint8_t first[HASH_BYTES];
    uint8_t second[HASH_BYTES];

    test_device_copy(&copy, &team->ana);
    put(team, &copy, "the copy's");
    put(team, &copy, "the copy's second");
    assert_int_equal(hand(&copy, &team->rosa, ROSA), 2);
    assert_string_equal(read_at(team, &team->rosa), "the copy's second");
    put(team, &team->ana, "the laptop's");
    sync_ok(team, &team->ana);
    assert_int_equal(link_sync(&team->hub, &team->rosa).device_err, KITH_OK);
    assert_string_equal(read_at(team, &team->rosa), "the laptop's");
    assert_true(device_alarm(&team->rosa, ALARM_TWO_CHANGES, ANA, &alarm));
    struct store_txn txn = store_begin(replica_store(team->rosa.replica), STORE_READ);
    assert_true(alarm_proof(&txn, &alarm, first, second));
    assert_memory_not_equal(first, second, HASH_BYTES);
    assert_int_equal(store_commit(&txn), KITH_OK);
    assert_settled(team, &team->rosa);
    sync_ok(team, &team->founder);
    assert_string_equal(read_at(team, &team->founder), "the laptop's");
    test_device_close(&copy);
}

/* An entry that ana signs and hands over, and that the hub never places. */
static void nobody_begins_a_second_access_chain_by_hand(void **state)
{
    struct team *team = *state;
    struct circle_member members[] = {{.person = BO, .right = CIRCLE_WRITE}};
    uint32_t devices[] = {BO};
    struct circle_entry entry = {.type = CIRCLE_GRANT,
                                 .author = ANA,
                                 .roster_seq = replica_roster(team->ana.replica)->count,
                                 .time_s = LINK_NOW_MS / 1000,
                                 .members = members,
                                 .member_count = 1,
                                 .devices = devices,
                                 .device_count = 1};
    struct circle circle;
    struct applied applied;
    struct buffer bytes;
    struct buffer frames;

    device_circle(&team->ana, team->chart, &circle);
    uint32_t count = circle.count;
    buffer_init(&bytes, ENTRY_MAX);
    buffer_init(&frames, BATCH_MAX);
    assert_int_equal(circle_entry_write(&circle, &entry,
                                        replica_identity(team->ana.replica)->sign_secret, &bytes),
                     KITH_OK);
    circle_frame_write(&frames, team->chart, entry.link.seq, buffer_view(&bytes),
                       bytes_of(NULL, 0));
    assert_int_equal(take(&team->rosa, buffer_view(&frames), &applied), KITH_OK);
    assert_int_equal(applied.left_out, 1);
    circle_clear(&circle);
    device_circle(&team->rosa, team->chart, &circle);
    assert_int_equal(circle.count, count);
    circle_clear(&circle);
    sync_ok(team, &team->rosa);
    assert_int_equal(device_alarms(&team->rosa), 0);

    /* Another one in the place of one that is there. */
    buffer_reset(&frames);
    circle_frame_write(&frames, team->chart, 1, buffer_view(&bytes), bytes_of(NULL, 0));
    assert_int_equal(take(&team->rosa, buffer_view(&frames), &applied), KITH_FORKED);
    assert_int_equal(device_alarms(&team->rosa), 0);
    buffer_clear(&bytes);
    buffer_clear(&frames);
}

static void nobody_speaks_for_the_hub_by_hand(void **state)
{
    struct team *team = *state;
    const struct cursor_frame cursor = {.is_up_to_date = true};
    const struct refused refused = {.device = ROSA, .n = 1, .reason = KITH_NOT_MEMBER};
    const struct pull pull = {.own = 0};
    uint8_t signature[SIGNATURE_BYTES] = {0};
    struct applied applied;
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    for (unsigned kind = 0; kind < 5; kind++) {
        buffer_reset(&frames);
        if (kind == 0)
            cursor_write(&frames, &cursor);
        else if (kind == 1)
            refused_write(&frames, &refused);
        else if (kind == 2)
            ack_write(&frames, 0, 0, bytes_of(NULL, 0), signature);
        else if (kind == 3)
            pull_write(&frames, &pull);
        else
            bye_write(&frames);
        assert_int_equal(take(&team->rosa, buffer_view(&frames), &applied), KITH_STATE);
    }
    buffer_clear(&frames);
}

/* A chart made while there is no hub: its key comes with it, and it goes up by whoever has it. */
static void a_new_chart_comes_with_its_key_and_goes_to_the_hub(void **state)
{
    struct team *team = *state;
    uint8_t chart[ID_BYTES];
    struct applied applied;
    struct buffer frames;
    struct sharing sharing = {.person = ROSA};
    bool has_more;

    link_chart(&team->ana, "Jose New", chart);
    buffer_init(&frames, BATCH_MAX);
    assert_int_equal(replica_share(team->ana.replica, &sharing, BATCH_MAX, &frames, &has_more),
                     KITH_OK);
    assert_int_equal(take(&team->bo, buffer_view(&frames), &applied), KITH_OK);
    assert_true(applied.left_out > 0);
    assert_int_equal(applied.received, 0); /* whoever is not in it keeps nothing of it */
    assert_int_equal(hand(&team->ana, &team->rosa, ROSA), 1);
    (void)link_put(&team->rosa, chart, visit, NOTE, PURPOSE, "rosa's");
    sync_ok(team, &team->rosa);
    sync_ok(team, &team->founder);
    assert_string_equal(link_read(&team->founder, chart, visit, NOTE, PURPOSE), "rosa's");
    sync_ok(team, &team->ana);
    assert_string_equal(link_read(&team->ana, chart, visit, NOTE, PURPOSE), "rosa's");
    for (unsigned times = 0; times < 2; times++)
        sync_ok(team, &team->rosa);
    assert_settled(team, &team->rosa);
    assert_settled(team, &team->ana);
    assert_int_equal(device_alarms(&team->rosa) + device_alarms(&team->ana), 0);
    buffer_clear(&frames);
}

#define TEAM(test) cmocka_unit_test_setup_teardown(test, team_open, team_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEAM(what_is_handed_over_is_read_at_once_and_served_once),
        TEAM(it_comes_in_batches_of_any_size),
        TEAM(whoever_comes_first_brings_what_was_handed_over),
        TEAM(what_is_named_by_hand_alone_is_no_evidence_against_the_hub),
        TEAM(of_two_histories_the_hubs_counts_and_the_other_is_kept_with_an_alarm),
        TEAM(nobody_begins_a_second_access_chain_by_hand),
        TEAM(nobody_speaks_for_the_hub_by_hand),
        TEAM(a_new_chart_comes_with_its_key_and_goes_to_the_hub),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
