/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks by a hub that lies about people, keys and changes. Numbers are those of docs/security.md,
 * "Attacks". */
#include <stdlib.h>
#include <string.h>

#include "liar.h"

#define CHANGES_MAX 64

/* An attacker's keys, and what the hub is to put where. */
struct ghost {
    struct office *office;
    struct identity keys;
    struct device_public public;
    uint8_t replaced[KEY_BYTES];
    uint8_t circle[ID_BYTES];
    size_t pushed; /* changes that it was sent under the epoch whose key it handed out */
};

static void ghost_init(struct ghost *ghost, struct office *office)
{
    memset(ghost, 0, sizeof *ghost);
    ghost->office = office;
    identity_make(&ghost->keys);
    identity_public(&ghost->keys, &ghost->public);
}

static void join_ben(struct office *office, struct test_device *ben)
{
    test_device_open(ben);
    link_join(&office->hub, &office->founder, ben, 0, ROLE_SPECIALIST, 2);
}

/* Puts the ghost's box key where somebody's stands. */
static void replace_key(void *owner, struct buffer *frames)
{
    const struct ghost *ghost = owner;
    uint8_t *at = memmem(frames->ptr, frames->len, ghost->replaced, KEY_BYTES);

    assert_non_null(at);
    memcpy(at, ghost->public.box, KEY_BYTES);
}

static void a01_another_public_key_for_a_member_is_refused(void **state)
{
    struct office *office = *state;
    struct test_device ben;
    struct ghost ghost;
    const struct link_faults lie = {.serve = replace_key, .owner = &ghost};

    ghost_init(&ghost, office);
    join_ben(office, &ben);
    struct device_public keys;
    identity_public(replica_identity(ben.replica), &keys);
    memcpy(ghost.replaced, keys.box, KEY_BYTES);
    uint32_t known = replica_roster(office->ana.replica)->count;
    assert_int_equal(office_sync(office, &office->ana, &lie).device_err, KITH_SIGNATURE);
    assert_int_equal(replica_roster(office->ana.replica)->count, known);
    struct alarm alarm;
    assert_true(device_alarm(&office->ana, ALARM_REFUSED, 0, &alarm));
    assert_int_equal(alarm.reason, KITH_SIGNATURE);
    /* Nothing stays of it: the hub's next word is heard. */
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    const struct roster_device *as_known = roster_device(replica_roster(office->ana.replica), 4);
    assert_memory_equal(as_known->keys.box, keys.box, KEY_BYTES);
    test_device_close(&ben);
}

/* The hub's own entry at the end of the roster: an invitation for its ghost, in the name of the
 * founder's device. */
static void invite_ghost(void *owner, struct buffer *frames)
{
    struct ghost *ghost = owner;
    const struct roster *roster = replica_roster(ghost->office->ana.replica);
    struct roster_entry entry = {.type = ROSTER_INVITE,
                                 .author = FOUNDER_DEVICE,
                                 .device = roster->device_count + 1,
                                 .person = roster->person_count + 1,
                                 .roles = ROLE_ADMIN,
                                 .expires_s = LINK_NOW_MS / 1000 + 3600};
    struct buffer bytes;

    buffer_init(&bytes, ENTRY_MAX);
    entry.keys = ghost->public;
    assert_int_equal(
        roster_entry_write(roster, &entry, ghost->office->hub.keys.sign_secret, &bytes), KITH_OK);
    liar_write_roster(frames, entry.link.seq, buffer_view(&bytes));
    buffer_clear(&bytes);
}

/* The hub's own grant in a chart, likewise, for a device that is enrolled and not a member. */
static void grant_ghost(void *owner, struct buffer *frames)
{
    struct ghost *ghost = owner;
    struct circle circle;
    struct circle_member member = {4, CIRCLE_WRITE};
    uint32_t device = 4;
    struct circle_entry entry = {.type = CIRCLE_GRANT,
                                 .author = ANA_DEVICE,
                                 .roster_seq = replica_roster(ghost->office->rosa.replica)->count,
                                 .time_s = LINK_NOW_MS / 1000,
                                 .members = &member,
                                 .member_count = 1,
                                 .devices = &device,
                                 .device_count = 1};
    struct buffer bytes;

    buffer_init(&bytes, ENTRY_MAX);
    device_circle(&ghost->office->rosa, ghost->office->chart, &circle);
    assert_int_equal(
        circle_entry_write(&circle, &entry, ghost->office->hub.keys.sign_secret, &bytes), KITH_OK);
    circle_frame_write(frames, circle.id, entry.link.seq, buffer_view(&bytes), bytes_of(NULL, 0));
    buffer_clear(&bytes);
    circle_clear(&circle);
}

