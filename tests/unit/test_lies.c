/* SPDX-License-Identifier: Apache-2.0 */
/* A hub that lies, alone or with somebody who was removed: what it hands over is crafted here, what
 * the honest device says is checked. Roster, access chains and keys; numbers in parentheses are
 * rows of the list of attacks in docs/security.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "link.h"
#include "store/device_held_rows.h"
#include "store/hub_rows.h"
#include "store/ledger_internal.h"
#include "store/replica_internal.h"

enum { NOTE = 7, PURPOSE = 4 };
enum { FOUNDER = 1, ROSA, ANA, EVE };

/* Number of person and of device are the same. The chart has founder, rosa and ana; eve is a
 * volunteer outside of it. */
struct agency {
    struct test_hub hub;
    struct test_device founder;
    struct test_device rosa;
    struct test_device ana;
    struct test_device eve;
    uint8_t chart[ID_BYTES];
};

static struct agency agency;
static const uint8_t visit[ID_BYTES] = {7};

static void sync_ok(struct test_device *device)
{
    assert_int_equal(link_sync(&agency.hub, device).device_err, KITH_OK);
}

static int agency_open(void **state)
{
    (void)state;
    test_hub_open(&agency.hub);
    test_device_open(&agency.founder);
    test_device_open(&agency.rosa);
    test_device_open(&agency.ana);
    test_device_open(&agency.eve);
    link_found(&agency.hub, &agency.founder);
    link_join(&agency.hub, &agency.founder, &agency.rosa, 0, ROLE_SUPERVISOR, 0);
    link_join(&agency.hub, &agency.founder, &agency.ana, 0, ROLE_SPECIALIST, ROSA);
    link_join(&agency.hub, &agency.founder, &agency.eve, 0, ROLE_VOLUNTEER, 0);
    sync_ok(&agency.ana);
    link_chart(&agency.ana, "Maria Lopez", agency.chart);
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    sync_ok(&agency.founder);
    return 0;
}

static int agency_close(void **state)
{
    (void)state;
    test_device_close(&agency.eve);
    test_device_close(&agency.ana);
    test_device_close(&agency.rosa);
    test_device_close(&agency.founder);
    test_hub_close(&agency.hub);
    return 0;
}

/* Everything that a device keeps but its alarms, so that a refused batch can be shown to have
 * changed nothing. */
static void dump(struct test_device *device, struct buffer *out)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);

    for (enum store_table table = TABLE_DEVICE_META; table < TABLE_COUNT; table++) {
        if (table == TABLE_DEVICE_ALARM)
            continue;
        struct store_walk walk =
            store_walk_begin(&txn, table, bytes_of(NULL, 0), bytes_of(NULL, 0));
        while (store_walk_next(&walk)) {
            struct bytes value = store_walk_value(&walk);
            buffer_add(out, walk.key.ptr, walk.key.len);
            buffer_add(out, value.ptr, value.len);
        }
        store_walk_end(&walk);
        store_forget(&txn);
    }
    assert_int_equal(store_commit(&txn), KITH_OK);
}

/* What the device says to a batch; a batch that it refuses leaves nothing behind. */
static enum kith_err hand_over(struct test_device *device, const struct buffer *frames)
{
    struct applied applied;
    struct sending sending;
    struct welcome welcome = {.version = KITH_PROTOCOL_VERSION};
    struct buffer before;
    struct buffer after;

    ledger_incarnation(agency.hub.ledger, welcome.incarnation);
    sending_init(&sending, LINK_NOW_MS / 1000);
    buffer_init(&before, 1 << 24);
    buffer_init(&after, 1 << 24);
    dump(device, &before);
    enum kith_err err = replica_apply(device->replica, &sending, &welcome, buffer_view(frames),
                                      LINK_NOW_MS, &applied);
    dump(device, &after);
    if (err) {
        assert_int_equal(before.len, after.len);
        assert_memory_equal(before.ptr, after.ptr, after.len);
    }
    buffer_clear(&before);
    buffer_clear(&after);
    sending_clear(&sending);
    return err;
}

