/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device has not seen yet, in batches: against a plain model of who was let in where and who
 * wrote what, with random grants, charts and changes, and readers that come by at any time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "make.h"
#include "store/ledger_internal.h"

#define WRITERS    5 /* device 1 is the founder, a custodian; the others are specialists */
#define CHARTS_MAX 40
#define STEPS      160
#define TEXT_CHARS 3000
#define BATCH_ROOM (BATCH_MAX - CURSOR_MAX - 8)
#define NOBODY     (WRITERS + 1) /* on the roster, let in nowhere */
#define NOTE       7
#define PURPOSE    4

/* The model: who may read a chart, and how many changes each device has in it. */
struct chart {
    uint8_t id[ID_BYTES];
    uint32_t author;
    bool is_granted[WRITERS + 2];
    uint64_t written[WRITERS + 2];
};

/* One device's view of the log, fed by ledger_load alone. */
struct reader {
    uint32_t device;
    uint8_t cursor[CURSOR_MAX];
    size_t cursor_len;
    uint8_t digest[DIGEST_BYTES];
    uint32_t roster;
    uint32_t entries[CHARTS_MAX]; /* newest entry of each chart that was delivered */
    uint64_t got[CHARTS_MAX][WRITERS + 2];
    uint32_t agency_entries;
    size_t newest_chart; /* of which something was delivered last */
    uint32_t room;       /* of the batches that it asks for; 0: the largest */
    uint32_t changes;
    uint32_t batches;
};

struct world {
    struct test_hub hub;
    struct test_device devices[NOBODY + 1]; /* by number */
    struct chart charts[CHARTS_MAX];
    uint32_t chart_count;
    struct reader readers[NOBODY + 1];
    struct dice dice;
};

static int world_open(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    if (!world)
        return 1;
    world->dice.state = 11;
    test_hub_open(&world->hub);
    test_device_open(&world->devices[1]);
    link_found(&world->hub, &world->devices[1]);
    for (uint32_t i = 2; i <= NOBODY; i++) {
        test_device_open(&world->devices[i]);
        link_join(&world->hub, &world->devices[1], &world->devices[i], 0, ROLE_SPECIALIST, 0);
    }
    for (uint32_t i = 1; i <= NOBODY; i++) {
        assert_int_equal(link_sync(&world->hub, &world->devices[i]).device_err, KITH_OK);
        world->readers[i].device = i;
    }
    *state = world;
    return 0;
}

static int world_close(void **state)
{
    struct world *world = *state;

    for (uint32_t i = 1; i <= NOBODY; i++)
        test_device_close(&world->devices[i]);
    test_hub_close(&world->hub);
    free(world);
    return 0;
}

static void sync_device(struct world *world, uint32_t device)
{
    struct link_result result = link_sync(&world->hub, &world->devices[device]);

    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.refused, 0);
}

static void add_chart(struct world *world, uint32_t author)
{
    struct chart *chart = &world->charts[world->chart_count++];

    link_chart(&world->devices[author], "somebody", chart->id);
    sync_device(world, author);
    chart->author = author;
    chart->is_granted[author] = true;
    chart->is_granted[1] = true;
    chart->written[author] = 1;
}

/* Incompressible, so that batches fill up. */
static void add_change_as(struct world *world, struct chart *chart, uint32_t author,
                          enum change_class class)
{
    char text[TEXT_CHARS + 1];
    uint8_t record[ID_BYTES];

    for (size_t i = 0; i < TEXT_CHARS; i++)
        text[i] = (char)('!' + dice_below(&world->dice, 90));
    text[TEXT_CHARS] = '\0';
    dice_bytes(&world->dice, record, sizeof record);
    sync_device(world, author);
    struct dot dot =
        link_put_as(&world->devices[author], class, chart->id, record, NOTE, PURPOSE, text);
    assert_int_equal(dot.n, ++chart->written[author]);
    sync_device(world, author);
}

