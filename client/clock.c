/* SPDX-License-Identifier: Apache-2.0 */
#include "client/clock.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/hlc.h"

#define ENTRY_MAX_BYTES 64
#define ENTRY_ITEMS     5

struct clock_span {
    uint32_t device;
    uint64_t first;
    uint64_t last;
    int64_t offset_ms;
    uint64_t found_ms;
};

static int64_t absolute(int64_t value)
{
    return value < 0 ? -value : value;
}

static void span_write(const struct clock_span *span, struct buffer *out)
{
    wire_put_array(out, ENTRY_ITEMS);
    wire_put_uint(out, span->device);
    wire_put_uint(out, span->first);
    wire_put_uint(out, span->last);
    wire_put_int(out, span->offset_ms);
    wire_put_uint(out, span->found_ms);
}

static void span_content(struct wire_in *in, struct clock_span *span)
{
    wire_array_exact(in, ENTRY_ITEMS);
    span->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    span->first = wire_uint(in, UINT64_MAX);
    span->last = wire_uint(in, UINT64_MAX);
    span->offset_ms = wire_int(in);
    span->found_ms = wire_uint(in, UINT64_MAX);
}

/* From the address of its register: [device, n, entry]. */
static bool span_read(struct bytes element, struct clock_span *span)
{
    struct wire_in in = wire_open(element);

    wire_array_exact(&in, 3);
    uint32_t device = (uint32_t)wire_uint(&in, DEVICE_MAX);
    uint64_t n = wire_uint(&in, UINT64_MAX);
    span_content(&in, span);
    if (span->first == 0)
        span->first = span->last = n;
    /* A device speaks of its own clock only. */
    return wire_close(&in) == KITH_OK && span->device == device;
}

static struct edit span_edit(const struct buffer *value)
{
    return (struct edit){
        .type = RECORD_CLOCK, .field = CLOCK_SPANS, .kind = OP_APPEND, .value = buffer_view(value)};
}

void clock_span_rename(const struct renewed_names *names, struct bytes value, struct buffer *out)
{
    struct wire_in in = wire_open(value);
    struct clock_span span;

    span_content(&in, &span);
    if (wire_close(&in) || span.device != names->old_device)
        return;
    span.device = names->new_device;
    /* Of what the hub has, the old device spoke already, or its changes say so themselves. */
    span.first = span.first > names->shared ? span.first - names->shared : span.first > 0;
    span.last = span.last > names->shared ? span.last - names->shared : 0;
    if (span.last < span.first)
        span.first = span.last = 0;
    span_write(&span, out);
}

enum kith_err clock_edits(struct kith *kith, const struct edit *edits, uint32_t count,
                          struct clocked_edits *clocked)
{
    struct hub_state hub;
    int64_t now_ms = (int64_t)home_now_ms(kith);
    enum kith_err err = replica_hub(kith->replica, &hub);

    buffer_init(&clocked->value, ENTRY_MAX_BYTES);
    clocked->count = count;
    clocked->edits = calloc((size_t)count + 1, sizeof *clocked->edits);
    if (err || !clocked->edits)
        return err ? err : KITH_MEMORY;
    if (count > 0)
        memcpy(clocked->edits, edits, count * sizeof *edits);
    /* It cannot be earlier than the last contact with the hub. */
    int64_t contact_ms = (int64_t)hub.last_sync_ms + hub.clock_offset_ms;
    if (hub.last_sync_ms == 0 || contact_ms <= now_ms + CLOCK_OFF_MS)
        return KITH_OK;
    const struct clock_span span = {.device = replica_identity(kith->replica)->device,
                                    .offset_ms = contact_ms - now_ms,
                                    .found_ms = (uint64_t)contact_ms};
    span_write(&span, &clocked->value);
    clocked->edits[clocked->count++] = span_edit(&clocked->value);
    return clocked->value.err;
}

void clocked_edits_clear(struct clocked_edits *clocked)
{
    free(clocked->edits);
    buffer_clear(&clocked->value);
}

enum kith_err clock_watch_begin(struct kith *kith, struct clock_watch *watch)
{
    watch->offset_ms = kith->clock_offset_ms;
    enum kith_err err = replica_unsent(kith->replica, &watch->runs, &watch->count);
    if (err)
        free(watch->runs);
    return err;
}

static enum kith_err save_span(struct kith *kith, const struct unsent_run *run, int64_t offset_ms)
{
    const struct clock_span span = {.device = replica_identity(kith->replica)->device,
                                    .first = run->first,
                                    .last = run->last,
                                    .offset_ms = offset_ms,
                                    .found_ms = home_now_ms(kith)};
    struct buffer value;

    buffer_init(&value, ENTRY_MAX_BYTES);
    span_write(&span, &value);
    struct edit edit = span_edit(&value);
    struct save save = {
        .class = CHANGE_NORMAL, .edits = &edit, .edit_count = 1, .now_ms = span.found_ms};
    struct dot dot;
    memcpy(edit.record, run->circle, ID_BYTES);
    memcpy(save.circle, run->circle, ID_BYTES);
    enum kith_err err = value.err ? value.err : replica_save(kith->replica, &save, &dot);
    buffer_clear(&value);
    return err;
}

enum kith_err clock_watch_end(struct kith *kith, struct clock_watch *watch, bool *wrote)
{
    int64_t jump = kith->clock_offset_ms - watch->offset_ms;
    uint64_t now_ms = home_now_ms(kith);
    enum kith_err err = KITH_OK;

    *wrote = false;
    for (size_t i = 0; i < watch->count && !err; i++) {
        const struct unsent_run *run = &watch->runs[i];
        int64_t ahead = (int64_t)hlc_ms(run->hlc) - (int64_t)now_ms;
        int64_t offset = absolute(jump) > CLOCK_OFF_MS ? jump : ahead > CLOCK_OFF_MS ? -ahead : 0;
        if (offset == 0)
            continue;
        err = save_span(kith, run, offset);
        *wrote = *wrote || !err;
        /* Nothing is told any more where this device has just been taken out. */
        if (err == KITH_NOT_MEMBER || err == KITH_ENDED)
            err = KITH_OK;
    }
    free(watch->runs);
    return err;
}

static bool is_within(const struct record *record, const struct clock_span *span)
{
    for (uint32_t i = 0; i < record->register_count; i++) {
        const struct merge_register *reg = &record->registers[i];
        for (uint32_t k = 0; k < reg->live_count; k++) {
            struct dot dot = reg->live[k].dot;
            if (reg->field < NOTE_FIELDS_END && dot.device == span->device &&
                dot.n >= span->first && dot.n <= span->last)
                return true;
        }
    }
    return false;
}

enum kith_err clock_offset_of(struct kith *kith, const struct visit *visit, int64_t *offset_ms)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    const uint8_t *circle = visit->place.circle;
    struct found_record found;
    uint32_t count = 0;
    const struct merge_register *regs = NULL;

    *offset_ms = 0;
    enum kith_err err = replica_find_in(&txn, circle, RECORD_CLOCK, circle, &found);
    if (!err)
        regs = record_field(&found.record, CLOCK_SPANS, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct clock_span span;
        bool is_about = span_read(regs[i].element, &span) &&
                        (is_within(&visit->facts, &span) || is_within(&visit->note, &span));
        if (is_about && absolute(span.offset_ms) > absolute(*offset_ms))
            *offset_ms = span.offset_ms;
    }
    store_abort(&txn);
    return err == KITH_NOT_FOUND ? KITH_OK : err;
}