static void circle_now(struct test_device *device, struct circle_row *row)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);

    device_circle_get(&txn, device_circle_number(&txn, agency.chart), row);
    assert_int_equal(store_commit(&txn), KITH_OK);
}

/* An entry behind the head that the device has, signed with a device's true key. */
static enum kith_err hand_entry(struct test_device *to, const struct test_device *by,
                                struct circle_entry *entry, struct bytes boxes)
{
    struct circle_row row;
    struct buffer bytes;
    struct buffer frames;

    circle_now(to, &row);
    buffer_init(&bytes, ENTRY_MAX);
    buffer_init(&frames, BATCH_MAX);
    entry->author = replica_identity(by->replica)->device;
    if (entry->roster_seq == 0)
        entry->roster_seq = replica_roster(to->replica)->count;
    assert_int_equal(
        circle_entry_write(&row.circle, entry, replica_identity(by->replica)->sign_secret, &bytes),
        KITH_OK);
    circle_frame_write(&frames, agency.chart, entry->link.seq, buffer_view(&bytes), boxes);
    enum kith_err err = hand_over(to, &frames);
    buffer_clear(&frames);
    buffer_clear(&bytes);
    circle_clear(&row.circle);
    return err;
}

/* The own changes of a device from `first` on, as the hub would hand them to somebody. */
static void run_of(struct test_device *device, uint64_t first, uint64_t last, struct buffer *frames)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct run_writer run;
    struct log_row row;

    run_begin(&run);
    for (uint64_t n = first; n <= last; n++) {
        assert_true(
            device_log_get(&txn, device_circle_number(&txn, agency.chart), CHAIN_OWN, n, &row));
        run_add(&run, agency.chart, replica_identity(device->replica)->device, n, &row.change);
    }
    run_flush(&run, FRAME_CHANGES, frames);
    run_end(&run);
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static void withdraw_ana(void)
{
    assert_int_equal(replica_withdraw(agency.founder.replica, agency.chart, ANA, LEAVING_REVOKED),
                     KITH_OK);
    sync_ok(&agency.founder);
    sync_ok(&agency.rosa);
}

/* A device that only the hub knows. */
static void a_ghost_on_the_roster_is_refused(void **state)
{
    const struct roster *roster = replica_roster(agency.rosa.replica);
    struct roster_entry ghosts[] = {
        {.type = ROSTER_INVITE, .author = FOUNDER, .device = EVE + 1, .person = EVE + 1},
        {.type = ROSTER_INVITE, .author = EVE, .device = EVE + 1, .person = EVE + 1},
        {.type = ROSTER_ROLE, .author = EVE, .person = EVE, .roles = ROLE_CUSTODIAN},
        {.type = ROSTER_RENEW, .author = ROSA, .device = EVE + 1},
        {.type = ROSTER_END, .author = EVE, .device = ROSA, .leaving = LEAVING_REVOKED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ghosts / sizeof *ghosts; i++) {
        struct buffer bytes;
        struct buffer frames;
        buffer_init(&bytes, ENTRY_MAX);
        buffer_init(&frames, BATCH_MAX);
        identity_public(replica_identity(agency.eve.replica), &ghosts[i].keys);
        if (ghosts[i].type == ROSTER_INVITE)
            ghosts[i].roles = ROLE_CUSTODIAN;
        /* The hub has its own keys and, if need be, a willing volunteer's. */
        const uint8_t *secret = ghosts[i].author == EVE
                                    ? replica_identity(agency.eve.replica)->sign_secret
                                    : agency.hub.keys.sign_secret;
        assert_int_equal(roster_entry_write(roster, &ghosts[i], secret, &bytes), KITH_OK);
        struct bytes entry = buffer_view(&bytes);
        roster_frame_write(&frames, ghosts[i].link.seq, &entry, 1);
        enum kith_err err = hand_over(&agency.rosa, &frames);
        assert_int_equal(err, ghosts[i].author == EVE ? KITH_NOT_ALLOWED : KITH_SIGNATURE);
        buffer_clear(&frames);
        buffer_clear(&bytes);
    }
    assert_int_equal(roster->device_count, EVE);
}

/* Whoever was removed lets somebody in, rotates, admits its own; the hub helps. */
static void whoever_was_removed_writes_nothing_into_the_access_chain(void **state)
{
    uint32_t eve = EVE;
    struct circle_member member = {EVE, CIRCLE_WRITE};
    struct circle_cut cut = {.device = ROSA, .leaving = LEAVING_REVOKED};
    struct circle_leaver leaver = {ROSA, LEAVING_REVOKED};

    (void)state;
    uint32_t before = replica_roster(agency.rosa.replica)->count;
    withdraw_ana();
    struct circle_entry entries[] = {
        {.type = CIRCLE_GRANT,
         .members = &member,
         .member_count = 1,
         .devices = &eve,
         .device_count = 1},
        {.type = CIRCLE_ROTATE,
         .epoch = 3,
         .cuts = &cut,
         .cut_count = 1,
         .leavers = &leaver,
         .leaver_count = 1},
        {.type = CIRCLE_ADMIT, .device = ANA, .n = 2},
        {.type = CIRCLE_LACK, .epoch = 2},
    };
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        assert_int_equal(hand_entry(&agency.rosa, &agency.ana, &entries[i], bytes_of(NULL, 0)),
                         KITH_NOT_MEMBER);
        entries[i].roster_seq = before; /* it claims to have written that before */
        assert_int_not_equal(hand_entry(&agency.rosa, &agency.ana, &entries[i], bytes_of(NULL, 0)),
                             KITH_OK);
    }
}

