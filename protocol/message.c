/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/message.h"

#include <string.h>

bool frame_next(struct wire_in *batch, struct frame *frame)
{
    if (batch->err || wire_at_end(batch))
        return false;
    struct wire_in body = wire_open(wire_value(batch));
    uint32_t items = wire_array(&body, WIRE_ITEMS_MAX);

    frame->type = (uint32_t)wire_uint(&body, UINT8_MAX);
    frame->items = items - 1;
    frame->body = body;
    if (body.err)
        wire_fail(batch, body.err);
    return !batch->err;
}

static void frame_begin(struct buffer *out, enum frame_type type, uint32_t items)
{
    wire_put_array(out, items + 1);
    wire_put_uint(out, type);
}

/* Every frame has exactly the items that its type says. */
static struct wire_in *frame_items(struct frame *frame, uint32_t items)
{
    if (frame->items != items)
        wire_fail(&frame->body, KITH_MALFORMED);
    return &frame->body;
}

void hello_write(struct buffer *out, const struct hello *hello)
{
    frame_begin(out, FRAME_HELLO, 3);
    wire_put_uint(out, hello->version);
    wire_put_uint(out, hello->device);
    wire_put_uint(out, hello->clock_ms);
}

enum kith_err hello_read(struct hello *hello, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 3);

    hello->version = (uint32_t)wire_uint(in, UINT32_MAX);
    hello->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    hello->clock_ms = wire_uint(in, UINT64_MAX);
    return wire_close(in);
}

void welcome_write(struct buffer *out, const struct welcome *welcome)
{
    frame_begin(out, FRAME_WELCOME, welcome->has_sign_key ? 4 : 3);
    wire_put_uint(out, welcome->version);
    wire_put_bin(out, bytes_of(welcome->incarnation, INCARNATION_BYTES));
    wire_put_uint(out, welcome->clock_ms);
    if (welcome->has_sign_key)
        wire_put_bin(out, bytes_of(welcome->sign_key, KEY_BYTES));
}

enum kith_err welcome_read(struct welcome *welcome, struct frame *frame)
{
    welcome->has_sign_key = frame->items == 4;
    struct wire_in *in = frame_items(frame, welcome->has_sign_key ? 4 : 3);

    welcome->version = (uint32_t)wire_uint(in, UINT32_MAX);
    wire_bin_exact(in, welcome->incarnation, INCARNATION_BYTES);
    welcome->clock_ms = wire_uint(in, UINT64_MAX);
    if (welcome->has_sign_key)
        wire_bin_exact(in, welcome->sign_key, KEY_BYTES);
    return wire_close(in);
}

void pull_write(struct buffer *out, const struct pull *pull)
{
    frame_begin(out, FRAME_PULL, 4);
    wire_put_bin(out, bytes_of(pull->incarnation, INCARNATION_BYTES));
    wire_put_bin(out, pull->cursor);
    wire_put_bin(out, bytes_of(pull->digest, DIGEST_BYTES));
    wire_put_uint(out, pull->own);
}

enum kith_err pull_read(struct pull *pull, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 4);

    wire_bin_exact(in, pull->incarnation, INCARNATION_BYTES);
    pull->cursor = wire_bin(in, CURSOR_MAX);
    wire_bin_exact(in, pull->digest, DIGEST_BYTES);
    pull->own = wire_uint(in, UINT64_MAX);
    pull->is_continued = false;
    pull->room = 0;
    pull->written = 0;
    return wire_close(in);
}

void cursor_write(struct buffer *out, const struct cursor_frame *cursor)
{
    frame_begin(out, FRAME_CURSOR, 2);
    wire_put_bin(out, cursor->cursor);
    wire_put_bool(out, cursor->is_up_to_date);
}

enum kith_err cursor_read(struct cursor_frame *cursor, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 2);

    cursor->cursor = wire_bin(in, CURSOR_MAX);
    cursor->is_up_to_date = wire_bool(in);
    return wire_close(in);
}

static void change_read(struct wire_in *in, struct change *change)
{
    uint64_t mark = wire_uint(in, UINT64_MAX);

    change->sealed = wire_bin(in, CHANGE_SEALED_MAX);
    struct bytes signature = wire_bin(in, SIGNATURE_BYTES);
    change->signature = signature.ptr;
    if (!in->err && signature.len != SIGNATURE_BYTES)
        wire_fail(in, KITH_MALFORMED);
    enum kith_err err = change_mark_read(mark, &change->class, &change->epoch);
    if (err)
        wire_fail(in, err);
}