static void add_change(struct world *world, struct chart *chart, uint32_t author)
{
    add_change_as(world, chart, author, CHANGE_NORMAL);
}

static void add_grant(struct world *world, struct chart *chart, uint32_t granter, uint32_t reader)
{
    const struct circle_member member = {.person = reader, .right = CIRCLE_WRITE};

    sync_device(world, granter);
    assert_int_equal(replica_grant(world->devices[granter].replica, chart->id, &member), KITH_OK);
    sync_device(world, granter);
    chart->is_granted[reader] = true;
}

static uint32_t pick_member(struct world *world, const struct chart *chart)
{
    uint32_t device;

    do {
        device = 1 + dice_below(&world->dice, WRITERS);
    } while (!chart->is_granted[device]);
    return device;
}

static void step(struct world *world)
{
    uint32_t kind = dice_below(&world->dice, 10);
    uint32_t device = 2 + dice_below(&world->dice, WRITERS - 1);

    if (world->chart_count == 0 || (kind == 0 && world->chart_count < CHARTS_MAX)) {
        add_chart(world, device);
        return;
    }
    struct chart *chart = &world->charts[dice_below(&world->dice, world->chart_count)];
    uint32_t member = pick_member(world, chart);
    if (kind <= 2 && member != 1 && !chart->is_granted[device])
        add_grant(world, chart, member, device);
    else
        add_change_as(world, chart, member,
                      dice_below(&world->dice, 6) == 0 ? CHANGE_URGENT : CHANGE_NORMAL);
}

static struct chart *find_chart(struct world *world, const uint8_t circle[static ID_BYTES],
                                size_t *index)
{
    for (*index = 0; *index < world->chart_count; (*index)++)
        if (memcmp(world->charts[*index].id, circle, ID_BYTES) == 0)
            return &world->charts[*index];
    return NULL;
}

static void read_run(struct world *world, struct reader *reader, struct frame *frame)
{
    struct change change;
    struct run run;
    size_t index;

    assert_int_equal(run_read(&run, frame), KITH_OK);
    struct chart *chart = find_chart(world, run.circle, &index);
    assert_non_null(chart);
    assert_true(chart->is_granted[reader->device]);
    assert_int_not_equal(run.device, reader->device);
    assert_true(reader->entries[index] > 0); /* a chart is known before anything in it */
    reader->newest_chart = index;
    for (uint64_t n = run.first_n; run_next(&run, &change); n++) {
        uint8_t id[HASH_BYTES];
        assert_int_equal(n, reader->got[index][run.device] + 1);
        reader->got[index][run.device] = n;
        struct store_txn txn = store_begin(world->hub.ledger->store, STORE_READ);
        assert_true(hub_change_id(&txn, hub_circle_number(&txn, run.circle), run.device, n, id));
        store_abort(&txn);
        digest_add(reader->digest, id);
        reader->changes++;
    }
}

static void read_circle(struct world *world, struct reader *reader, struct frame *frame)
{
    struct circle_frame content;
    size_t index;

    assert_int_equal(circle_frame_read(&content, frame), KITH_OK);
    struct chart *chart = find_chart(world, content.circle, &index);
    uint32_t *newest = chart ? &reader->entries[index] : &reader->agency_entries;
    assert_true(!chart || chart->is_granted[reader->device]);
    assert_true(content.seq > *newest); /* own entries are left out */
    *newest = content.seq;
}

static void read_roster(struct reader *reader, struct frame *frame)
{
    struct entries entries;
    struct bytes entry;

    assert_int_equal(roster_frame_read(&entries, frame), KITH_OK);
    assert_int_equal(entries.first_seq, reader->roster + 1);
    while (roster_frame_next(&entries, &entry))
        reader->roster++;
}

