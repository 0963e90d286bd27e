/* SPDX-License-Identifier: Apache-2.0 */
/* The byte budget in docs/protocol.md, section 4.10: each row is written here from real frames, and
 * must stand there to the letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/channel.h"
#include "protocol/message.h"

#define DOCUMENT "docs/protocol.md"

/* Numbers of an agency in its third year, and the largest there can be. */
struct scale {
    uint32_t device;
    uint64_t n;
    uint32_t seq;
    uint32_t epoch;
    size_t cursor;
    uint64_t clock_ms;
    uint64_t own;
    size_t sealed;
};
static const struct scale typical = {140, 900, 300, 3, 25, 1790000000000, 900, 400};
static const struct scale largest = {DEVICE_MAX, UINT64_MAX - 1,   ROSTER_ENTRIES_MAX,
                                     EPOCH_MAX,  CURSOR_MAX,       UINT64_MAX,
                                     UINT64_MAX, CHANGE_SEALED_MAX};

static uint8_t filler[CHANGE_SEALED_MAX];
static const uint8_t circle[ID_BYTES] = {1};
static const uint8_t signature[SIGNATURE_BYTES] = {2};

typedef void frame_writer(struct buffer *out, const struct scale *scale);

static void hello(struct buffer *out, const struct scale *scale)
{
    hello_write(out, &(struct hello){1, scale->device, scale->clock_ms});
}

static void welcome(struct buffer *out, const struct scale *scale)
{
    welcome_write(out, &(struct welcome){.version = 1,
                                         .clock_ms = scale->clock_ms,
                                         .has_sign_key = scale == &largest});
}

static void pull(struct buffer *out, const struct scale *scale)
{
    pull_write(out, &(struct pull){.cursor = bytes_of(filler, scale->cursor), .own = scale->own});
}

static void cursor(struct buffer *out, const struct scale *scale)
{
    cursor_write(out, &(struct cursor_frame){bytes_of(filler, scale->cursor), true});
}

static void run(struct buffer *out, const struct scale *scale)
{
    struct change change = {.class = CHANGE_NORMAL,
                            .epoch = scale->epoch,
                            .sealed = bytes_of(filler, scale->sealed),
                            .signature = signature};
    struct run_writer writer;

    run_begin(&writer);
    run_add(&writer, circle, scale->device, scale->n, &change);
    run_flush(&writer, FRAME_PUSH, out);
    run_end(&writer);
}

static void ack(struct buffer *out, const struct scale *scale)
{
    struct ack_line line = {.kind = ACK_CHAIN, .device = scale->device, .n = scale->n};
    struct buffer lines;

    memcpy(line.circle, circle, ID_BYTES);
    buffer_init(&lines, BATCH_MAX);
    ack_line_write(&lines, &line);
    ack_write(out, 1, 1, buffer_view(&lines), signature);
    buffer_clear(&lines);
}

static void refused(struct buffer *out, const struct scale *scale)
{
    struct refused row = {
        .kind = ACK_CHAIN, .device = scale->device, .n = scale->n, .reason = KITH_HELD};

    memcpy(row.circle, circle, ID_BYTES);
    refused_write(out, &row);
}

static void roster(struct buffer *out, const struct scale *scale)
{
    const struct bytes entry = bytes_of(filler, scale == &largest ? ENTRY_MAX : 230);

    roster_frame_write(out, scale->seq, &entry, 1);
}

static void grant(struct buffer *out, const struct scale *scale)
{
    static uint8_t row[BOX_ROW_BYTES];

    put_u32(row, scale->device);
    circle_frame_write(out, circle, scale->seq,
                       bytes_of(filler, scale == &largest ? ENTRY_MAX : 240),
                       bytes_of(row, sizeof row));
}

static void invite(struct buffer *out, const struct scale *scale)
{
    invite_write(out, &(struct invite_frame){.device = scale->device});
}

static void credit(struct buffer *out, const struct scale *scale)
{
    credit_write(out, scale == &largest ? WINDOW_BYTES : 8000);
}

static void retry(struct buffer *out, const struct scale *scale)
{
    retry_write(out, scale == &largest ? RETRY_S_MAX : 30);
}

static void error(struct buffer *out, const struct scale *scale)
{
    (void)scale;
    error_write(out, KITH_BUSY);
}

static void bye(struct buffer *out, const struct scale *scale)
{
    (void)scale;
    bye_write(out);
}

static void held(struct buffer *out, const struct scale *scale)
{
    struct held row = {.device = scale->device,
                       .n = scale->n,
                       .change = {.class = CHANGE_NORMAL,
                                  .epoch = scale->epoch,
                                  .sealed = bytes_of(filler, scale->sealed),
                                  .signature = signature},
                       .leaving = LEAVING_REVOKED,
                       .time_s = scale->clock_ms / 1000};

    memcpy(row.circle, circle, ID_BYTES);
    held_write(out, &row);
}

static size_t bytes_of_frame(frame_writer *write, const struct scale *scale)
{
    struct buffer out;

    buffer_init(&out, SIZE_MAX);
    write(&out, scale);
    assert_int_equal(out.err, KITH_OK);
    size_t len = out.len;
    buffer_clear(&out);
    return len;
}

static char *read_document(void)
{
    FILE *file = fopen(DOCUMENT, "r");
    char *text = NULL;
    size_t len = 0;

    if (!file)
        return NULL;
    if (getdelim(&text, &len, (char)0, file) < 0)
        assert_null(text);
    (void)fclose(file);
    return text;
}

static void assert_row(const char *document, const char *row)
{
    if (!strstr(document, row))
        fail_msg("%s does not say: %s", DOCUMENT, row);
}

static void the_document_has_the_bytes_of_every_frame(void **state)
{
    static const struct {
        const char *name;
        frame_writer *write;
    } frames[] = {
        {"HELLO", hello},
        {"WELCOME; the largest is a founder's", welcome},
        {"PUSH or CHANGES of one change", run},
        {"ACK of one line", ack},
        {"REFUSED", refused},
        {"PULL", pull},
        {"CURSOR", cursor},
        {"ROSTER of one entry", roster},
        {"CIRCLE with one box", grant},
        {"INVITE", invite},
        {"CREDIT", credit},
        {"ERROR", error},
        {"BYE", bye},
        {"HELD", held},
        {"RETRY", retry},
    };
    char *document = read_document();
    char row[160];

    (void)state;
    if (!document)
        skip();
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        (void)snprintf(row, sizeof row, "| %s | %zu | %zu |", frames[i].name,
                       bytes_of_frame(frames[i].write, &typical),
                       bytes_of_frame(frames[i].write, &largest));
        assert_row(document, row);
    }
    (void)snprintf(row, sizeof row, "| around message 1, with the preamble | %d |",
                   CHANNEL_PREAMBLE_BYTES + NOISE_LENGTH_BYTES + NOISE_FIRST_OVERHEAD);
    assert_row(document, row);
    (void)snprintf(row, sizeof row, "| around message 2 | %d |",
                   NOISE_LENGTH_BYTES + NOISE_SECOND_OVERHEAD);
    assert_row(document, row);
    (void)snprintf(row, sizeof row, "| around every other message | %d |",
                   NOISE_LENGTH_BYTES + TAG_BYTES);
    assert_row(document, row);
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_has_the_bytes_of_every_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
