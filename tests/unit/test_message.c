/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: each reads back as it was written, and nothing else is taken for one. */
#include "protocol/message.h"

#include <string.h>

#include "tests/unit/make.h"

static const uint8_t circle_id_bytes[ID_BYTES] = "a chart's circle";
static const uint8_t filler[SIGNATURE_BYTES] =
    "sixty-four bytes of a signature, of a box or of anything at all";
static const uint8_t longest_cursor[CURSOR_MAX] = "as long as a hub may make it";

/* The one frame of a batch. */
static struct frame only_frame(const struct buffer *batch)
{
    struct wire_in in = wire_open(buffer_view(batch));
    struct frame frame;

    assert_int_equal(batch->err, KITH_OK);
    assert_true(frame_next(&in, &frame));
    struct wire_in rest = in;
    assert_int_equal(wire_close(&rest), KITH_OK);
    return frame;
}

/* One sample of each frame: how it is written, and that it reads as that. */

static void write_hello(struct buffer *out)
{
    hello_write(out, &(struct hello){1, DEVICE_MAX, UINT64_MAX});
}

static enum kith_err read_hello(struct frame *frame)
{
    struct hello hello;
    enum kith_err err = hello_read(&hello, frame);

    if (!err)
        assert_true(hello.version == 1 && hello.device == DEVICE_MAX &&
                    hello.clock_ms == UINT64_MAX);
    return err;
}

static void write_welcome(struct buffer *out)
{
    welcome_write(out, &(struct welcome){.version = 1, .incarnation = "incarna", .clock_ms = 5});
}

static enum kith_err read_welcome(struct frame *frame)
{
    struct welcome welcome;
    enum kith_err err = welcome_read(&welcome, frame);

    if (!err) {
        assert_true(welcome.version == 1 && welcome.clock_ms == 5 && !welcome.has_sign_key);
        assert_memory_equal(welcome.incarnation, "incarna", INCARNATION_BYTES);
    }
    return err;
}

static void write_founding_welcome(struct buffer *out)
{
    struct welcome welcome = {
        .version = 1, .incarnation = "incarna", .clock_ms = 5, .has_sign_key = true};

    memcpy(welcome.sign_key, filler, KEY_BYTES);
    welcome_write(out, &welcome);
}

static enum kith_err read_founding_welcome(struct frame *frame)
{
    struct welcome welcome;
    enum kith_err err = welcome_read(&welcome, frame);

    if (!err) {
        assert_true(welcome.has_sign_key);
        assert_memory_equal(welcome.sign_key, filler, KEY_BYTES);
    }
    return err;
}

static void write_pull(struct buffer *out)
{
    pull_write(out, &(struct pull){.incarnation = "incarna",
                                   .cursor = bytes_of(longest_cursor, CURSOR_MAX),
                                   .digest = "digest.",
                                   .own = 70000});
}

static enum kith_err read_pull(struct frame *frame)
{
    struct pull pull;
    enum kith_err err = pull_read(&pull, frame);

    if (!err) {
        assert_memory_equal(pull.incarnation, "incarna", INCARNATION_BYTES);
        assert_memory_equal(pull.digest, "digest.", DIGEST_BYTES);
        assert_bytes_equal(pull.cursor, bytes_of(longest_cursor, CURSOR_MAX));
        assert_int_equal(pull.own, 70000);
    }
    return err;
}

static void write_cursor(struct buffer *out)
{
    cursor_write(out, &(struct cursor_frame){bytes_text("here"), true});
}

static enum kith_err read_cursor(struct frame *frame)
{
    struct cursor_frame cursor;
    enum kith_err err = cursor_read(&cursor, frame);

    if (!err) {
        assert_true(cursor.is_up_to_date);
        assert_bytes_equal(cursor.cursor, bytes_text("here"));
    }
    return err;
}

static void write_run(struct buffer *out)
{
    made_run(out, FRAME_PUSH, 7, 40, 3);
}

static enum kith_err read_run(struct frame *frame)
{
    struct run run;
    struct change change;
    enum kith_err err = run_read(&run, frame);

    if (err)
        return err;
    assert_memory_equal(run.circle, circle_id_bytes, ID_BYTES);
    assert_true(run.device == 7 && run.first_n == 40 && run.count == 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(run_next(&run, &change));
        assert_true(change.class == CHANGE_NORMAL && change.epoch == 1 && change.sealed.len == 168);
    }
    assert_false(run_next(&run, &change));
    return KITH_OK;
}

static void write_roster(struct buffer *out)
{
    const struct bytes entries[] = {bytes_text("one"), bytes_text("two")};

    roster_frame_write(out, 9, entries, 2);
}