static void read_batch(struct world *world, struct reader *reader, struct bytes frames)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;

    while (frame_next(&batch, &frame)) {
        if (frame.type == FRAME_CHANGES)
            read_run(world, reader, &frame);
        else if (frame.type == FRAME_CIRCLE)
            read_circle(world, reader, &frame);
        else if (frame.type == FRAME_ROSTER)
            read_roster(reader, &frame);
        else
            fail_msg("a frame of type %u in a batch", frame.type);
    }
    assert_int_equal(wire_close(&batch), KITH_OK);
}

static void pull_of(const struct world *world, const struct reader *reader, struct pull *pull)
{
    memset(pull, 0, sizeof *pull);
    ledger_incarnation(world->hub.ledger, pull->incarnation);
    memcpy(pull->digest, reader->digest, DIGEST_BYTES);
    pull->cursor = bytes_of(reader->cursor, reader->cursor_len);
}

/* The genesis that a device wrote itself it has: as if it had been delivered. */
static void note_own(struct world *world, struct reader *reader)
{
    for (uint32_t i = 0; i < world->chart_count; i++)
        if (world->charts[i].author == reader->device && reader->entries[i] == 0)
            reader->entries[i] = 1;
}

/* One batch. `is_continued`: within one session, the digest does not count. True when that was all.
 */
static bool read_once(struct world *world, struct reader *reader, bool is_continued,
                      bool roster_only)
{
    struct backlog backlog;
    struct pull pull;
    uint32_t before = reader->changes;

    note_own(world, reader);
    pull_of(world, reader, &pull);
    if (is_continued)
        memset(pull.digest, 0xee, DIGEST_BYTES);
    pull.is_continued = is_continued;
    pull.room = reader->room;
    backlog_init(&backlog);
    assert_int_equal(ledger_load(world->hub.ledger, reader->device, &pull, roster_only, &backlog),
                     KITH_OK);
    assert_in_range(backlog.frames.len, 0, BATCH_ROOM);
    assert_true(backlog.is_up_to_date || backlog.frames.len > 0);
    read_batch(world, reader, buffer_view(&backlog.frames));
    assert_int_equal(backlog.change_count, reader->changes - before);
    assert_in_range(backlog.cursor_len, 1, CURSOR_MAX);
    memcpy(reader->cursor, backlog.cursor, backlog.cursor_len);
    reader->cursor_len = backlog.cursor_len;
    reader->batches++;
    bool is_up_to_date = backlog.is_up_to_date;
    backlog_clear(&backlog);
    return is_up_to_date;
}

static void read_all(struct world *world, struct reader *reader)
{
    while (!read_once(world, reader, false, false))
        continue;
}

static void assert_complete(const struct world *world, const struct reader *reader)
{
    assert_int_equal(reader->roster, world->hub.ledger->roster.count);
    for (uint32_t i = 0; i < world->chart_count; i++)
        for (uint32_t device = 1; device <= WRITERS; device++) {
            const struct chart *chart = &world->charts[i];
            bool is_due = chart->is_granted[reader->device] && device != reader->device;
            assert_int_equal(reader->got[i][device], is_due ? chart->written[device] : 0);
        }
}

static void everybody_gets_what_others_wrote_where_they_were_let_in_once_and_in_order(void **state)
{
    struct world *world = *state;
    uint32_t batches_most = 0;

    for (unsigned i = 0; i < STEPS; i++) {
        step(world);
        /* A reader comes by for one batch, or for all of them, or not at all. */
        struct reader *reader = &world->readers[1 + dice_below(&world->dice, WRITERS)];
        reader->room = dice_below(&world->dice, 2) * dice_below(&world->dice, 12000);
        if (reader->device == 1)
            continue; /* this one reads everything at the end, in many batches */
        if (i % 3 == 0)
            (void)read_once(world, reader, false, false);
        else if (i % 7 == 0)
            read_all(world, reader);
    }
    for (uint32_t device = 1; device <= NOBODY; device++) {
        read_all(world, &world->readers[device]);
        assert_complete(world, &world->readers[device]);
        if (world->readers[device].batches > batches_most)
            batches_most = world->readers[device].batches;
        uint32_t before = world->readers[device].changes;
        assert_true(read_once(world, &world->readers[device], false, false));
        assert_int_equal(world->readers[device].changes, before);
    }
    assert_in_range(batches_most, 4, UINT32_MAX);
}

