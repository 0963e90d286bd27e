/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/payload.h"

#include <string.h>

int dot_compare(struct dot a, struct dot b)
{
    if (a.device != b.device)
        return a.device < b.device ? -1 : 1;
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return 0;
}

uint32_t dots_read(struct wire_in *in, uint32_t max, struct bytes *content)
{
    uint32_t items = wire_array(in, max * 2);
    struct bytes start = in->left;
    struct dot last = {0, 0};

    if (items % 2 != 0)
        wire_fail(in, KITH_MALFORMED);
    for (uint32_t i = 0; i < items / 2 && !in->err; i++) {
        struct dot dot;
        dot.device = (uint32_t)wire_uint(in, DEVICE_MAX);
        dot.n = wire_uint(in, UINT64_MAX);
        if (dot.device == 0 || dot.n == 0 || dot_compare(last, dot) >= 0)
            wire_fail(in, KITH_MALFORMED);
        last = dot;
    }
    if (in->err)
        return 0;
    *content = bytes_of(start.ptr, start.len - in->left.len);
    return items / 2;
}

void dots_write(struct buffer *out, const struct dot *dots, uint32_t count)
{
    wire_put_array(out, count * 2);
    for (uint32_t i = 0; i < count; i++) {
        wire_put_uint(out, dots[i].device);
        wire_put_uint(out, dots[i].n);
    }
}

bool dots_next(struct bytes *content, uint32_t *count, struct dot *dot)
{
    struct wire_in in = wire_open(*content);

    if (*count == 0)
        return false;
    dot->device = (uint32_t)wire_uint(&in, DEVICE_MAX);
    dot->n = wire_uint(&in, UINT64_MAX);
    *content = in.left;
    (*count)--;
    return true;
}

static void heads_read(struct wire_in *in, struct payload_heads *heads)
{
    heads->is_present = !wire_skip_nil(in);
    if (!heads->is_present)
        return;
    wire_array_exact(in, 4);
    heads->roster_seq = (uint32_t)wire_uint(in, ROSTER_ENTRIES_MAX);
    wire_bin_exact(in, heads->roster, HEAD_PREFIX_BYTES);
    heads->circle_seq = (uint32_t)wire_uint(in, ROSTER_ENTRIES_MAX);
    wire_bin_exact(in, heads->circle, HEAD_PREFIX_BYTES);
}

static void heads_write(struct buffer *out, const struct payload_heads *heads)
{
    if (!heads || !heads->is_present) {
        wire_put_nil(out);
        return;
    }
    wire_put_array(out, 4);
    wire_put_uint(out, heads->roster_seq);
    wire_put_bin(out, bytes_of(heads->roster, HEAD_PREFIX_BYTES));
    wire_put_uint(out, heads->circle_seq);
    wire_put_bin(out, bytes_of(heads->circle, HEAD_PREFIX_BYTES));
}

static void op_read(struct wire_in *in, struct op *op)
{
    uint32_t fields = wire_array(in, 5);

    op->field = (uint32_t)wire_uint(in, UINT16_MAX);
    op->kind = (enum op_kind)wire_uint(in, OP_KINDS - 1);
    op->supersedes_count = dots_read(in, SUPERSEDES_MAX, &op->supersedes);
    op->value = wire_value(in);
    op->key = op->kind == OP_KEYED ? wire_value(in) : bytes_of(NULL, 0);
    if (fields != (op->kind == OP_KEYED ? 5u : 4u) || op->value.len > VALUE_MAX ||
        op->key.len > UINT8_MAX)
        wire_fail(in, KITH_MALFORMED);
}

static void record_read(struct payload *payload)
{
    wire_bin_exact(&payload->records, payload->record, ID_BYTES);
    payload->type = (uint32_t)wire_uint(&payload->records, UINT16_MAX);
    payload->ops_left = wire_array(&payload->records, CHANGE_OPS_MAX);
    payload->items_left -= 3;
}

/* Walks a copy of the cursor to its end, so that payload_next_op need not fail. */
static enum kith_err records_check(struct payload payload)
{
    uint32_t total = 0;

    while (payload.items_left > 0 && !payload.records.err) {
        record_read(&payload);
        total += payload.ops_left;
        if (payload.ops_left == 0 || total > CHANGE_OPS_MAX)
            wire_fail(&payload.records, KITH_MALFORMED);
        for (; payload.ops_left > 0 && !payload.records.err; payload.ops_left--) {
            struct op op;
            op_read(&payload.records, &op);
        }
    }
    return wire_close(&payload.records);
}