static enum kith_err read_roster(struct frame *frame)
{
    struct entries entries;
    struct bytes entry;
    enum kith_err err = roster_frame_read(&entries, frame);

    if (err)
        return err;
    assert_true(entries.first_seq == 9 && entries.count == 2);
    assert_true(roster_frame_next(&entries, &entry));
    assert_bytes_equal(entry, bytes_text("one"));
    assert_true(roster_frame_next(&entries, &entry));
    assert_bytes_equal(entry, bytes_text("two"));
    assert_false(roster_frame_next(&entries, &entry));
    return KITH_OK;
}

static void write_circle(struct buffer *out)
{
    uint8_t rows[2 * BOX_ROW_BYTES] = {0};

    put_u32(rows, 3);
    rows[4] = 33;
    put_u32(rows + BOX_ROW_BYTES, 900);
    rows[BOX_ROW_BYTES + 4] = 99;
    circle_frame_write(out, circle_id_bytes, 2, bytes_text("entry"), bytes_of(rows, sizeof rows));
}

static enum kith_err read_circle(struct frame *frame)
{
    struct circle_frame circle;
    struct bytes box;
    uint32_t device;
    enum kith_err err = circle_frame_read(&circle, frame);

    if (err)
        return err;
    assert_memory_equal(circle.circle, circle_id_bytes, ID_BYTES);
    assert_true(circle.seq == 2 && circle.box_count == 2);
    assert_bytes_equal(circle.entry, bytes_text("entry"));
    assert_true(circle_frame_box(&circle, &device, &box) && device == 3 && box.ptr[0] == 33);
    assert_true(circle_frame_box(&circle, &device, &box) && device == 900 && box.ptr[0] == 99);
    assert_int_equal(box.len, BOX_BYTES);
    assert_false(circle_frame_box(&circle, &device, &box));
    return KITH_OK;
}

/* One line of each kind. */
static void sample_line(struct ack_line *line, enum ack_kind kind)
{
    *line = (struct ack_line){
        .kind = kind, .device = kind == ACK_CHAIN ? 7 : 0, .n = 40 + (unsigned)kind};
    if (kind != ACK_ROSTER)
        memcpy(line->circle, circle_id_bytes, ID_BYTES);
    memcpy(line->head, filler, HASH_BYTES);
}

static void write_ack(struct buffer *out)
{
    struct ack_line line;
    struct buffer lines;

    buffer_init(&lines, 1024);
    for (unsigned kind = ACK_CHAIN; kind <= ACK_ROSTER; kind++) {
        sample_line(&line, (enum ack_kind)kind);
        ack_line_write(&lines, &line);
    }
    ack_write(out, 5, 3, buffer_view(&lines), filler);
    buffer_clear(&lines);
}

static enum kith_err read_ack(struct frame *frame)
{
    struct ack ack;
    struct ack_line line;
    struct ack_line expected;
    enum kith_err err = ack_read(&ack, frame);

    if (err)
        return err;
    assert_true(ack.batches == 5 && ack.count == 3);
    assert_memory_equal(ack.signature, filler, SIGNATURE_BYTES);
    for (unsigned kind = ACK_CHAIN; kind <= ACK_ROSTER; kind++) {
        sample_line(&expected, (enum ack_kind)kind);
        assert_true(ack_next(&ack, &line));
        assert_true(line.kind == expected.kind && line.device == expected.device &&
                    line.n == expected.n);
        assert_memory_equal(line.circle, expected.circle, ID_BYTES);
        assert_memory_equal(line.head, expected.head, HASH_BYTES);
    }
    assert_false(ack_next(&ack, &line));
    return KITH_OK;
}

static void write_refused(struct buffer *out)
{
    struct refused refused = {
        .kind = ACK_CIRCLE, .device = 7, .n = UINT64_MAX / 2, .reason = KITH_NOT_MEMBER};

    memcpy(refused.circle, circle_id_bytes, ID_BYTES);
    refused_write(out, &refused);
}

static enum kith_err read_refused(struct frame *frame)
{
    struct refused refused;
    enum kith_err err = refused_read(&refused, frame);

    if (!err) {
        assert_true(refused.kind == ACK_CIRCLE && refused.device == 7 &&
                    refused.n == UINT64_MAX / 2);
        assert_memory_equal(refused.circle, circle_id_bytes, ID_BYTES);
        assert_int_equal(refused.reason, KITH_NOT_MEMBER);
    }
    return err;
}

static void write_invite(struct buffer *out)
{
    struct invite_frame invite = {.device = 12};

    memcpy(invite.psk, filler, KEY_BYTES);
    invite_write(out, &invite);
}

static enum kith_err read_invite(struct frame *frame)
{
    struct invite_frame invite;
    enum kith_err err = invite_read(&invite, frame);

