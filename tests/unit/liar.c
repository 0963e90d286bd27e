/* SPDX-License-Identifier: Apache-2.0 */
#include "liar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int office_open(void **state)
{
    struct office *office = calloc(1, sizeof *office);

    assert_non_null(office);
    test_hub_open(&office->hub);
    test_device_open(&office->founder);
    test_device_open(&office->rosa);
    test_device_open(&office->ana);
    link_found(&office->hub, &office->founder);
    link_join(&office->hub, &office->founder, &office->rosa, 0, ROLE_SUPERVISOR, 0);
    link_join(&office->hub, &office->founder, &office->ana, 0, ROLE_SPECIALIST, 2);
    link_chart(&office->ana, "Maria Lopez", office->chart);
    office->visit[0] = 7;
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    *state = office;
    return 0;
}

int office_close(void **state)
{
    struct office *office = *state;

    test_device_close(&office->ana);
    test_device_close(&office->rosa);
    test_device_close(&office->founder);
    test_hub_close(&office->hub);
    free(office);
    return 0;
}

struct dot office_write(struct office *office, struct test_device *device, const char *text)
{
    return link_put(device, office->chart, office->visit, NOTE, PURPOSE, text);
}

const char *office_read(struct office *office, struct test_device *device)
{
    return link_read(device, office->chart, office->visit, NOTE, PURPOSE);
}

struct link_result office_sync(struct office *office, struct test_device *device,
                               const struct link_faults *lie)
{
    return link_connect(&office->hub, device, CHANNEL_SYNC, NULL, NULL, lie);
}

bool device_epoch_key(struct test_device *device, const uint8_t circle[static ID_BYTES],
                      uint32_t epoch, uint8_t key[static KEY_BYTES])
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    bool is_there = device_key_get(&txn, device_circle_number(&txn, circle), epoch, key);

    store_abort(&txn);
    return is_there;
}

void device_circle(struct test_device *device, const uint8_t circle[static ID_BYTES],
                   struct circle *known)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct circle_row row;

    device_circle_get(&txn, device_circle_number(&txn, circle), &row);
    *known = row.circle;
    store_abort(&txn);
}

uint64_t device_received(struct test_device *device, const uint8_t circle[static ID_BYTES],
                         uint32_t author, uint8_t head[static HASH_BYTES])
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t count;
    struct chain_row *chains = device_chains(&txn, device_circle_number(&txn, circle), &count);
    uint64_t received = 0;

    memset(head, 0, HASH_BYTES);
    for (uint32_t i = 0; i < count; i++)
        if (chains[i].device == author) {
            received = chains[i].received;
            memcpy(head, chains[i].head, HASH_BYTES);
        }
    store_abort(&txn);
    return received;
}

uint64_t device_waiting(struct test_device *device)
{
    struct replica_counts counts;

    assert_int_equal(replica_counts(device->replica, &counts), KITH_OK);
    return counts.waiting;
}

bool device_alarm(struct test_device *device, enum alarm_kind kind, uint32_t about,
                  struct alarm *alarm)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct store_walk walk = alarms_walk(&txn);
    bool is_found = false;

    while (!is_found && alarm_next(&walk, alarm))
        is_found = alarm->kind == kind && (about == 0 || alarm->device == about);
    store_walk_end(&walk);
    store_abort(&txn);
    return is_found;
}

uint32_t device_alarms(struct test_device *device)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint64_t count = store_count(&txn, TABLE_DEVICE_ALARM);

    store_abort(&txn);
    return (uint32_t)count;
}

void liar_each(struct buffer *frames, liar_edit *edit, void *owner)
{
    struct buffer edited;
    struct frame frame;
    struct wire_in batch = wire_open(buffer_view(frames));
    struct bytes raw = batch.left;

    buffer_init(&edited, BATCH_MAX);
    while (frame_next(&batch, &frame)) {
        raw.len -= batch.left.len;
        edit(owner, &frame, raw, &edited);
        raw = batch.left;
    }
    assert_int_equal(wire_close(&batch), KITH_OK);
    assert_int_equal(edited.err, KITH_OK);
    buffer_reset(frames);
    buffer_add(frames, edited.ptr, edited.len);
    buffer_clear(&edited);
}

size_t liar_changes(struct bytes frames, struct liar_change *changes, size_t max)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    size_t count = 0;

    while (frame_next(&batch, &frame)) {
        struct run run;
        struct change change;
        bool is_run = frame.type == FRAME_CHANGES || frame.type == FRAME_PUSH;
        if (!is_run)
            continue;
        assert_int_equal(run_read(&run, &frame), KITH_OK);
        for (uint64_t n = run.first_n; run_next(&run, &change) && count < max; n++) {
            struct liar_change *into = &changes[count++];
            memcpy(into->circle, run.circle, ID_BYTES);
            into->device = run.device;
            into->n = n;
            into->change = change;
        }
    }
    return count;
}

void liar_write_change(struct buffer *out, const struct liar_change *change)
{
    struct run_writer run;

    run_begin(&run);
    run_add(&run, change->circle, change->device, change->n, &change->change);
    run_flush(&run, FRAME_CHANGES, out);
    run_end(&run);
}

static void drop_change(void *owner, struct frame *frame, struct bytes raw, struct buffer *out)
{
    (void)owner;
    if (frame->type != FRAME_CHANGES)
        buffer_add(out, raw.ptr, raw.len);
}

void liar_drop_changes(struct buffer *frames)
{
    liar_each(frames, drop_change, NULL);
}

void liar_write_roster(struct buffer *out, uint32_t seq, struct bytes entry)
{
    roster_frame_write(out, seq, &entry, 1);
}

void forge(struct forged *forged, const struct forgery *forgery)
{
    const struct change_header *header = forgery->header;

    memset(forged, 0, sizeof *forged);
    buffer_init(&forged->sealed, CHANGE_SEALED_MAX);
    assert_int_equal(change_seal(header, forgery->epoch_key, forgery->sign_secret, forgery->text,
                                 &forged->sealed, forged->id, forged->signature),
                     KITH_OK);
    memcpy(forged->change.circle, header->circle, ID_BYTES);
    forged->change.device = header->device;
    forged->change.n = header->n;
    forged->change.change = (struct change){.class = header->class,
                                            .epoch = header->epoch,
                                            .sealed = buffer_view(&forged->sealed),
                                            .signature = forged->signature};
}

void forged_clear(struct forged *forged)
{
    buffer_clear(&forged->sealed);
}

void next_header(struct office *office, struct test_device *knower, uint32_t author,
                 struct change_header *header)
{
    *header = (struct change_header){.class = CHANGE_NORMAL, .epoch = 1, .device = author};
    memcpy(header->agency, replica_roster(knower->replica)->agency, ID_BYTES);
    memcpy(header->circle, office->chart, ID_BYTES);
    header->n = 1 + device_received(knower, office->chart, author, header->prev);
}