/* Within a session the hub goes on from its own cursor, and what is written meanwhile comes too. */
static void a_load_goes_on_while_others_write_and_grant(void **state)
{
    struct world *world = *state;
    struct reader *founder = &world->readers[1];
    struct reader *late = &world->readers[3];

    add_chart(world, 2);
    add_chart(world, 2);
    for (unsigned i = 0; i < 60; i++)
        add_change(world, &world->charts[i % 2], 2);
    assert_false(read_once(world, founder, false, false));
    assert_true(read_once(world, late, false, false));
    assert_int_equal(late->changes, 0);
    add_grant(world, &world->charts[1], 2, 3);
    assert_false(read_once(world, late, true, false));
    assert_true(late->changes > 0);
    /* In the middle of the chart that is new to it: another grant, and changes in both. */
    add_grant(world, &world->charts[0], 2, 3);
    add_change(world, &world->charts[1], 2);
    add_change(world, &world->charts[0], 3);
    add_change(world, &world->charts[0], 2);
    while (!read_once(world, late, true, false))
        continue;
    while (!read_once(world, founder, true, false))
        continue;
    assert_complete(world, late);
    assert_complete(world, founder);
}

static void the_chart_that_was_written_to_last_comes_first(void **state)
{
    struct world *world = *state;
    struct reader *founder = &world->readers[1];
    const size_t order[] = {1, 2, 0};

    read_all(world, founder);
    for (unsigned i = 0; i < 3; i++)
        add_chart(world, 2);
    for (unsigned i = 0; i < 12; i++)
        for (unsigned chart = 0; chart < 3; chart++)
            add_change(world, &world->charts[order[2 - chart]], 2);
    founder->room = 10000;
    for (unsigned i = 0; i < 2; i++) {
        while (founder->got[order[i]][2] < 13)
            assert_false(read_once(world, founder, true, false));
        assert_true(founder->got[order[i + 1]][2] < 13);
    }
    read_all(world, founder);
    assert_complete(world, founder);
}

static void what_is_urgent_overtakes_the_rest(void **state)
{
    struct world *world = *state;
    struct reader *founder = &world->readers[1];

    read_all(world, founder);
    for (unsigned i = 0; i < 3; i++)
        add_chart(world, 2);
    for (unsigned i = 0; i < 20; i++)
        for (unsigned chart = 0; chart < 2; chart++)
            add_change(world, &world->charts[chart], 2);
    add_change(world, &world->charts[0], 2);
    founder->room = 10000;
    assert_false(read_once(world, founder, false, false)); /* in the middle of a chart */
    uint64_t before = founder->got[0][2];
    add_change_as(world, &world->charts[2], 2, CHANGE_URGENT);
    assert_false(read_once(world, founder, true, false));
    assert_int_equal(founder->got[2][2], 2);
    assert_false(read_once(world, founder, false, false)); /* and goes on where it was */
    assert_int_equal(founder->newest_chart, 0);
    assert_true(founder->got[0][2] > before);
    assert_int_equal(founder->got[1][2], 0);
    /* Within a chart what comes before it comes with it. */
    add_change_as(world, &world->charts[1], 2, CHANGE_URGENT);
    while (founder->got[1][2] < 22)
        assert_false(read_once(world, founder, true, false));
    assert_true(founder->got[0][2] < 22);
    read_all(world, founder);
    assert_complete(world, founder);
}

/* More of it in more charts than can be ahead: the rest comes in its turn. */
static void much_that_is_urgent_arrives_once_as_well(void **state)
{
    struct world *world = *state;
    struct reader *founder = &world->readers[1];

    read_all(world, founder);
    for (unsigned i = 0; i < 12; i++) {
        add_chart(world, 2);
        for (unsigned n = 0; n < 4; n++)
            add_change(world, &world->charts[i], 2);
    }
    founder->room = 5000;
    assert_false(read_once(world, founder, false, false));
    for (unsigned i = 0; i < 24; i++) {
        add_change_as(world, &world->charts[i % 12], 2, CHANGE_URGENT);
        (void)read_once(world, founder, i % 2, false);
    }
    read_all(world, founder);
    assert_complete(world, founder);
}