    if (!err) {
        assert_int_equal(invite.device, 12);
        assert_memory_equal(invite.psk, filler, KEY_BYTES);
    }
    return err;
}

static void write_credit(struct buffer *out)
{
    credit_write(out, WINDOW_BYTES);
}

static enum kith_err read_credit(struct frame *frame)
{
    uint64_t bytes = 0;
    enum kith_err err = credit_read(&bytes, frame);

    if (!err)
        assert_int_equal(bytes, WINDOW_BYTES);
    return err;
}

static void write_held(struct buffer *out)
{
    struct held held = {.device = 7,
                        .n = 9,
                        .change = {CHANGE_URGENT, 3, bytes_text("sealed"), filler},
                        .leaving = LEAVING_REVOKED,
                        .time_s = 1790000000};

    memcpy(held.circle, circle_id_bytes, ID_BYTES);
    memset(held.prev, 5, HASH_BYTES);
    held_write(out, &held);
}

static enum kith_err read_held(struct frame *frame)
{
    struct held held;
    enum kith_err err = held_read(&held, frame);

    if (err)
        return err;
    assert_memory_equal(held.circle, circle_id_bytes, ID_BYTES);
    assert_int_equal(held.device, 7);
    assert_int_equal(held.n, 9);
    assert_int_equal(held.prev[31], 5);
    assert_int_equal(held.change.class, CHANGE_URGENT);
    assert_int_equal(held.change.epoch, 3);
    assert_bytes_equal(held.change.sealed, bytes_text("sealed"));
    assert_memory_equal(held.change.signature, filler, SIGNATURE_BYTES);
    assert_int_equal(held.leaving, LEAVING_REVOKED);
    assert_int_equal(held.time_s, 1790000000);
    return KITH_OK;
}

static void write_retry(struct buffer *out)
{
    retry_write(out, RETRY_S_MAX);
}

static enum kith_err read_retry(struct frame *frame)
{
    uint32_t seconds;
    enum kith_err err = retry_read(&seconds, frame);

    if (!err)
        assert_int_equal(seconds, RETRY_S_MAX);
    return err;
}

static void write_error(struct buffer *out)
{
    error_write(out, KITH_BUSY);
}

static enum kith_err read_error(struct frame *frame)
{
    enum kith_err reason = KITH_OK;
    enum kith_err err = error_read(&reason, frame);

    if (!err)
        assert_int_equal(reason, KITH_BUSY);
    return err;
}

static const struct {
    const char *what;
    enum frame_type type;
    void (*write)(struct buffer *out);
    enum kith_err (*read)(struct frame *frame);
} samples[] = {
    {"hello", FRAME_HELLO, write_hello, read_hello},
    {"welcome", FRAME_WELCOME, write_welcome, read_welcome},
    {"founding welcome", FRAME_WELCOME, write_founding_welcome, read_founding_welcome},
    {"run", FRAME_PUSH, write_run, read_run},
    {"ack", FRAME_ACK, write_ack, read_ack},
    {"refused", FRAME_REFUSED, write_refused, read_refused},
    {"pull", FRAME_PULL, write_pull, read_pull},
    {"cursor", FRAME_CURSOR, write_cursor, read_cursor},
    {"roster", FRAME_ROSTER, write_roster, read_roster},
    {"circle", FRAME_CIRCLE, write_circle, read_circle},
    {"held", FRAME_HELD, write_held, read_held},
    {"invite", FRAME_INVITE, write_invite, read_invite},
    {"credit", FRAME_CREDIT, write_credit, read_credit},
    {"error", FRAME_ERROR, write_error, read_error},
    {"retry", FRAME_RETRY, write_retry, read_retry},
};

static void each_frame_reads_as_it_was_written(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        buffer_reset(&out);
        samples[i].write(&out);
        struct frame frame = only_frame(&out);
        assert_int_equal(frame.type, samples[i].type);
        assert_int_equal(samples[i].read(&frame), KITH_OK);
    }
    buffer_reset(&out);
    bye_write(&out);
    struct frame bye = only_frame(&out);
    assert_int_equal(bye.type, FRAME_BYE);
    assert_int_equal(bye.items, 0);
    buffer_clear(&out);
}

static void a_cut_frame_ends_the_batch(void **state)
{
    struct buffer out;
    struct frame frame;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        buffer_reset(&out);
        samples[i].write(&out);
        for (size_t len = 1; len < out.len; len++) {
            struct wire_in batch = wire_open(bytes_of(out.ptr, len));
            assert_false(frame_next(&batch, &frame));
            assert_int_equal(wire_close(&batch), KITH_CUT);
            assert_false(frame_next(&batch, &frame));
        }
    }
    buffer_clear(&out);
}