enum kith_err run_read(struct run *run, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 4);

    wire_bin_exact(in, run->circle, ID_BYTES);
    run->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    run->first_n = wire_uint(in, UINT64_MAX / 2);
    uint32_t items = wire_array(in, WIRE_ITEMS_MAX);
    run->count = items / 3;
    run->changes = *in;
    if (items % 3 != 0 || run->device == 0 || run->first_n == 0)
        wire_fail(in, KITH_MALFORMED);
    for (uint32_t i = 0; i < run->count && !in->err; i++) {
        struct change change;
        change_read(in, &change);
    }
    return wire_close(in);
}

bool run_next(struct run *run, struct change *change)
{
    if (run->count == 0)
        return false;
    run->count--;
    change_read(&run->changes, change);
    return true;
}

void run_begin(struct run_writer *writer)
{
    memset(writer, 0, sizeof *writer);
    buffer_init(&writer->changes, BATCH_MAX);
}

bool run_continues(const struct run_writer *writer, const uint8_t circle[static ID_BYTES],
                   uint32_t device, uint64_t n)
{
    return writer->count > 0 && writer->device == device && writer->first_n + writer->count == n &&
           writer->count < WIRE_ITEMS_MAX / 3 && memcmp(writer->circle, circle, ID_BYTES) == 0;
}

size_t run_bytes(const struct run_writer *writer)
{
    return writer->count ? RUN_HEAD_MAX + writer->changes.len : 0;
}

void run_add(struct run_writer *writer, const uint8_t circle[static ID_BYTES], uint32_t device,
             uint64_t n, const struct change *change)
{
    if (writer->count == 0) {
        memcpy(writer->circle, circle, ID_BYTES);
        writer->device = device;
        writer->first_n = n;
    }
    wire_put_uint(&writer->changes, change_mark(change->class, change->epoch));
    wire_put_bin(&writer->changes, change->sealed);
    wire_put_bin(&writer->changes, bytes_of(change->signature, SIGNATURE_BYTES));
    writer->count++;
}

void run_flush(struct run_writer *writer, enum frame_type type, struct buffer *out)
{
    if (writer->count == 0)
        return;
    frame_begin(out, type, 4);
    wire_put_bin(out, bytes_of(writer->circle, ID_BYTES));
    wire_put_uint(out, writer->device);
    wire_put_uint(out, writer->first_n);
    wire_put_array(out, writer->count * 3);
    buffer_add(out, writer->changes.ptr, writer->changes.len);
    if (writer->changes.err && !out->err)
        out->err = writer->changes.err;
    buffer_reset(&writer->changes);
    writer->count = 0;
}

void run_end(struct run_writer *writer)
{
    buffer_clear(&writer->changes);
}

void roster_frame_write(struct buffer *out, uint32_t first_seq, const struct bytes *entries,
                        uint32_t count)
{
    frame_begin(out, FRAME_ROSTER, 2);
    wire_put_uint(out, first_seq);
    wire_put_array(out, count);
    for (uint32_t i = 0; i < count; i++)
        wire_put_bin(out, entries[i]);
}

enum kith_err roster_frame_read(struct entries *entries, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 2);

    memset(entries, 0, sizeof *entries);
    entries->first_seq = (uint32_t)wire_uint(in, ROSTER_ENTRIES_MAX);
    entries->count = wire_array(in, WIRE_ITEMS_MAX);
    entries->list = *in;
    for (uint32_t i = 0; i < entries->count && !in->err; i++)
        (void)wire_bin(in, ENTRY_MAX);
    return wire_close(in);
}

bool roster_frame_next(struct entries *entries, struct bytes *entry)
{
    if (entries->count == 0)
        return false;
    entries->count--;
    *entry = wire_bin(&entries->list, ENTRY_MAX);
    return true;
}

void circle_frame_write(struct buffer *out, const uint8_t circle[static ID_BYTES], uint32_t seq,
                        struct bytes entry, struct bytes boxes)
{
    uint32_t count = (uint32_t)(boxes.len / BOX_ROW_BYTES);

    frame_begin(out, FRAME_CIRCLE, 4);
    wire_put_bin(out, bytes_of(circle, ID_BYTES));
    wire_put_uint(out, seq);
    wire_put_bin(out, entry);
    wire_put_array(out, count * 2);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *row = boxes.ptr + i * BOX_ROW_BYTES;
        wire_put_uint(out, get_u32(row));
        wire_put_bin(out, bytes_of(row + 4, BOX_BYTES));
    }
}