enum kith_err payload_open(struct payload *payload, struct bytes text)
{
    struct wire_in in = wire_open(text);

    memset(payload, 0, sizeof *payload);
    wire_array_exact(&in, 4);
    payload->hlc = wire_uint(&in, UINT64_MAX);
    payload->seen_count = dots_read(&in, SEEN_MAX, &payload->seen);
    heads_read(&in, &payload->heads);
    payload->items_left = wire_array(&in, CHANGE_OPS_MAX * 3);
    if (payload->items_left % 3 != 0)
        wire_fail(&in, KITH_MALFORMED);
    payload->records = in;
    return records_check(*payload);
}

bool payload_next_seen(struct payload *payload, struct dot *dot)
{
    return dots_next(&payload->seen, &payload->seen_count, dot);
}

bool payload_next_op(struct payload *payload, struct op *op)
{
    if (payload->ops_left == 0) {
        if (payload->items_left == 0)
            return false;
        record_read(payload);
    }
    payload->ops_left--;
    op_read(&payload->records, op);
    memcpy(op->record, payload->record, ID_BYTES);
    op->type = payload->type;
    return true;
}

bool op_next_superseded(struct op *op, struct dot *dot)
{
    return dots_next(&op->supersedes, &op->supersedes_count, dot);
}

/* The error of `records` is the writer's: that buffer alone lives from begin to end. */
static void writer_fail(struct payload_writer *writer, enum kith_err err)
{
    if (!writer->records.err)
        writer->records.err = err;
}

void payload_begin(struct payload_writer *writer, struct buffer *out, uint64_t hlc,
                   const struct dot *seen, uint32_t seen_count, const struct payload_heads *heads)
{
    memset(writer, 0, sizeof *writer);
    writer->out = out;
    buffer_init(&writer->ops, CHANGE_TEXT_MAX);
    buffer_init(&writer->records, CHANGE_TEXT_MAX);
    if (seen_count > SEEN_MAX) {
        writer_fail(writer, KITH_TOO_LARGE);
        return;
    }
    wire_put_array(out, 4);
    wire_put_uint(out, hlc);
    dots_write(out, seen, seen_count);
    heads_write(out, heads);
}

static void record_finish(struct payload_writer *writer)
{
    if (writer->op_count == 0)
        return;
    wire_put_bin(&writer->records, bytes_of(writer->record, ID_BYTES));
    wire_put_uint(&writer->records, writer->type);
    wire_put_array(&writer->records, writer->op_count);
    buffer_add(&writer->records, writer->ops.ptr, writer->ops.len);
    if (writer->ops.err)
        writer_fail(writer, writer->ops.err);
    buffer_reset(&writer->ops);
    writer->item_count += 3;
    writer->op_count = 0;
}

/* What no reader takes is not written. */
static bool op_is_writable(const struct payload_writer *writer, const struct op *op, uint32_t count)
{
    return writer->total < CHANGE_OPS_MAX && count <= SUPERSEDES_MAX && op->type <= UINT16_MAX &&
           op->field <= UINT16_MAX && op->value.len <= VALUE_MAX && op->key.len <= UINT8_MAX;
}

void payload_add(struct payload_writer *writer, const struct op *op, const struct dot *supersedes,
                 uint32_t count)
{
    if (!op_is_writable(writer, op, count)) {
        writer_fail(writer, KITH_TOO_LARGE);
        return;
    }
    if (writer->type != op->type || memcmp(writer->record, op->record, ID_BYTES) != 0)
        record_finish(writer);
    memcpy(writer->record, op->record, ID_BYTES);
    writer->type = op->type;
    writer->op_count++;
    writer->total++;
    wire_put_array(&writer->ops, op->kind == OP_KEYED ? 5 : 4);
    wire_put_uint(&writer->ops, op->field);
    wire_put_uint(&writer->ops, op->kind);
    dots_write(&writer->ops, supersedes, count);
    wire_put_value(&writer->ops, op->value);
    if (op->kind == OP_KEYED)
        wire_put_value(&writer->ops, op->key);
}

enum kith_err payload_end(struct payload_writer *writer)
{
    record_finish(writer);
    wire_put_array(writer->out, writer->item_count);
    buffer_add(writer->out, writer->records.ptr, writer->records.len);
    enum kith_err err = writer->records.err ? writer->records.err : writer->out->err;
    buffer_clear(&writer->ops);
    buffer_clear(&writer->records);
    return err;
}