/* The frame's own array is one item shorter or longer than its type says, but well formed. */
static void a_frame_with_another_number_of_items_is_malformed(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        buffer_reset(&out);
        samples[i].write(&out);
        if (samples[i].type != FRAME_WELCOME) {
            out.ptr[0]++;
            buffer_add(&out, "\xC0", 1);
            struct frame longer = only_frame(&out);
            assert_int_not_equal(samples[i].read(&longer), KITH_OK);
        }
        buffer_reset(&out);
        wire_put_array(&out, 1);
        wire_put_uint(&out, samples[i].type);
        struct frame empty = only_frame(&out);
        assert_int_not_equal(samples[i].read(&empty), KITH_OK);
    }
    buffer_clear(&out);
}

/* Each byte altered in some ways: the frame fails, or reads as something; both within its bytes. */
static void no_altered_frame_does_harm(void **state)
{
    struct dice dice = {31};
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    for (uint32_t round = 0; round < 20000; round++) {
        size_t i = round % COUNT_OF(samples);
        struct frame frame;
        buffer_reset(&out);
        if (samples[i].type == FRAME_PUSH)
            write_ack(&out);
        else
            samples[i].write(&out);
        out.ptr[dice_below(&dice, (uint32_t)out.len)] ^= (uint8_t)(1 + dice_below(&dice, 255));
        struct wire_in batch = wire_open(buffer_view(&out));
        while (frame_next(&batch, &frame)) {
            struct run run;
            struct ack ack;
            struct entries entries;
            struct circle_frame circle;
            struct frame copies[] = {frame, frame, frame, frame};
            struct change change;
            struct ack_line line;
            struct bytes view;
            uint32_t device;
            if (run_read(&run, &copies[0]) == KITH_OK)
                while (run_next(&run, &change))
                    assert_non_null(change.signature);
            if (ack_read(&ack, &copies[1]) == KITH_OK)
                while (ack_next(&ack, &line))
                    assert_in_range(line.kind, ACK_CHAIN, ACK_ROSTER);
            if (roster_frame_read(&entries, &copies[2]) == KITH_OK)
                while (roster_frame_next(&entries, &view))
                    assert_true(view.len <= ENTRY_MAX);
            if (circle_frame_read(&circle, &copies[3]) == KITH_OK)
                while (circle_frame_box(&circle, &device, &view))
                    assert_int_equal(view.len, BOX_BYTES);
        }
    }
    buffer_clear(&out);
}

static void frames_of_a_batch_come_one_after_another(void **state)
{
    struct wire_in batch;
    struct frame frame;
    struct buffer out;
    size_t count = 0;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    for (size_t i = 0; i < COUNT_OF(samples); i++)
        samples[i].write(&out);
    batch = wire_open(buffer_view(&out));
    for (; frame_next(&batch, &frame); count++) {
        assert_int_equal(frame.type, samples[count].type);
        assert_int_equal(samples[count].read(&frame), KITH_OK);
    }
    assert_int_equal(count, COUNT_OF(samples));
    assert_int_equal(wire_close(&batch), KITH_OK);
    buffer_clear(&out);
}

/* frame_next gives every type; a reader skips one by asking for the next. Its content is still
 * checked for form. */
static void an_unknown_frame_can_be_skipped(void **state)
{
    struct wire_in batch;
    struct frame frame;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    wire_put_array(&out, 3);
    wire_put_uint(&out, 200);
    wire_put_text(&out, bytes_text("from a newer version"));
    wire_put_map(&out, 0);
    write_credit(&out);
    batch = wire_open(buffer_view(&out));
    assert_true(frame_next(&batch, &frame));
    assert_true(frame.type == 200 && frame.type >= FRAME_SKIPPABLE && frame.items == 2);
    assert_true(frame_next(&batch, &frame));
    assert_int_equal(read_credit(&frame), KITH_OK);
    assert_false(frame_next(&batch, &frame));
    assert_int_equal(wire_close(&batch), KITH_OK);
    buffer_clear(&out);
}

static void what_is_no_frame_ends_the_batch(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } batches[] = {
        {"\x05", 1},                 /* a number */
        {"\x90", 1},                 /* an array without a type */
        {"\x91\xC0", 2},             /* nil for a type */
        {"\x91\xCD\x01\x00", 4},     /* a type over its limit */
        {"\x91\xFF", 2},             /* a negative one */
        {"\x80", 1},                 /* a map */
        {"\xDD\xFF\xFF\xFF\xFF", 5}, /* four thousand million items */
        {"\xDC\xFF\xFF\x01", 4},     /* more than there are bytes */
        {"\xC1", 1},                 /* never used in msgpack */
        {"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", 13}, /* too deep */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(batches); i++) {
        struct wire_in batch = wire_open(bytes_of(batches[i].bytes, batches[i].len));
        struct frame frame;
        assert_false(frame_next(&batch, &frame));
        assert_int_not_equal(wire_close(&batch), KITH_OK);
        assert_false(frame_next(&batch, &frame));
    }
}