/* A key that the hub chose, and a true box moved to another circle, epoch or recipient. */
static void a_key_of_the_hubs_own_or_a_moved_box_is_not_taken(void **state)
{
    uint8_t key[KEY_BYTES];
    uint8_t row[BOX_ROW_BYTES];
    uint8_t true_key[KEY_BYTES];
    struct epoch_place place = {.epoch = 1, .device = ROSA};
    uint32_t rosa = ROSA;
    struct circle_entry entry = {.type = CIRCLE_GRANT, .devices = &rosa, .device_count = 1};

    (void)state;
    struct store_txn txn = store_begin(replica_store(agency.ana.replica), STORE_READ);
    assert_true(device_key_get(&txn, device_circle_number(&txn, agency.chart), 1, true_key));
    assert_int_equal(store_commit(&txn), KITH_OK);
    const uint8_t *recipient = roster_device(replica_roster(agency.ana.replica), ROSA)->keys.box;
    seal_random(key, sizeof key);
    for (unsigned fault = 0; fault < 5; fault++) { /* the last is none */
        struct epoch_place moved = place;
        memcpy(moved.circle, agency.chart, ID_BYTES);
        moved.circle[0] ^= fault == 1;
        moved.epoch += fault == 2;
        moved.device += fault == 3;
        put_u32(row, ROSA);
        assert_int_equal(box_seal(&moved, recipient, fault == 0 ? key : true_key, row + 4),
                         KITH_OK);
        /* Rosa's key is taken from her, so that she would take another. */
        txn = store_begin(replica_store(agency.rosa.replica), STORE_WRITE);
        uint32_t number = device_circle_number(&txn, agency.chart);
        device_key_delete(&txn, number, 1);
        assert_int_equal(store_commit(&txn), KITH_OK);
        assert_int_equal(hand_entry(&agency.rosa, &agency.ana, &entry, bytes_of(row, sizeof row)),
                         KITH_OK);
        txn = store_begin(replica_store(agency.rosa.replica), STORE_READ);
        assert_int_equal(device_key_get(&txn, number, 1, key), fault == 4);
        assert_int_equal(store_commit(&txn), KITH_OK);
    }
}