static void own_changes_are_not_sent_back(void **state)
{
    struct world *world = *state;
    struct reader *author = &world->readers[2];

    add_chart(world, 2);
    add_change(world, &world->charts[0], 2);
    read_all(world, author);
    assert_int_equal(author->changes, 0);
    assert_int_equal(author->entries[0], 1);
    add_change(world, &world->charts[0], 1);
    read_all(world, author);
    assert_int_equal(author->changes, 1);
}

static void somebody_without_a_grant_gets_the_roster_and_no_chart(void **state)
{
    struct world *world = *state;
    struct reader *nobody = &world->readers[NOBODY];
    struct reader unknown = {.device = DEVICE_MAX}; /* not on the roster */
    struct pull pull;
    struct backlog backlog;

    add_chart(world, 2);
    add_change(world, &world->charts[0], 2);
    read_all(world, nobody);
    assert_int_equal(nobody->changes, 0);
    assert_int_equal(nobody->entries[0], 0);
    assert_int_equal(nobody->roster, world->hub.ledger->roster.count);
    pull_of(world, &unknown, &pull);
    backlog_init(&backlog);
    assert_int_equal(ledger_load(world->hub.ledger, unknown.device, &pull, false, &backlog),
                     KITH_OK);
    assert_int_equal(backlog.change_count, 0);
    read_batch(world, &unknown, buffer_view(&backlog.frames));
    assert_int_equal(unknown.agency_entries, 0);
    backlog_clear(&backlog);
}

static void a_device_that_joins_gets_the_roster_only_and_later_the_rest(void **state)
{
    struct world *world = *state;
    struct reader *founder = &world->readers[1];

    add_chart(world, 2);
    add_change(world, &world->charts[0], 2);
    assert_true(read_once(world, founder, false, true));
    assert_int_equal(founder->roster, world->hub.ledger->roster.count);
    assert_int_equal(founder->changes + founder->entries[0], 0);
    assert_true(read_once(world, founder, true, false));
    assert_complete(world, founder);
}

enum cursor_fault {
    OTHER_INCARNATION,
    OTHER_DIGEST,
    SHORT_CURSOR,
    LONG_CURSOR,
    ALTERED_CURSOR,
    NO_CURSOR
};

static void apply_fault(enum cursor_fault fault, struct reader *reader, struct pull *pull)
{
    switch (fault) {
    case OTHER_INCARNATION:
        pull->incarnation[3] ^= 1;
        return;
    case OTHER_DIGEST:
        pull->digest[7] ^= 1;
        return;
    case SHORT_CURSOR:
        pull->cursor.len--;
        return;
    case LONG_CURSOR:
        pull->cursor.len++;
        return;
    case ALTERED_CURSOR:
        reader->cursor[reader->cursor_len - 1] ^= 1;
        return;
    case NO_CURSOR:
        pull->cursor.len = 0;
        return;
    }
}

static void a_cursor_that_does_not_agree_starts_anew(void **state)
{
    struct world *world = *state;
    struct reader *reader = &world->readers[3];

    add_chart(world, 2);
    add_change(world, &world->charts[0], 2);
    add_grant(world, &world->charts[0], 2, 3);
    read_all(world, reader);
    assert_int_equal(reader->changes, 2);
    for (enum cursor_fault fault = OTHER_INCARNATION; fault <= NO_CURSOR; fault++) {
        struct reader again = {.device = reader->device};
        struct reader altered = *reader;
        struct pull pull;
        struct backlog backlog;
        pull_of(world, &altered, &pull);
        apply_fault(fault, &altered, &pull);
        backlog_init(&backlog);
        assert_int_equal(ledger_load(world->hub.ledger, reader->device, &pull, false, &backlog),
                         KITH_OK);
        assert_true(backlog.is_up_to_date);
        read_batch(world, &again, buffer_view(&backlog.frames));
        assert_complete(world, &again);
        /* What it is told then is good again. */
        assert_memory_equal(backlog.cursor, reader->cursor, backlog.cursor_len);
        backlog_clear(&backlog);
    }
    assert_true(read_once(world, reader, false, false));
    assert_int_equal(reader->changes, 2);
}