/* A run by hand: [3, circle, device, first n, [mark, sealed, signature, ...]]. */
struct run_by_hand {
    uint64_t device;
    uint64_t first_n;
    uint32_t items;
    uint64_t mark;
    size_t signature_bytes;
};

static enum kith_err run_by_hand(const struct run_by_hand *run)
{
    struct run read;
    struct buffer out;

    buffer_init(&out, BATCH_MAX);
    wire_put_array(&out, 5);
    wire_put_uint(&out, FRAME_PUSH);
    wire_put_bin(&out, bytes_of(circle_id_bytes, ID_BYTES));
    wire_put_uint(&out, run->device);
    wire_put_uint(&out, run->first_n);
    wire_put_array(&out, run->items);
    for (uint32_t i = 0; i < run->items; i++) {
        if (i % 3 == 0)
            wire_put_uint(&out, run->mark);
        else
            wire_put_bin(&out, bytes_of(filler, i % 3 == 1 ? 50 : run->signature_bytes));
    }
    struct frame frame = only_frame(&out);
    enum kith_err err = run_read(&read, &frame);
    buffer_clear(&out);
    return err;
}

static void a_run_keeps_its_rules(void **state)
{
    static const struct {
        struct run_by_hand run;
        enum kith_err verdict;
    } runs[] = {
        {{7, 1, 3, 4, 64}, KITH_OK},
        {{DEVICE_MAX, UINT64_MAX / 2, 6, 4, 64}, KITH_OK},
        {{0, 1, 3, 4, 64}, KITH_MALFORMED},
        {{(uint64_t)DEVICE_MAX + 1, 1, 3, 4, 64}, KITH_MALFORMED},
        {{7, 0, 3, 4, 64}, KITH_MALFORMED},
        {{7, UINT64_MAX / 2 + 1, 3, 4, 64}, KITH_MALFORMED},
        {{7, 1, 2, 4, 64}, KITH_MALFORMED},
        {{7, 1, 4, 4, 64}, KITH_MALFORMED},
        {{7, 1, 3, 2, 64}, KITH_MALFORMED},
        {{7, 1, 3, UINT64_MAX, 64}, KITH_MALFORMED},
        {{7, 1, 3, 4, 63}, KITH_MALFORMED},
        {{7, 1, 3, 4, 0}, KITH_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(runs); i++)
        assert_int_equal(run_by_hand(&runs[i].run), runs[i].verdict);
}

static void a_count_that_its_bytes_cannot_hold_is_refused(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    static const struct {
        enum frame_type type;
        unsigned leading; /* items before the count */
    } frames[] = {{FRAME_PUSH, 3}, {FRAME_ROSTER, 1}, {FRAME_CIRCLE, 3}, {FRAME_ACK, 1}};
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        struct wire_in batch;
        struct frame frame;
        buffer_reset(&out);
        wire_put_array(&out, frames[i].leading + 2);
        wire_put_uint(&out, frames[i].type);
        for (unsigned k = 0; k < frames[i].leading; k++)
            wire_put_uint(&out, 1);
        buffer_add(&out, "\xDC\xFF\xFF", 3);
        batch = wire_open(buffer_view(&out));
        assert_false(frame_next(&batch, &frame));
        assert_int_equal(wire_close(&batch), KITH_CUT);
    }
    buffer_clear(&out);
}

static void lists_have_their_limits(void **state)
{
    struct ack ack;
    struct circle_frame circle;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    wire_put_array(&out, 4);
    wire_put_uint(&out, FRAME_ACK);
    wire_put_uint(&out, 1);
    wire_put_array(&out, (ACK_CHAINS_MAX + 1) * 5);
    for (unsigned i = 0; i < (ACK_CHAINS_MAX + 1) * 5; i++)
        wire_put_uint(&out, 1);
    wire_put_bin(&out, bytes_of(filler, SIGNATURE_BYTES));
    struct frame frame = only_frame(&out);
    assert_int_equal(ack_read(&ack, &frame), KITH_TOO_LARGE);
    buffer_reset(&out);
    wire_put_array(&out, 5);
    wire_put_uint(&out, FRAME_CIRCLE);
    wire_put_bin(&out, bytes_of(circle_id_bytes, ID_BYTES));
    wire_put_uint(&out, 1);
    wire_put_bin(&out, bytes_of(filler, 10));
    wire_put_array(&out, CIRCLE_DEVICES_MAX * 2 + 2);
    for (unsigned i = 0; i < CIRCLE_DEVICES_MAX * 2 + 2; i++)
        wire_put_uint(&out, 1);
    frame = only_frame(&out);
    assert_int_equal(circle_frame_read(&circle, &frame), KITH_TOO_LARGE);
    buffer_clear(&out);
}