/* What somebody wrote after they were removed, whatever time and epoch it claims. */
static void a_backdated_change_beyond_the_cut_is_refused(void **state)
{
    struct buffer frames;

    (void)state;
    withdraw_ana();
    /* Her device has not heard of it: true keys, the old epoch, the right place in its chain. */
    (void)link_put(&agency.ana, agency.chart, visit, NOTE, PURPOSE, "written long ago");
    buffer_init(&frames, BATCH_MAX);
    run_of(&agency.ana, 2, 2, &frames);
    assert_int_equal(hand_over(&agency.rosa, &frames), KITH_HELD);
    assert_string_equal(link_read(&agency.rosa, agency.chart, visit, NOTE, PURPOSE), "");
    buffer_clear(&frames);
}

/* A change by somebody who never was in the circle, and by nobody at all. */
static void a_change_by_an_outsider_is_refused(void **state)
{
    struct buffer frames;

    (void)state;
    (void)link_put(&agency.ana, agency.chart, visit, NOTE, PURPOSE, "hers");
    for (uint32_t author = 0; author <= EVE + 1; author++) {
        struct run_writer run;
        struct log_row row;
        if (author == ANA || author == ROSA)
            continue;
        struct store_txn txn = store_begin(replica_store(agency.ana.replica), STORE_READ);
        assert_true(
            device_log_get(&txn, device_circle_number(&txn, agency.chart), CHAIN_OWN, 2, &row));
        buffer_init(&frames, BATCH_MAX);
        run_begin(&run);
        run_add(&run, agency.chart, author, 1, &row.change);
        run_flush(&run, FRAME_CHANGES, &frames);
        run_end(&run);
        assert_int_equal(store_commit(&txn), KITH_OK);
        assert_int_not_equal(hand_over(&agency.rosa, &frames), KITH_OK);
        buffer_clear(&frames);
    }
}

/* Rosa is shown a change that the one who rotates is not: it stays, and counts no more. */
static void what_only_one_was_shown_of_a_removed_device_counts_for_nobody(void **state)
{
    struct buffer frames;
    struct log_row row;

    (void)state;
    (void)link_put(&agency.ana, agency.chart, visit, NOTE, PURPOSE, "for rosa's eyes only");
    buffer_init(&frames, BATCH_MAX);
    run_of(&agency.ana, 2, 2, &frames);
    assert_int_equal(hand_over(&agency.rosa, &frames), KITH_OK);
    buffer_clear(&frames);
    assert_string_equal(link_read(&agency.rosa, agency.chart, visit, NOTE, PURPOSE),
                        "for rosa's eyes only");
    withdraw_ana();
    assert_string_equal(link_read(&agency.rosa, agency.chart, visit, NOTE, PURPOSE), "");
    assert_string_equal(link_read(&agency.rosa, agency.chart, agency.chart, 3, 1), "Maria Lopez");
    struct store_txn txn = store_begin(replica_store(agency.rosa.replica), STORE_READ);
    assert_true(device_log_get(&txn, device_circle_number(&txn, agency.chart), 1, 2, &row));
    assert_int_equal(store_commit(&txn), KITH_OK);
    /* And when it is admitted after all, it counts for everybody. */
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    struct held_change *held;
    size_t count;
    assert_int_equal(replica_held(agency.rosa.replica, &held, &count), KITH_OK);
    assert_int_equal(count, 1);
    assert_int_equal(replica_admit(agency.rosa.replica, &held[0]), KITH_OK);
    free(held);
    sync_ok(&agency.rosa);
    sync_ok(&agency.founder);
    for (int i = 0; i < 2; i++)
        assert_string_equal(
            link_read(i ? &agency.rosa : &agency.founder, agency.chart, visit, NOTE, PURPOSE),
            "for rosa's eyes only");
}

/* A cut that names another change than the one shown here is proof of two histories. */
static void a_cut_of_another_history_is_a_fork(void **state)
{
    struct circle_cut cut = {.device = ANA, .leaving = LEAVING_REVOKED, .n = 1, .id = {1}};
    struct circle_leaver leaver = {ANA, LEAVING_REVOKED};
    struct circle_entry entry = {.type = CIRCLE_ROTATE,
                                 .epoch = 2,
                                 .cuts = &cut,
                                 .cut_count = 1,
                                 .leavers = &leaver,
                                 .leaver_count = 1};

    (void)state;
    assert_int_equal(hand_entry(&agency.rosa, &agency.founder, &entry, bytes_of(NULL, 0)),
                     KITH_FORKED);
}