static void box_read(struct wire_in *in, uint32_t *device, struct bytes *box)
{
    *device = (uint32_t)wire_uint(in, DEVICE_MAX);
    *box = wire_bin(in, BOX_BYTES);
    if (!in->err && box->len != BOX_BYTES)
        wire_fail(in, KITH_MALFORMED);
}

enum kith_err circle_frame_read(struct circle_frame *circle, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 4);
    struct bytes box;
    uint32_t device;

    wire_bin_exact(in, circle->circle, ID_BYTES);
    circle->seq = (uint32_t)wire_uint(in, ROSTER_ENTRIES_MAX);
    circle->entry = wire_bin(in, ENTRY_MAX);
    uint32_t items = wire_array(in, CIRCLE_DEVICES_MAX * 2);
    circle->box_count = items / 2;
    circle->boxes = *in;
    if (items % 2 != 0)
        wire_fail(in, KITH_MALFORMED);
    for (uint32_t i = 0; i < circle->box_count && !in->err; i++)
        box_read(in, &device, &box);
    return wire_close(in);
}

bool circle_frame_box(struct circle_frame *circle, uint32_t *device, struct bytes *box)
{
    if (circle->box_count == 0)
        return false;
    circle->box_count--;
    box_read(&circle->boxes, device, box);
    return true;
}

void ack_hash(const uint8_t agency[static ID_BYTES],
              const uint8_t incarnation[static INCARNATION_BYTES], struct bytes lines,
              uint8_t hash[static HASH_BYTES])
{
    const struct bytes parts[] = {bytes_of(agency, ID_BYTES),
                                  bytes_of(incarnation, INCARNATION_BYTES), lines};

    seal_hash(SEAL_RECEIPT_HASH, parts, 3, hash);
}

void ack_line_write(struct buffer *lines, const struct ack_line *line)
{
    wire_put_uint(lines, line->kind);
    wire_put_bin(lines, bytes_of(line->circle, line->kind == ACK_ROSTER ? 0 : ID_BYTES));
    wire_put_uint(lines, line->device);
    wire_put_uint(lines, line->n);
    wire_put_bin(lines, bytes_of(line->head, HASH_BYTES));
}

#define ACK_LINE_ITEMS 5

void ack_write(struct buffer *out, uint32_t batches, uint32_t count, struct bytes lines,
               const uint8_t signature[static SIGNATURE_BYTES])
{
    frame_begin(out, FRAME_ACK, 3);
    wire_put_uint(out, batches);
    wire_put_array(out, count * ACK_LINE_ITEMS);
    buffer_add(out, lines.ptr, lines.len);
    wire_put_bin(out, bytes_of(signature, SIGNATURE_BYTES));
}

static void ack_line_read(struct wire_in *in, struct ack_line *line)
{
    line->kind = (enum ack_kind)wire_uint(in, ACK_HELD);
    if (line->kind == ACK_ROSTER) {
        memset(line->circle, 0, ID_BYTES);
        (void)wire_bin(in, 0);
    } else {
        wire_bin_exact(in, line->circle, ID_BYTES);
    }
    line->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    line->n = wire_uint(in, UINT64_MAX / 2);
    wire_bin_exact(in, line->head, HASH_BYTES);
}

enum kith_err ack_read(struct ack *ack, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 3);
    ack->batches = (uint32_t)wire_uint(in, WIRE_ITEMS_MAX);
    uint32_t items = wire_array(in, ACK_CHAINS_MAX * ACK_LINE_ITEMS);
    struct bytes start = in->left;

    ack->count = items / ACK_LINE_ITEMS;
    ack->lines = *in;
    if (items % ACK_LINE_ITEMS != 0)
        wire_fail(in, KITH_MALFORMED);
    for (uint32_t i = 0; i < ack->count && !in->err; i++) {
        struct ack_line line;
        ack_line_read(in, &line);
    }
    ack->raw = bytes_of(start.ptr, start.len - in->left.len);
    wire_bin_exact(in, ack->signature, SIGNATURE_BYTES);
    return wire_close(in);
}

bool ack_next(struct ack *ack, struct ack_line *line)
{
    if (ack->count == 0)
        return false;
    ack->count--;
    ack_line_read(&ack->lines, line);
    return true;
}