static void a_box_of_another_size_or_half_a_pair_is_malformed(void **state)
{
    struct circle_frame circle;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    for (uint32_t items = 1; items <= 2; items++) {
        buffer_reset(&out);
        wire_put_array(&out, 5);
        wire_put_uint(&out, FRAME_CIRCLE);
        wire_put_bin(&out, bytes_of(circle_id_bytes, ID_BYTES));
        wire_put_uint(&out, 1);
        wire_put_bin(&out, bytes_of(filler, 10));
        wire_put_array(&out, items);
        wire_put_uint(&out, 3);
        if (items == 2)
            wire_put_bin(&out, bytes_of(filler, 64));
        struct frame frame = only_frame(&out);
        assert_int_equal(circle_frame_read(&circle, &frame), KITH_MALFORMED);
    }
    buffer_clear(&out);
}

static void values_over_their_limits_are_refused(void **state)
{
    struct hello hello;
    struct pull pull;
    uint64_t bytes;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    credit_write(&out, WINDOW_BYTES + 1);
    struct frame frame = only_frame(&out);
    assert_int_equal(credit_read(&bytes, &frame), KITH_MALFORMED);
    buffer_reset(&out);
    hello_write(&out, &(struct hello){1, DEVICE_MAX + 1, 0});
    frame = only_frame(&out);
    assert_int_equal(hello_read(&hello, &frame), KITH_MALFORMED);
    buffer_reset(&out);
    uint8_t cursor[CURSOR_MAX + 1] = {0};
    pull_write(&out, &(struct pull){.cursor = bytes_of(cursor, sizeof cursor)});
    frame = only_frame(&out);
    assert_int_equal(pull_read(&pull, &frame), KITH_TOO_LARGE);
    buffer_clear(&out);
}

/* Sealed texts of `count` sizes, chained: what a device has in its outbox. */
static void run_of(struct run_writer *writer, uint32_t device, uint64_t first_n, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct change change = {CHANGE_BULK, 1 + i, bytes_of(filler, 40 + i), filler};
        run_add(writer, circle_id_bytes, device, first_n + i, &change);
    }
}

static void consecutive_changes_share_one_frame(void **state)
{
    struct run_writer writer;
    struct run run;
    struct change change;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    run_begin(&writer);
    assert_int_equal(run_bytes(&writer), 0);
    assert_false(run_continues(&writer, circle_id_bytes, 7, 1));
    run_flush(&writer, FRAME_PUSH, &out);
    assert_int_equal(out.len, 0);
    run_of(&writer, 7, 100, 20);
    size_t at_most = run_bytes(&writer);
    run_flush(&writer, FRAME_PUSH, &out);
    assert_true(out.len <= at_most);
    struct frame frame = only_frame(&out);
    assert_int_equal(run_read(&run, &frame), KITH_OK);
    assert_true(run.device == 7 && run.first_n == 100 && run.count == 20);
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(run_next(&run, &change));
        assert_true(change.class == CHANGE_BULK && change.epoch == 1 + i);
        assert_bytes_equal(change.sealed, bytes_of(filler, 40 + i));
        assert_memory_equal(change.signature, filler, SIGNATURE_BYTES);
    }
    assert_false(run_next(&run, &change));
    run_end(&writer);
    buffer_clear(&out);
}

static void what_does_not_follow_begins_a_run_of_its_own(void **state)
{
    static const uint8_t other_circle[ID_BYTES] = "another's circle";
    struct run_writer writer;
    struct run run;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    run_begin(&writer);
    run_of(&writer, 7, 100, 2);
    assert_true(run_continues(&writer, circle_id_bytes, 7, 102));
    assert_false(run_continues(&writer, circle_id_bytes, 7, 101));
    assert_false(run_continues(&writer, circle_id_bytes, 7, 103));
    assert_false(run_continues(&writer, circle_id_bytes, 8, 102));
    assert_false(run_continues(&writer, other_circle, 7, 102));
    run_flush(&writer, FRAME_CHANGES, &out);
    run_of(&writer, 8, 1, 1);
    run_flush(&writer, FRAME_CHANGES, &out);
    struct wire_in batch = wire_open(buffer_view(&out));
    struct frame frame;
    assert_true(frame_next(&batch, &frame));
    assert_int_equal(frame.type, FRAME_CHANGES);
    assert_int_equal(run_read(&run, &frame), KITH_OK);
    assert_true(run.device == 7 && run.count == 2);
    assert_true(frame_next(&batch, &frame));
    assert_int_equal(run_read(&run, &frame), KITH_OK);
    assert_true(run.device == 8 && run.first_n == 1 && run.count == 1);
    assert_false(frame_next(&batch, &frame));
    run_end(&writer);
    buffer_clear(&out);
}

