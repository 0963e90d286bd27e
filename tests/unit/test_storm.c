/* SPDX-License-Identifier: Apache-2.0 */
/* People come and go at random, connections break anywhere, and in the end everybody who is let in
 * reads everything that anybody ever saved; nobody ever holds a key of an epoch that began without
 * them. STORM_SEED=N repeats one run, STORM_SEEDS=N plays more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "link.h"
#include "make.h"
#include "store/hub_rows.h"
#include "store/ledger_internal.h"
#include "store/replica_internal.h"

enum { NOTE = 7, PURPOSE = 4 };
enum { FOUNDER, ROSA, ANA, BEN, CY, DEVICES };
#define CHARTS    2
#define STEPS     160
#define TEXTS_MAX STEPS
#define SEEDS     12

struct typed {
    uint32_t chart;
    uint8_t record[ID_BYTES];
    char text[16];
};

/* Device i has the number i + 1, and its person, too. */
struct storm {
    struct dice dice;
    struct test_hub hub;
    struct test_device devices[DEVICES];
    bool is_ended[DEVICES];
    uint8_t charts[CHARTS][ID_BYTES];
    uint32_t allowed[CHARTS][DEVICES]; /* the newest epoch that the device was a recipient of */
    struct typed typed[TEXTS_MAX];
    uint32_t typed_count;
};

static void storm_open(struct storm *storm, uint64_t seed)
{
    static const unsigned roles[DEVICES] = {0, ROLE_SUPERVISOR, ROLE_SPECIALIST, ROLE_SPECIALIST,
                                            ROLE_VOLUNTEER};

    memset(storm, 0, sizeof *storm);
    storm->dice.state = seed;
    test_hub_open(&storm->hub);
    for (uint32_t i = 0; i < DEVICES; i++)
        test_device_open(&storm->devices[i]);
    link_found(&storm->hub, &storm->devices[FOUNDER]);
    for (uint32_t i = ROSA; i < DEVICES; i++)
        link_join(&storm->hub, &storm->devices[FOUNDER], &storm->devices[i], 0, roles[i],
                  i == ROSA ? 0 : ROSA + 1);
    for (uint32_t i = 0; i < CHARTS; i++) {
        (void)link_sync(&storm->hub, &storm->devices[ANA + i]);
        link_chart(&storm->devices[ANA + i], "somebody", storm->charts[i]);
        (void)link_sync(&storm->hub, &storm->devices[ANA + i]);
    }
}

static void storm_close(struct storm *storm)
{
    for (uint32_t i = 0; i < DEVICES; i++)
        test_device_close(&storm->devices[i]);
    test_hub_close(&storm->hub);
}

/* What the hub's access chains allow, and what the devices hold. */
static void check_keys(struct storm *storm)
{
    struct store_txn hub = store_begin(storm->hub.ledger->store, STORE_READ);

    for (uint32_t chart = 0; chart < CHARTS; chart++) {
        struct circle circle;
        hub_circle_get(&hub, hub_circle_number(&hub, storm->charts[chart]), &circle);
        for (uint32_t i = 0; i < DEVICES; i++)
            if (circle_has_device(&circle, i + 1))
                storm->allowed[chart][i] = circle.epoch;
        circle_clear(&circle);
    }
    assert_int_equal(store_commit(&hub), KITH_OK);
    for (uint32_t i = 0; i < DEVICES; i++) {
        struct store_txn txn = store_begin(replica_store(storm->devices[i].replica), STORE_READ);
        for (uint32_t chart = 0; chart < CHARTS; chart++) {
            uint32_t number = device_circle_number(&txn, storm->charts[chart]);
            uint8_t key[KEY_BYTES];
            for (uint32_t epoch = storm->allowed[chart][i] + 1; number && epoch < 200; epoch++)
                assert_false(device_key_get(&txn, number, epoch, key));
        }
        assert_int_equal(store_commit(&txn), KITH_OK);
    }
}

static uint32_t roll(struct storm *storm, uint32_t count)
{
    return dice_below(&storm->dice, count);
}

static void type_something(struct storm *storm, uint32_t device, uint32_t chart)
{
    struct typed *typed = &storm->typed[storm->typed_count];
    struct buffer value;
    struct dot dot;

    typed->chart = chart;
    dice_bytes(&storm->dice, typed->record, ID_BYTES);
    (void)snprintf(typed->text, sizeof typed->text, "text %u", storm->typed_count);
    buffer_init(&value, 64);
    wire_put_text(&value, bytes_text(typed->text));
    struct edit edit = {
        .type = NOTE, .field = PURPOSE, .kind = OP_PUT, .value = buffer_view(&value)};
    memcpy(edit.record, typed->record, ID_BYTES);
    struct save save = {
        .class = CHANGE_NORMAL, .edits = &edit, .edit_count = 1, .now_ms = LINK_NOW_MS};
    memcpy(save.circle, storm->charts[chart], ID_BYTES);
    enum kith_err err = replica_save(storm->devices[device].replica, &save, &dot);
    bool is_refused = err == KITH_NOT_MEMBER || err == KITH_UNKNOWN_CIRCLE || err == KITH_ENDED;
    assert_true(!err || is_refused);
    storm->typed_count += !err;
    buffer_clear(&value);
}