static void a02_a_member_that_the_hub_adds_gets_no_box(void **state)
{
    struct office *office = *state;
    struct test_device ben;
    struct circle circle;
    struct ghost ghost;
    const struct link_faults invite = {.serve = invite_ghost, .owner = &ghost};
    const struct link_faults grant = {.serve = grant_ghost, .owner = &ghost};

    ghost_init(&ghost, office);
    uint32_t devices = replica_roster(office->ana.replica)->device_count;
    assert_int_equal(office_sync(office, &office->ana, &invite).device_err, KITH_SIGNATURE);
    assert_int_equal(replica_roster(office->ana.replica)->device_count, devices);
    /* Ben is enrolled and not let into Maria's chart. The hub would like him to be. */
    join_ben(office, &ben);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(office_sync(office, &office->rosa, &grant).device_err, KITH_SIGNATURE);
    (void)office_write(office, &office->rosa, "for the three of us");
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    device_circle(&office->ana, office->chart, &circle);
    assert_null(circle_member(&circle, 4));
    assert_false(circle_has_device(&circle, 4));
    circle_clear(&circle);
    assert_int_equal(link_sync(&office->hub, &ben).device_err, KITH_OK);
    assert_string_equal(office_read(office, &ben), "");
    test_device_close(&ben);
}

/* A box of the hub's own for whoever is served: right in every place, with a key it knows. */
static void hand_own_key(void *owner, struct frame *frame, struct bytes raw, struct buffer *out)
{
    struct ghost *ghost = owner;
    struct circle_frame content;
    uint8_t row[BOX_ROW_BYTES];
    struct epoch_place place = {.epoch = 1, .device = ANA_DEVICE};

    if (frame->type != FRAME_CIRCLE) {
        buffer_add(out, raw.ptr, raw.len);
        return;
    }
    assert_int_equal(circle_frame_read(&content, frame), KITH_OK);
    memcpy(place.circle, content.circle, ID_BYTES);
    memcpy(ghost->circle, content.circle, ID_BYTES);
    put_u32(row, ANA_DEVICE);
    assert_int_equal(box_seal(&place, ghost->replaced, ghost->keys.box_secret, row + 4), KITH_OK);
    circle_frame_write(out, content.circle, content.seq, content.entry, bytes_of(row, sizeof row));
}

static void serve_own_key(void *owner, struct buffer *frames)
{
    liar_each(frames, hand_own_key, owner);
}

static void count_changes(void *owner, struct bytes frames)
{
    struct liar_change changes[CHANGES_MAX];
    struct ghost *ghost = owner;

    size_t count = liar_changes(frames, changes, CHANGES_MAX);
    for (size_t i = 0; i < count; i++)
        ghost->pushed += changes[i].change.epoch == 1;
}