/* The access chain and the roster as they were, and another past than the one shown before. */
static void an_older_or_another_chain_is_noticed(void **state)
{
    struct circle_member member = {EVE, CIRCLE_READ};
    struct circle_entry entry = {.type = CIRCLE_GRANT, .members = &member, .member_count = 1};
    struct circle_row old;
    struct buffer bytes;
    struct buffer frames;

    (void)state;
    circle_now(&agency.rosa, &old);
    withdraw_ana();
    /* Behind the head of before: as if the rotation had never been. */
    buffer_init(&bytes, ENTRY_MAX);
    buffer_init(&frames, BATCH_MAX);
    entry.author = FOUNDER;
    entry.roster_seq = replica_roster(agency.rosa.replica)->count;
    assert_int_equal(circle_entry_write(&old.circle, &entry,
                                        replica_identity(agency.founder.replica)->sign_secret,
                                        &bytes),
                     KITH_OK);
    circle_frame_write(&frames, agency.chart, entry.link.seq, buffer_view(&bytes),
                       bytes_of(NULL, 0));
    assert_int_equal(hand_over(&agency.rosa, &frames), KITH_FORKED);
    buffer_reset(&frames);
    circle_frame_write(&frames, agency.chart, entry.link.seq + 1, buffer_view(&bytes),
                       bytes_of(NULL, 0));
    assert_int_equal(hand_over(&agency.rosa, &frames), KITH_STALE);
    buffer_clear(&frames);
    buffer_clear(&bytes);
    circle_clear(&old.circle);
}

/* An epoch that was, offered as new; and one that skips. */
static void an_old_epoch_is_not_offered_as_new(void **state)
{
    struct circle_entry entry = {.type = CIRCLE_ROTATE};

    (void)state;
    withdraw_ana();
    for (uint32_t epoch = 1; epoch <= 4; epoch++) {
        entry.epoch = epoch;
        if (epoch != 3)
            assert_int_equal(hand_entry(&agency.rosa, &agency.founder, &entry, bytes_of(NULL, 0)),
                             KITH_MALFORMED);
    }
}