/* What a change costs in a run, beyond its sealed text, is what the header of message.h says at
 * most. */
static void a_run_costs_no_more_than_it_says(void **state)
{
    static uint8_t sealed[CHANGE_SEALED_MAX];
    static const size_t lengths[] = {168, 255, 256, 4136, CHANGE_SEALED_MAX};
    struct run_writer writer;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    run_begin(&writer);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct change change = {CHANGE_BULK, EPOCH_MAX, bytes_of(sealed, lengths[i]), filler};
        buffer_reset(&out);
        run_add(&writer, circle_id_bytes, DEVICE_MAX, UINT64_MAX / 2, &change);
        assert_in_range(writer.changes.len, lengths[i], lengths[i] + RUN_CHANGE_OVERHEAD);
        run_flush(&writer, FRAME_PUSH, &out);
        assert_in_range(out.len, lengths[i], lengths[i] + RUN_CHANGE_OVERHEAD + RUN_HEAD_MAX);
    }
    run_end(&writer);
    buffer_clear(&out);
}

static void a_run_that_is_too_long_fails_and_the_next_one_does_not(void **state)
{
    static uint8_t sealed[CHANGE_SEALED_MAX];
    struct change change = {CHANGE_BULK, 1, bytes_of(sealed, sizeof sealed), filler};
    struct run_writer writer;
    struct buffer out;

    (void)state;
    buffer_init(&out, 2 * BATCH_MAX);
    run_begin(&writer);
    run_add(&writer, circle_id_bytes, 7, 1, &change);
    run_add(&writer, circle_id_bytes, 7, 2, &change);
    run_flush(&writer, FRAME_PUSH, &out);
    assert_int_equal(out.err, KITH_TOO_LARGE);
    buffer_reset(&out);
    run_add(&writer, circle_id_bytes, 7, 1, &change);
    run_flush(&writer, FRAME_PUSH, &out);
    assert_int_equal(out.err, KITH_OK);
    run_end(&writer);
    buffer_clear(&out);
}

/* A device keeps receipts as the bytes that were signed. */
static void a_receipts_hash_covers_agency_incarnation_and_lines(void **state)
{
    uint8_t agency[ID_BYTES] = "an agency's name";
    uint8_t incarnation[INCARNATION_BYTES] = "incarna";
    uint8_t hash[HASH_BYTES];
    uint8_t other[HASH_BYTES];
    struct ack ack;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    write_ack(&out);
    struct frame frame = only_frame(&out);
    assert_int_equal(ack_read(&ack, &frame), KITH_OK);
    struct buffer lines;
    buffer_init(&lines, 1024);
    for (unsigned kind = ACK_CHAIN; kind <= ACK_ROSTER; kind++) {
        struct ack_line line;
        sample_line(&line, (enum ack_kind)kind);
        ack_line_write(&lines, &line);
    }
    assert_bytes_equal(ack.raw, buffer_view(&lines));
    ack_hash(agency, incarnation, ack.raw, hash);
    ack_hash(agency, incarnation, ack.raw, other);
    assert_memory_equal(hash, other, HASH_BYTES);
    agency[0] ^= 1;
    ack_hash(agency, incarnation, ack.raw, other);
    assert_memory_not_equal(hash, other, HASH_BYTES);
    agency[0] ^= 1;
    incarnation[0] ^= 1;
    ack_hash(agency, incarnation, ack.raw, other);
    assert_memory_not_equal(hash, other, HASH_BYTES);
    incarnation[0] ^= 1;
    lines.ptr[lines.len - 1] ^= 1;
    ack_hash(agency, incarnation, buffer_view(&lines), other);
    assert_memory_not_equal(hash, other, HASH_BYTES);
    buffer_clear(&lines);
    buffer_clear(&out);
}

static void a_receipt_without_lines_is_one_too(void **state)
{
    struct ack ack;
    struct ack_line line;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    ack_write(&out, 1, 0, bytes_of(NULL, 0), filler);
    struct frame frame = only_frame(&out);
    assert_int_equal(ack_read(&ack, &frame), KITH_OK);
    assert_true(ack.batches == 1 && ack.count == 0 && ack.raw.len == 0);
    assert_false(ack_next(&ack, &line));
    buffer_clear(&out);
}