static void a03_a_key_from_the_hub_is_not_taken(void **state)
{
    struct office *office = *state;
    uint8_t chart[ID_BYTES];
    uint8_t key[KEY_BYTES];
    struct device_public ana;
    struct ghost ghost;
    const struct link_faults lie = {.serve = serve_own_key, .hear = count_changes, .owner = &ghost};

    ghost_init(&ghost, office);
    identity_public(replica_identity(office->ana.replica), &ana);
    memcpy(ghost.replaced, ana.box, KEY_BYTES);
    /* A chart that the founder makes and shares with Ana: its key is new to her. */
    link_chart(&office->founder, "Joe Walker", chart);
    const struct circle_member member = {3, CIRCLE_WRITE};
    assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    assert_int_equal(replica_grant(office->founder.replica, chart, &member), KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    assert_int_equal(office_sync(office, &office->ana, &lie).device_err, KITH_OK);
    assert_memory_equal(ghost.circle, chart, ID_BYTES);
    assert_false(device_epoch_key(&office->ana, chart, 1, key));
    assert_int_equal(device_waiting(&office->ana), 1);
    struct alarm alarm;
    assert_true(device_alarm(&office->ana, ALARM_WRONG_KEY, 0, &alarm));
    assert_int_equal(alarm.n, 1);
    /* Nothing is sealed under it: she begins an epoch with a key of her own. */
    (void)link_put(&office->ana, chart, office->visit, NOTE, PURPOSE, "for the chart alone");
    assert_int_equal(office_sync(office, &office->ana, &lie).device_err, KITH_OK);
    assert_int_equal(ghost.pushed, 0);
    assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    assert_string_equal(link_read(&office->founder, chart, office->visit, NOTE, PURPOSE),
                        "for the chart alone");
}

static void flip_at(struct bytes frames, size_t at, struct buffer *out)
{
    buffer_reset(out);
    buffer_add(out, frames.ptr, frames.len);
    out->ptr[at] ^= 0x10;
}

static void keep_frames(void *owner, struct buffer *frames)
{
    struct buffer *kept = owner;

    buffer_reset(kept);
    buffer_add(kept, frames->ptr, frames->len);
}

/* Whatever an altered batch left behind is right: the text, and the key of the new chart. */
static void assert_nothing_wrong(struct office *office, struct test_device *device,
                                 const uint8_t chart[static ID_BYTES])
{
    uint8_t key[KEY_BYTES];
    uint8_t right[KEY_BYTES];
    const char *text = office_read(office, device);

    assert_true(!*text || strcmp(text, "We walked to the clinic") == 0);
    assert_true(device_epoch_key(&office->ana, chart, 1, right));
    if (device_epoch_key(device, chart, 1, key))
        assert_memory_equal(key, right, KEY_BYTES);
}

static enum kith_err apply_batch(struct test_device *device, const struct welcome *welcome,
                                 struct bytes frames)
{
    struct sending sending;
    struct applied applied;

    sending_init(&sending, LINK_NOW_MS / 1000);
    enum kith_err err =
        replica_apply(device->replica, &sending, welcome, frames, LINK_NOW_MS, &applied);
    sending_clear(&sending);
    return err;
}

/* Entries of the roster, two access chains with a box each, and changes: one batch has them all.
 * Only a batch whose boxes were altered is stored, without the key. */
static void a04_no_altered_byte_of_anything_served_is_taken(void **state)
{
    struct office *office = *state;
    struct test_device ben;
    struct test_device copy;
    struct buffer frames;
    struct buffer bad;
    uint8_t chart[ID_BYTES];
    const struct link_faults keep = {.serve = keep_frames, .owner = &frames};
    struct welcome welcome = {.version = KITH_PROTOCOL_VERSION};
    size_t stored = 0;

    buffer_init(&frames, BATCH_MAX);
    buffer_init(&bad, BATCH_MAX);
    ledger_incarnation(office->hub.ledger, welcome.incarnation);
    join_ben(office, &ben);
    link_chart(&office->ana, "Joe Walker", chart);
    (void)office_write(office, &office->ana, "We walked to the clinic");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    test_device_copy(&copy, &office->rosa);
    assert_int_equal(office_sync(office, &copy, &keep).device_err, KITH_OK);
    test_device_close(&copy);
    test_device_copy(&copy, &office->rosa);
    for (size_t at = 0; at < frames.len; at++) {
        flip_at(buffer_view(&frames), at, &bad);
        enum kith_err err = apply_batch(&copy, &welcome, buffer_view(&bad));
        assert_nothing_wrong(office, &copy, chart);
        if (err)
            continue;
        stored++;
        test_device_close(&copy);
        test_device_copy(&copy, &office->rosa);
    }
    print_message("%u altered bytes of %u left a batch without its key\n", (unsigned)stored,
                  (unsigned)frames.len);
    assert_in_range(stored, 2 * BOX_BYTES, 2 * (BOX_BYTES + 8));
    assert_int_equal(apply_batch(&copy, &welcome, buffer_view(&frames)), KITH_OK);
    assert_string_equal(office_read(office, &copy), "We walked to the clinic");
    test_device_close(&copy);
    test_device_close(&ben);
    buffer_clear(&bad);
    buffer_clear(&frames);
}

/* What a hub does to the changes it serves. `count` is how many there are. */
typedef void rearrange(struct liar_change *changes, size_t *count);

struct shuffler {
    rearrange *rearrange;
    size_t before;
};

static void serve_rearranged(void *owner, struct buffer *frames)
{
    struct shuffler *shuffler = owner;
    struct liar_change changes[CHANGES_MAX];
    struct buffer copy;

    buffer_init(&copy, BATCH_MAX);
    buffer_add(&copy, frames->ptr, frames->len);
    size_t count = liar_changes(buffer_view(&copy), changes, CHANGES_MAX);
    shuffler->before = count;
    shuffler->rearrange(changes, &count);
    liar_drop_changes(frames);
    for (size_t i = 0; i < count; i++)
        liar_write_change(frames, &changes[i]);
    buffer_clear(&copy);
}

static void swap_first_two(struct liar_change *changes, size_t *count)
{
    assert_in_range(*count, 3, CHANGES_MAX);
    struct change first = changes[0].change;
    changes[0].change = changes[1].change;
    changes[1].change = first;
}

static void drop_second(struct liar_change *changes, size_t *count)
{
    changes[1] = changes[2];
    (*count)--;
}

static void drop_second_and_renumber(struct liar_change *changes, size_t *count)
{
    drop_second(changes, count);
    changes[1].n--;
}

static void repeat_first_as_second(struct liar_change *changes, size_t *count)
{
    (void)count;
    changes[1].change = changes[0].change;
}

static void begin_with_second(struct liar_change *changes, size_t *count)
{
    (*count)--;
    memmove(changes, changes + 1, *count * sizeof *changes);
}

static void a08_changes_swapped_dropped_or_mixed_are_refused(void **state)
{
    struct office *office = *state;
    static rearrange *const attempts[] = {swap_first_two, drop_second, drop_second_and_renumber,
                                          repeat_first_as_second, begin_with_second};
    static const enum kith_err answers[] = {KITH_SIGNATURE, KITH_GAP, KITH_SIGNATURE,
                                            KITH_SIGNATURE, KITH_GAP};

    (void)office_write(office, &office->ana, "one");
    (void)office_write(office, &office->ana, "two");
    (void)office_write(office, &office->ana, "three");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        struct shuffler shuffler = {.rearrange = attempts[i]};
        const struct link_faults lie = {.serve = serve_rearranged, .owner = &shuffler};
        struct test_device rosa;
        struct alarm alarm;
        test_device_copy(&rosa, &office->rosa);
        assert_int_equal(office_sync(office, &rosa, &lie).device_err, answers[i]);
        assert_int_equal(shuffler.before, 3);
        assert_string_equal(office_read(office, &rosa), "");
        assert_true(device_alarm(&rosa, ALARM_REFUSED, ANA_DEVICE, &alarm));
        assert_int_equal(alarm.reason, answers[i]);
        assert_int_equal(link_sync(&office->hub, &rosa).device_err, KITH_OK);
        assert_string_equal(office_read(office, &rosa), "three");
        test_device_close(&rosa);
    }
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->rosa), "three");
}