/* One in three breaks somewhere. */
static void meet(struct storm *storm, uint32_t device, bool is_whole)
{
    struct test_device *laptop = &storm->devices[device];
    struct link_faults faults = {0};
    struct purged purged;
    struct identity identity = *replica_identity(laptop->replica);
    static const uint8_t nothing[SIGN_KEY_BYTES];

    if (memcmp(identity.sign_secret, nothing, SIGN_KEY_BYTES) == 0)
        return;
    if (!is_whole && roll(storm, 3) == 0) {
        size_t cut = 1 + roll(storm, 4000);
        if (roll(storm, 2))
            faults.cut_after_in = cut;
        else
            faults.cut_after_out = cut;
    }
    struct link_result result =
        link_connect(&storm->hub, laptop, CHANNEL_SYNC, NULL, NULL, &faults);
    bool is_cut = faults.cut_after_in || faults.cut_after_out;
    assert_true(result.device_err == KITH_OK || (is_cut && result.device_err == KITH_LOST) ||
                (is_cut && result.device_err == KITH_HANDSHAKE));
    check_keys(storm);
    if (roll(storm, 2))
        assert_int_equal(replica_purge(laptop->replica, &purged), KITH_OK);
    if (roll(storm, 8) == 0)
        test_device_reopen(laptop);
}

/* One that decides, about somebody, as far as what it has heard lets it. */
static void decide(struct storm *storm)
{
    struct test_device *by = &storm->devices[roll(storm, 2)];
    const uint8_t *chart = storm->charts[roll(storm, CHARTS)];
    uint32_t person = ANA + roll(storm, 3) + 1;
    struct circle_member member = {person, roll(storm, 4) ? CIRCLE_WRITE : CIRCLE_READ};
    struct held_change *held;
    size_t count;

    switch (roll(storm, 3)) {
    case 0:
        (void)!replica_withdraw(by->replica, chart, person, 1 + roll(storm, 3));
        return;
    case 1:
        (void)!replica_grant(by->replica, chart, &member);
        return;
    default:
        assert_int_equal(replica_held(by->replica, &held, &count), KITH_OK);
        if (count > 0 && roll(storm, 2))
            (void)!replica_admit(by->replica, &held[roll(storm, (uint32_t)count)]);
        else if (count > 0)
            (void)!replica_reject(by->replica, &held[roll(storm, (uint32_t)count)],
                                  bytes_text("no"));
        free(held);
    }
}

static void end_one(struct storm *storm, uint32_t device)
{
    if (storm->is_ended[device])
        return;
    storm->is_ended[device] = true;
    link_end(&storm->hub, &storm->devices[FOUNDER], device + 1,
             LEAVING_TRANSFERRED + roll(storm, 3));
}

static void step(struct storm *storm)
{
    uint32_t what = roll(storm, 100);

    if (what < 40)
        type_something(storm, roll(storm, DEVICES), roll(storm, CHARTS));
    else if (what < 80)
        meet(storm, roll(storm, DEVICES), false);
    else if (what < 98)
        decide(storm);
    else if (what == 98)
        end_one(storm, CY);
    else
        test_hub_reopen(&storm->hub);
}

static void let_everybody_in(struct storm *storm)
{
    for (uint32_t chart = 0; chart < CHARTS; chart++)
        for (uint32_t i = 0; i < DEVICES; i++) {
            struct circle_member member = {i + 1, CIRCLE_WRITE};
            enum kith_err err =
                replica_grant(storm->devices[FOUNDER].replica, storm->charts[chart], &member);
            assert_true(err == KITH_OK || err == KITH_EXISTS);
        }
}

static void admit_everything(struct storm *storm)
{
    struct held_change *held;
    size_t count;

    assert_int_equal(replica_held(storm->devices[FOUNDER].replica, &held, &count), KITH_OK);
    for (size_t i = 0; i < count; i++)
        (void)!replica_admit(storm->devices[FOUNDER].replica, &held[i]);
    free(held);
}

static void assert_all_read(struct storm *storm, uint32_t device)
{
    for (uint32_t i = 0; i < storm->typed_count; i++) {
        const struct typed *typed = &storm->typed[i];
        const char *read = link_read(&storm->devices[device], storm->charts[typed->chart],
                                     typed->record, NOTE, PURPOSE);
        if (strcmp(read, typed->text) != 0)
            fail_msg("device %u reads '%s' where '%s' was saved", device + 1, read, typed->text);
    }
}

static void heal(struct storm *storm)
{
    /* Wishes that are still open come first. */
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < DEVICES; i++)
            meet(storm, i, true);
    for (uint32_t round = 0; round < 4; round++) {
        let_everybody_in(storm);
        admit_everything(storm);
        for (uint32_t i = 0; i < DEVICES; i++)
            meet(storm, i, true);
    }
    for (uint32_t i = 0; i < DEVICES; i++) {
        if (storm->is_ended[i])
            continue;
        assert_all_read(storm, i);
        struct link_result result = link_sync(&storm->hub, &storm->devices[i]);
        assert_int_equal(result.device_err, KITH_OK);
        assert_int_equal(result.received, 0);
        assert_true(result.bytes_in < 400);
    }
}

static void play(uint64_t seed)
{
    struct storm *storm = calloc(1, sizeof *storm);

    assert_non_null(storm);
    storm_open(storm, seed);
    print_message("storm %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < STEPS; i++)
        step(storm);
    heal(storm);
    storm_close(storm);
    free(storm);
}

static void whoever_comes_and_goes_nothing_is_lost_and_nothing_is_shown(void **state)
{
    const char *one = getenv("STORM_SEED");
    const char *many = getenv("STORM_SEEDS");
    uint64_t count = many ? strtoull(many, NULL, 10) : SEEDS;

    (void)state;
    if (one)
        play(strtoull(one, NULL, 10));
    for (uint64_t seed = 1; !one && seed <= count; seed++)
        play(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_comes_and_goes_nothing_is_lost_and_nothing_is_shown),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