/* The rosters' line has no circle, the others have one. */
static void a_line_of_another_shape_is_refused(void **state)
{
    static const struct {
        unsigned kind;
        size_t circle_bytes;
        bool is_good;
    } lines[] = {{0, 16, true},  {1, 16, true}, {2, 0, true},  {0, 0, false}, {1, 15, false},
                 {2, 16, false}, {3, 16, true}, {3, 0, false}, {4, 16, false}};
    struct ack ack;
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        buffer_reset(&out);
        wire_put_array(&out, 4);
        wire_put_uint(&out, FRAME_ACK);
        wire_put_uint(&out, 1);
        wire_put_array(&out, 5);
        wire_put_uint(&out, lines[i].kind);
        wire_put_bin(&out, bytes_of(circle_id_bytes, lines[i].circle_bytes));
        wire_put_uint(&out, 7);
        wire_put_uint(&out, 1);
        wire_put_bin(&out, bytes_of(filler, HASH_BYTES));
        wire_put_bin(&out, bytes_of(filler, SIGNATURE_BYTES));
        struct frame frame = only_frame(&out);
        assert_int_equal(ack_read(&ack, &frame) == KITH_OK, lines[i].is_good);
    }
    buffer_clear(&out);
}

static void an_unknown_reason_reads_as_malformed(void **state)
{
    static const struct {
        unsigned number;
        enum kith_err reason;
    } reasons[] = {
        {KITH_GAP, KITH_GAP},   {KITH_FORKED, KITH_FORKED},   {0, KITH_MALFORMED},
        {9999, KITH_MALFORMED}, {UINT16_MAX, KITH_MALFORMED},
    };
    struct buffer out;

    (void)state;
    buffer_init(&out, BATCH_MAX);
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        struct refused refused = {.device = 7, .n = 1, .reason = (enum kith_err)reasons[i].number};
        enum kith_err reason = KITH_OK;
        buffer_reset(&out);
        refused_write(&out, &refused);
        struct frame frame = only_frame(&out);
        assert_int_equal(refused_read(&refused, &frame), KITH_OK);
        assert_int_equal(refused.reason, reasons[i].reason);
        buffer_reset(&out);
        error_write(&out, (enum kith_err)reasons[i].number);
        frame = only_frame(&out);
        assert_int_equal(error_read(&reason, &frame), KITH_OK);
        assert_int_equal(reason, reasons[i].reason);
    }
    buffer_clear(&out);
}

static void a_digest_does_not_depend_on_the_order(void **state)
{
    uint8_t ids[20][HASH_BYTES];
    uint8_t forwards[DIGEST_BYTES] = {0};
    uint8_t backwards[DIGEST_BYTES] = {0};
    uint8_t without[DIGEST_BYTES] = {0};
    struct dice dice = {12};

    (void)state;
    dice_bytes(&dice, ids, sizeof ids);
    memset(ids[0], 0xFF, HASH_BYTES); /* carries over */
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        digest_add(forwards, ids[i]);
        digest_add(backwards, ids[COUNT_OF(ids) - 1 - i]);
        if (i != 7)
            digest_add(without, ids[i]);
    }
    assert_memory_equal(forwards, backwards, DIGEST_BYTES);
    assert_memory_not_equal(forwards, without, DIGEST_BYTES);
    digest_add(without, ids[7]);
    assert_memory_equal(forwards, without, DIGEST_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_frame_reads_as_it_was_written),
        cmocka_unit_test(a_cut_frame_ends_the_batch),
        cmocka_unit_test(a_frame_with_another_number_of_items_is_malformed),
        cmocka_unit_test(no_altered_frame_does_harm),
        cmocka_unit_test(frames_of_a_batch_come_one_after_another),
        cmocka_unit_test(an_unknown_frame_can_be_skipped),
        cmocka_unit_test(what_is_no_frame_ends_the_batch),
        cmocka_unit_test(a_run_keeps_its_rules),
        cmocka_unit_test(a_count_that_its_bytes_cannot_hold_is_refused),
        cmocka_unit_test(lists_have_their_limits),
        cmocka_unit_test(a_box_of_another_size_or_half_a_pair_is_malformed),
        cmocka_unit_test(values_over_their_limits_are_refused),
        cmocka_unit_test(consecutive_changes_share_one_frame),
        cmocka_unit_test(what_does_not_follow_begins_a_run_of_its_own),
        cmocka_unit_test(a_run_costs_no_more_than_it_says),
        cmocka_unit_test(a_run_that_is_too_long_fails_and_the_next_one_does_not),
        cmocka_unit_test(a_receipts_hash_covers_agency_incarnation_and_lines),
        cmocka_unit_test(a_receipt_without_lines_is_one_too),
        cmocka_unit_test(a_line_of_another_shape_is_refused),
        cmocka_unit_test(an_unknown_reason_reads_as_malformed),
        cmocka_unit_test(a_digest_does_not_depend_on_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
