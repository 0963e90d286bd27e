/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bundle_ledger.h"

#include <string.h>

#include "store/ledger_internal.h"

enum kith_err ledger_writer(struct ledger *ledger, const struct bundle_preface *preface,
                            uint8_t box[static KEY_BYTES])
{
    enum kith_err err = KITH_OK;

    (void)pthread_rwlock_rdlock(&ledger->roster_lock);
    const struct roster_device *device = roster_device(&ledger->roster, preface->device);
    if (ledger->roster.count == 0)
        err = KITH_NOT_FOUNDED;
    else if (!seal_equal(ledger->roster.agency, preface->agency, ID_BYTES))
        err = KITH_FOREIGN;
    else if (!device || device->state == DEVICE_INVITED ||
             !seal_equal(device->keys.sign, preface->sign_key, KEY_BYTES))
        err = KITH_UNKNOWN_DEVICE;
    else
        memcpy(box, device->keys.box, KEY_BYTES);
    (void)pthread_rwlock_unlock(&ledger->roster_lock);
    return err;
}

void outbox_init(struct outbox *outbox, uint32_t device, uint64_t now_s)
{
    memset(outbox, 0, sizeof *outbox);
    outbox->device = device;
    outbox->now_s = now_s;
    buffer_init(&outbox->cursor, CURSOR_MAX);
    buffer_init(&outbox->answer, BATCH_MAX);
}

void outbox_clear(struct outbox *outbox)
{
    buffer_clear(&outbox->cursor);
    buffer_clear(&outbox->answer);
}

static enum kith_err take_pull(struct outbox *outbox, struct frame *frame)
{
    enum kith_err err = pull_read(&outbox->pull, frame);

    if (err)
        return err;
    buffer_reset(&outbox->cursor);
    buffer_add(&outbox->cursor, outbox->pull.cursor.ptr, outbox->pull.cursor.len);
    outbox->pull.cursor = buffer_view(&outbox->cursor);
    outbox->has_pull = true;
    return outbox->cursor.err;
}

/* What is to be stored goes to `ingest`; what asks for something is kept. */
static enum kith_err sort_frames(struct outbox *outbox, struct bytes frames, struct buffer *ingest)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    struct bytes raw = batch.left;
    enum kith_err err = KITH_OK;

    while (!err && frame_next(&batch, &frame)) {
        raw.len -= batch.left.len;
        if (frame.type == FRAME_PULL)
            err = take_pull(outbox, &frame);
        else if (frame.type == FRAME_PUSH || frame.type == FRAME_CIRCLE)
            buffer_add(ingest, raw.ptr, raw.len);
        else
            err = KITH_STATE;
        raw = batch.left;
    }
    if (!err)
        err = wire_close(&batch);
    return err ? err : ingest->err;
}

/* Those that were named: what follows one in its chain is refused with it. */
static uint32_t count_refused(struct bytes refusals)
{
    struct wire_in batch = wire_open(refusals);
    struct frame frame;
    uint32_t count = 0;

    while (frame_next(&batch, &frame))
        count++;
    return count;
}

static enum kith_err store_frames(struct outbox *outbox, struct ledger *ledger,
                                  struct ingest *ingest)
{
    struct ingest *batch[] = {ingest};

    ledger_verify(ledger, ingest);
    if (ingest->err)
        return ingest->err;
    enum kith_err err = ledger_commit(ledger, batch, 1);
    if (err || ingest->err)
        return err ? err : ingest->err;
    outbox->stored += ingest->stored_count;
    outbox->refused += count_refused(buffer_view(&ingest->refusals));
    buffer_add(&outbox->answer, ingest->refusals.ptr, ingest->refusals.len);
    ack_write(&outbox->answer, 1, ingest->line_count, buffer_view(&ingest->lines),
              ingest->signature);
    return outbox->answer.err;
}

enum kith_err outbox_take(struct outbox *outbox, struct ledger *ledger, struct bytes frames)
{
    struct ingest ingest;

    buffer_reset(&outbox->answer);
    ingest_init(&ingest);
    ingest.mode = CHANNEL_SYNC;
    ingest.device = outbox->device;
    ingest.now_s = outbox->now_s;
    enum kith_err err = sort_frames(outbox, frames, &ingest.frames);
    if (!err && ingest.frames.len > 0)
        err = store_frames(outbox, ledger, &ingest);
    ingest_clear(&ingest);
    return err;
}