static void a_log_with_a_hole_is_damage_and_not_an_endless_load(void **state)
{
    struct world *world = *state;
    struct backlog backlog;
    struct pull pull;

    add_chart(world, 2);
    add_change(world, &world->charts[0], 2);
    struct store_txn txn = store_begin(world->hub.ledger->store, STORE_WRITE);
    struct key key = key_of_u64(hub_sequence(&txn) - 1);
    store_delete(&txn, TABLE_HUB_LOG, key_bytes(&key));
    assert_int_equal(store_commit(&txn), KITH_OK);
    pull_of(world, &world->readers[1], &pull);
    backlog_init(&backlog);
    assert_int_equal(ledger_load(world->hub.ledger, 1, &pull, false, &backlog), KITH_DAMAGED);
    backlog_clear(&backlog);
}

/* The charts of the runs that a hub heard, in their order. */
struct heard {
    uint8_t charts[CHARTS_MAX][ID_BYTES];
    uint32_t count;
};

static void hear_runs(void *owner, struct bytes frames)
{
    struct heard *heard = owner;
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    struct run run;

    while (frame_next(&batch, &frame))
        if (frame.type == FRAME_PUSH) {
            assert_int_equal(run_read(&run, &frame), KITH_OK);
            assert_true(heard->count < CHARTS_MAX);
            memcpy(heard->charts[heard->count++], run.circle, ID_BYTES);
        }
}

static void what_is_sent_goes_urgent_first_and_then_the_newest(void **state)
{
    static const uint32_t order[] = {2, 0, 1, 3}; /* the third is urgent, the fourth the oldest */
    enum { CHARTS = 4 };
    struct world *world = *state;
    struct test_device *ana = &world->devices[2];
    const uint8_t record[ID_BYTES] = "a visit";
    struct heard heard = {.count = 0};
    const struct link_faults listening = {.hear = hear_runs, .owner = &heard};

    for (uint32_t i = 0; i < CHARTS; i++)
        add_chart(world, 2);
    for (uint32_t i = CHARTS; i > 0; i--)
        (void)link_put_as(ana, i == 3 ? CHANGE_URGENT : CHANGE_NORMAL, world->charts[i - 1].id,
                          record, NOTE, PURPOSE, "written offline");
    struct link_result result =
        link_connect(&world->hub, ana, CHANNEL_SYNC, NULL, NULL, &listening);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(heard.count, CHARTS);
    for (uint32_t i = 0; i < CHARTS; i++)
        assert_memory_equal(heard.charts[i], world->charts[order[i]].id, ID_BYTES);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(everybody_gets_what_others_wrote_where_they_were_let_in_once_and_in_order),
        WORLD(a_load_goes_on_while_others_write_and_grant),
        WORLD(the_chart_that_was_written_to_last_comes_first),
        WORLD(what_is_urgent_overtakes_the_rest),
        WORLD(much_that_is_urgent_arrives_once_as_well),
        WORLD(own_changes_are_not_sent_back),
        WORLD(what_is_sent_goes_urgent_first_and_then_the_newest),
        WORLD(somebody_without_a_grant_gets_the_roster_and_no_chart),
        WORLD(a_device_that_joins_gets_the_roster_only_and_later_the_rest),
        WORLD(a_cursor_that_does_not_agree_starts_anew),
        WORLD(a_log_with_a_hole_is_damage_and_not_an_endless_load),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