void refused_write(struct buffer *out, const struct refused *refused)
{
    frame_begin(out, FRAME_REFUSED, 5);
    wire_put_uint(out, refused->kind);
    wire_put_bin(out, bytes_of(refused->circle, ID_BYTES));
    wire_put_uint(out, refused->device);
    wire_put_uint(out, refused->n);
    wire_put_uint(out, (uint64_t)refused->reason);
}

static enum kith_err reason_read(struct wire_in *in)
{
    uint64_t number = wire_uint(in, UINT16_MAX);

    return error_is_known((unsigned)number) && number != KITH_OK ? (enum kith_err)number
                                                                 : KITH_MALFORMED;
}

enum kith_err refused_read(struct refused *refused, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 5);

    refused->kind = (enum ack_kind)wire_uint(in, ACK_ROSTER);
    wire_bin_exact(in, refused->circle, ID_BYTES);
    refused->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    refused->n = wire_uint(in, UINT64_MAX / 2);
    refused->reason = reason_read(in);
    return wire_close(in);
}

void held_write(struct buffer *out, const struct held *held)
{
    frame_begin(out, FRAME_HELD, 9);
    wire_put_bin(out, bytes_of(held->circle, ID_BYTES));
    wire_put_uint(out, held->device);
    wire_put_uint(out, held->n);
    wire_put_bin(out, bytes_of(held->prev, HASH_BYTES));
    wire_put_uint(out, change_mark(held->change.class, held->change.epoch));
    wire_put_bin(out, held->change.sealed);
    wire_put_bin(out, bytes_of(held->change.signature, SIGNATURE_BYTES));
    wire_put_uint(out, held->leaving);
    wire_put_uint(out, held->time_s);
}

enum kith_err held_read(struct held *held, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 9);

    wire_bin_exact(in, held->circle, ID_BYTES);
    held->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    held->n = wire_uint(in, UINT64_MAX / 2);
    wire_bin_exact(in, held->prev, HASH_BYTES);
    enum kith_err err =
        change_mark_read(wire_uint(in, UINT64_MAX), &held->change.class, &held->change.epoch);
    if (err)
        wire_fail(in, err);
    held->change.sealed = wire_bin(in, CHANGE_SEALED_MAX);
    struct bytes signature = wire_bin(in, SIGNATURE_BYTES);
    held->change.signature = signature.ptr;
    held->leaving = (enum leaving)wire_uint(in, LEAVING_RENEWED);
    held->time_s = wire_uint(in, UINT64_MAX);
    if (held->device == 0 || held->n == 0 || signature.len != SIGNATURE_BYTES)
        wire_fail(in, KITH_MALFORMED);
    return wire_close(in);
}

void invite_write(struct buffer *out, const struct invite_frame *invite)
{
    frame_begin(out, FRAME_INVITE, 2);
    wire_put_uint(out, invite->device);
    wire_put_bin(out, bytes_of(invite->psk, KEY_BYTES));
}

enum kith_err invite_read(struct invite_frame *invite, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 2);

    invite->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    wire_bin_exact(in, invite->psk, KEY_BYTES);
    return wire_close(in);
}

void credit_write(struct buffer *out, uint64_t bytes)
{
    frame_begin(out, FRAME_CREDIT, 1);
    wire_put_uint(out, bytes);
}

enum kith_err credit_read(uint64_t *bytes, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 1);

    *bytes = wire_uint(in, WINDOW_BYTES);
    return wire_close(in);
}

void error_write(struct buffer *out, enum kith_err reason)
{
    frame_begin(out, FRAME_ERROR, 1);
    wire_put_uint(out, (uint64_t)reason);
}

enum kith_err error_read(enum kith_err *reason, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 1);

    *reason = reason_read(in);
    return wire_close(in);
}

void retry_write(struct buffer *out, uint32_t seconds)
{
    frame_begin(out, FRAME_RETRY, 1);
    wire_put_uint(out, seconds);
}

enum kith_err retry_read(uint32_t *seconds, struct frame *frame)
{
    struct wire_in *in = frame_items(frame, 1);

    *seconds = (uint32_t)wire_uint(in, RETRY_S_MAX);
    return wire_close(in);
}

void bye_write(struct buffer *out)
{
    frame_begin(out, FRAME_BYE, 0);
}

void digest_add(uint8_t digest[static DIGEST_BYTES], const uint8_t id[static HASH_BYTES])
{
    put_u64(digest, get_u64(digest) + get_u64(id));
}

void digest_remove(uint8_t digest[static DIGEST_BYTES], const uint8_t id[static HASH_BYTES])
{
    put_u64(digest, get_u64(digest) - get_u64(id));
}