/* A change said to be held, altered or by somebody else. */
static void a_held_change_that_is_not_its_authors_is_refused(void **state)
{
    struct buffer frames;
    struct log_row row;
    struct log_row first;

    (void)state;
    (void)link_put(&agency.ana, agency.chart, visit, NOTE, PURPOSE, "hers");
    withdraw_ana();
    struct store_txn txn = store_begin(replica_store(agency.ana.replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, agency.chart);
    assert_true(device_log_get(&txn, number, CHAIN_OWN, 2, &row));
    assert_true(device_log_get(&txn, number, CHAIN_OWN, 1, &first));
    struct held good = {
        .device = ANA, .n = 2, .change = row.change, .leaving = LEAVING_REVOKED, .time_s = 1};
    memcpy(good.circle, agency.chart, ID_BYTES);
    memcpy(good.prev, first.id, HASH_BYTES);
    for (unsigned fault = 0; fault < 6; fault++) {
        struct held held = good;
        held.device = fault == 1 ? ROSA : ANA;
        held.n += fault == 2;
        held.change.epoch += fault == 3;
        held.prev[0] ^= fault == 4;
        held.change.class = fault == 5 ? CHANGE_URGENT : held.change.class;
        buffer_init(&frames, BATCH_MAX);
        held_write(&frames, &held);
        assert_int_equal(hand_over(&agency.rosa, &frames), fault ? KITH_SIGNATURE : KITH_OK);
        buffer_clear(&frames);
    }
    assert_int_equal(store_commit(&txn), KITH_OK);
}

/* An entry where a change belongs, and a change where an entry belongs. */
static void what_was_signed_for_one_purpose_is_good_for_no_other(void **state)
{
    struct circle_row row;
    struct bytes entry;
    struct run_writer run;
    struct buffer frames;

    (void)state;
    circle_now(&agency.ana, &row);
    struct store_txn txn = store_begin(replica_store(agency.ana.replica), STORE_READ);
    assert_true(device_entry_get(&txn, row.number, 1, &entry));
    const struct change change = {.class = CHANGE_NORMAL,
                                  .epoch = 1,
                                  .sealed = bytes_of(entry.ptr, entry.len - SIGNATURE_BYTES),
                                  .signature = entry.ptr + entry.len - SIGNATURE_BYTES};
    buffer_init(&frames, BATCH_MAX);
    run_begin(&run);
    run_add(&run, agency.chart, ANA, 2, &change);
    run_flush(&run, FRAME_CHANGES, &frames);
    run_end(&run);
    assert_int_equal(hand_over(&agency.rosa, &frames), KITH_SIGNATURE);
    buffer_reset(&frames);
    roster_frame_write(&frames, replica_roster(agency.rosa.replica)->count + 1, &entry, 1);
    assert_int_not_equal(hand_over(&agency.rosa, &frames), KITH_OK);
    assert_int_equal(store_commit(&txn), KITH_OK);
    buffer_clear(&frames);
    circle_clear(&row.circle);
}

/* With the hub's help nothing is gained: no box is ever made for who leaves. */
static void a_rotation_makes_a_box_for_all_who_stay_and_for_nobody_else(void **state)
{
    struct sending sending;
    struct buffer frames;
    struct frame frame;
    bool is_boxed[EVE + 1] = {false};
    bool has_more;

    (void)state;
    assert_int_equal(replica_withdraw(agency.rosa.replica, agency.chart, ANA, LEAVING_REVOKED),
                     KITH_OK);
    sending_init(&sending, LINK_NOW_MS / 1000);
    buffer_init(&frames, BATCH_MAX);
    assert_int_equal(replica_fill(agency.rosa.replica, &sending, BATCH_MAX, &frames, &has_more),
                     KITH_OK);
    struct wire_in batch = wire_open(buffer_view(&frames));
    while (frame_next(&batch, &frame)) {
        struct circle_frame content;
        struct bytes box;
        uint32_t device;
        if (frame.type != FRAME_CIRCLE)
            continue;
        assert_int_equal(circle_frame_read(&content, &frame), KITH_OK);
        while (circle_frame_box(&content, &device, &box))
            is_boxed[device] = true;
    }
    assert_true(is_boxed[FOUNDER]);
    assert_true(is_boxed[ROSA]);
    assert_false(is_boxed[ANA]);
    assert_false(is_boxed[EVE]);
    buffer_clear(&frames);
    sending_clear(&sending);
}

#define WITH_AGENCY(test) cmocka_unit_test_setup_teardown(test, agency_open, agency_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_AGENCY(a_ghost_on_the_roster_is_refused),
        WITH_AGENCY(whoever_was_removed_writes_nothing_into_the_access_chain),
        WITH_AGENCY(a_key_of_the_hubs_own_or_a_moved_box_is_not_taken),
        WITH_AGENCY(a_backdated_change_beyond_the_cut_is_refused),
        WITH_AGENCY(a_change_by_an_outsider_is_refused),
        WITH_AGENCY(what_only_one_was_shown_of_a_removed_device_counts_for_nobody),
        WITH_AGENCY(a_cut_of_another_history_is_a_fork),
        WITH_AGENCY(an_older_or_another_chain_is_noticed),
        WITH_AGENCY(an_old_epoch_is_not_offered_as_new),
        WITH_AGENCY(a_held_change_that_is_not_its_authors_is_refused),
        WITH_AGENCY(what_was_signed_for_one_purpose_is_good_for_no_other),
        WITH_AGENCY(a_rotation_makes_a_box_for_all_who_stay_and_for_nobody_else),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