static void another_class(struct liar_change *changes, size_t *count)
{
    (void)count;
    changes[0].change.class = CHANGE_URGENT;
}

static void another_epoch(struct liar_change *changes, size_t *count)
{
    (void)count;
    changes[0].change.epoch++;
}

static void another_author(struct liar_change *changes, size_t *count)
{
    (void)count;
    changes[0].device = FOUNDER_DEVICE;
    changes[0].n = 1;
}

static void another_number(struct liar_change *changes, size_t *count)
{
    (void)count;
    changes[0].n++;
}

static void another_circle(struct liar_change *changes, size_t *count)
{
    (void)count;
    changes[0].circle[0] ^= 1;
}

static void a09_an_altered_header_is_refused(void **state)
{
    struct office *office = *state;
    static rearrange *const attempts[] = {another_class, another_epoch, another_author,
                                          another_number, another_circle};
    static const enum kith_err answers[] = {KITH_SIGNATURE, KITH_EPOCH, KITH_SIGNATURE, KITH_GAP,
                                            KITH_UNKNOWN_CIRCLE};

    (void)office_write(office, &office->ana, "one");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        struct shuffler shuffler = {.rearrange = attempts[i]};
        const struct link_faults lie = {.serve = serve_rearranged, .owner = &shuffler};
        assert_int_equal(office_sync(office, &office->rosa, &lie).device_err, answers[i]);
        assert_string_equal(office_read(office, &office->rosa), "");
    }
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->rosa), "one");
}

/* A note in Ana's name, under the right key, which the hub came by, and with the hub's signature.
 */
static void plant_change(void *owner, struct buffer *frames)
{
    struct office *office = owner;
    uint8_t key[KEY_BYTES];
    struct change_header header;
    struct forged forged;

    assert_true(device_epoch_key(&office->ana, office->chart, 1, key));
    next_header(office, &office->rosa, ANA_DEVICE, &header);
    const struct forgery forgery = {&header, key, office->hub.keys.sign_secret,
                                    bytes_text("planted")};
    forge(&forged, &forgery);
    liar_write_change(frames, &forged.change);
    forged_clear(&forged);
}

/* A chart that nobody made, in Ana's name, with Rosa in it. */
static void plant_chart(void *owner, struct buffer *frames)
{
    struct office *office = owner;
    struct circle circle;
    struct circle_member members[] = {{1, CIRCLE_WRITE}, {2, CIRCLE_WRITE}, {3, CIRCLE_WRITE}};
    uint32_t devices[] = {1, 2, 3};
    struct circle_entry genesis = {.type = CIRCLE_GENESIS,
                                   .author = ANA_DEVICE,
                                   .roster_seq = replica_roster(office->rosa.replica)->count,
                                   .time_s = LINK_NOW_MS / 1000,
                                   .kind = CIRCLE_CHART,
                                   .members = members,
                                   .member_count = 3,
                                   .devices = devices,
                                   .device_count = 3};
    struct buffer bytes;
    uint8_t id[ID_BYTES];

    circle_init(&circle);
    buffer_init(&bytes, ENTRY_MAX);
    memcpy(genesis.agency, replica_roster(office->rosa.replica)->agency, ID_BYTES);
    assert_int_equal(circle_entry_write(&circle, &genesis, office->hub.keys.sign_secret, &bytes),
                     KITH_OK);
    circle_id(genesis.link.hash, id);
    circle_frame_write(frames, id, 1, buffer_view(&bytes), bytes_of(NULL, 0));
    buffer_clear(&bytes);
    circle_clear(&circle);
}

static void a10_what_no_member_signed_is_refused(void **state)
{
    struct office *office = *state;
    const struct link_faults change = {.serve = plant_change, .owner = office};
    const struct link_faults chart = {.serve = plant_chart, .owner = office};
    struct replica_counts before;
    struct replica_counts after;

    assert_int_equal(replica_counts(office->rosa.replica, &before), KITH_OK);
    assert_int_equal(office_sync(office, &office->rosa, &change).device_err, KITH_SIGNATURE);
    assert_int_equal(office_sync(office, &office->rosa, &chart).device_err, KITH_SIGNATURE);
    assert_int_equal(replica_counts(office->rosa.replica, &after), KITH_OK);
    assert_int_equal(after.circles, before.circles);
    assert_int_equal(after.records, before.records);
    assert_int_equal(after.waiting, 0);
}

/* The box that was sealed for Rosa in one chart, handed out for another; and Ana's, handed to
 * Rosa. */
struct mover {
    uint8_t rows[2][BOX_ROW_BYTES];
    size_t kept;
    size_t use;
};

static void keep_box(void *owner, struct frame *frame, struct bytes raw, struct buffer *out)
{
    struct mover *mover = owner;
    struct circle_frame content;
    uint32_t device;
    struct bytes box;

    buffer_add(out, raw.ptr, raw.len);
    if (frame->type != FRAME_CIRCLE || mover->kept == 2)
        return;
    assert_int_equal(circle_frame_read(&content, frame), KITH_OK);
    while (circle_frame_box(&content, &device, &box) && mover->kept < 2) {
        put_u32(mover->rows[mover->kept], device);
        memcpy(mover->rows[mover->kept++] + 4, box.ptr, BOX_BYTES);
    }
}

static void serve_and_keep_boxes(void *owner, struct buffer *frames)
{
    liar_each(frames, keep_box, owner);
}

static void swap_box(void *owner, struct frame *frame, struct bytes raw, struct buffer *out)
{
    struct mover *mover = owner;
    struct circle_frame content;

    if (frame->type != FRAME_CIRCLE) {
        buffer_add(out, raw.ptr, raw.len);
        return;
    }
    assert_int_equal(circle_frame_read(&content, frame), KITH_OK);
    circle_frame_write(out, content.circle, content.seq, content.entry,
                       bytes_of(mover->rows[mover->use], BOX_ROW_BYTES));
}

static void serve_other_box(void *owner, struct buffer *frames)
{
    liar_each(frames, swap_box, owner);
}

static void a12_a_key_of_another_chart_or_for_another_device_is_not_taken(void **state)
{
    struct office *office = *state;
    struct mover mover = {.use = 0};
    const struct link_faults keep = {.serve = serve_and_keep_boxes, .owner = &mover};
    const struct link_faults swap = {.serve = serve_other_box, .owner = &mover};
    uint8_t first[ID_BYTES];
    uint8_t second[ID_BYTES];
    uint8_t third[ID_BYTES];
    uint8_t key[KEY_BYTES];

    link_chart(&office->ana, "Joe Walker", first);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(office_sync(office, &office->founder, &keep).device_err, KITH_OK);
    mover.kept = 1;
    assert_int_equal(office_sync(office, &office->rosa, &keep).device_err, KITH_OK);
    assert_int_equal(mover.kept, 2);
    assert_true(device_epoch_key(&office->rosa, first, 1, key));
    /* Rosa's own box, of the chart before. */
    link_chart(&office->ana, "Dee Young", second);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    mover.use = 1;
    assert_int_equal(office_sync(office, &office->rosa, &swap).device_err, KITH_OK);
    assert_false(device_epoch_key(&office->rosa, second, 1, key));
    /* The founder's box under Rosa's number. */
    link_chart(&office->ana, "Sam Hill", third);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    mover.use = 0;
    put_u32(mover.rows[0], ROSA_DEVICE);
    assert_int_equal(office_sync(office, &office->rosa, &swap).device_err, KITH_OK);
    assert_false(device_epoch_key(&office->rosa, third, 1, key));
}

/* An entry of the roster as one of a chart's access chain, and the other way round. */
static void confuse_entries(void *owner, struct frame *frame, struct bytes raw, struct buffer *out)
{
    struct office *office = owner;
    struct entries entries;
    struct circle_frame content;
    struct bytes entry;

    if (frame->type == FRAME_ROSTER) {
        assert_int_equal(roster_frame_read(&entries, frame), KITH_OK);
        assert_true(roster_frame_next(&entries, &entry));
        circle_frame_write(out, office->chart, 2, entry, bytes_of(NULL, 0));
    } else if (frame->type == FRAME_CIRCLE) {
        assert_int_equal(circle_frame_read(&content, frame), KITH_OK);
        liar_write_roster(out, replica_roster(office->rosa.replica)->count + 1, content.entry);
    } else {
        buffer_add(out, raw.ptr, raw.len);
    }
}

static void serve_confused(void *owner, struct buffer *frames)
{
    liar_each(frames, confuse_entries, owner);
}

static void a21_an_entry_of_one_kind_is_none_of_another(void **state)
{
    struct office *office = *state;
    struct test_device ben;
    uint8_t chart[ID_BYTES];
    const struct link_faults lie = {.serve = serve_confused, .owner = office};
    uint32_t known = replica_roster(office->rosa.replica)->count;

    link_chart(&office->ana, "Joe Walker", chart);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_not_equal(office_sync(office, &office->rosa, &lie).device_err, KITH_OK);
    assert_int_equal(replica_roster(office->rosa.replica)->count, known);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    join_ben(office, &ben);
    struct circle circle;
    assert_int_not_equal(office_sync(office, &office->rosa, &lie).device_err, KITH_OK);
    device_circle(&office->rosa, office->chart, &circle);
    assert_int_equal(circle.count, 1);
    circle_clear(&circle);
    test_device_close(&ben);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a01_another_public_key_for_a_member_is_refused, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a02_a_member_that_the_hub_adds_gets_no_box, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a03_a_key_from_the_hub_is_not_taken, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a04_no_altered_byte_of_anything_served_is_taken,
                                        office_open, office_close),
        cmocka_unit_test_setup_teardown(a08_changes_swapped_dropped_or_mixed_are_refused,
                                        office_open, office_close),
        cmocka_unit_test_setup_teardown(a09_an_altered_header_is_refused, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a10_what_no_member_signed_is_refused, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(
            a12_a_key_of_another_chart_or_for_another_device_is_not_taken, office_open,
            office_close),
        cmocka_unit_test_setup_teardown(a21_an_entry_of_one_kind_is_none_of_another, office_open,
                                        office_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
