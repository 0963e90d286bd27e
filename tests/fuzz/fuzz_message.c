/* SPDX-License-Identifier: Apache-2.0 */
/* Every frame of a batch, read by the reader of its type, to the last item it offers. */
#include "protocol/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_run(struct frame *frame)
{
    struct run run;
    struct change change;

    if (run_read(&run, frame) == KITH_OK)
        while (run_next(&run, &change))
            continue;
}

static void read_chains(struct frame *frame)
{
    struct entries entries;
    struct circle_frame circle;
    struct frame again = *frame;
    struct bytes bytes;
    uint32_t device;

    if (roster_frame_read(&entries, frame) == KITH_OK)
        while (roster_frame_next(&entries, &bytes))
            continue;
    if (circle_frame_read(&circle, &again) == KITH_OK)
        while (circle_frame_box(&circle, &device, &bytes))
            continue;
}

static void read_ack(struct frame *frame)
{
    struct ack ack;
    struct ack_line line;

    if (ack_read(&ack, frame) == KITH_OK)
        while (ack_next(&ack, &line))
            continue;
}

/* The frames of fixed shape: each reader gets a copy of the cursor. */
static void read_small(const struct frame *frame)
{
    struct frame f;
    struct hello hello;
    struct welcome welcome;
    struct pull pull;
    struct cursor_frame cursor;
    struct refused refused;
    struct held held;
    struct invite_frame invite;
    enum kith_err reason;
    uint32_t seconds;
    uint64_t bytes;

    f = *frame;
    (void)!hello_read(&hello, &f);
    f = *frame;
    (void)!welcome_read(&welcome, &f);
    f = *frame;
    (void)!pull_read(&pull, &f);
    f = *frame;
    (void)!cursor_read(&cursor, &f);
    f = *frame;
    (void)!refused_read(&refused, &f);
    f = *frame;
    (void)!invite_read(&invite, &f);
    f = *frame;
    (void)!held_read(&held, &f);
    f = *frame;
    (void)!credit_read(&bytes, &f);
    f = *frame;
    (void)!retry_read(&seconds, &f);
    f = *frame;
    (void)!error_read(&reason, &f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_in batch = wire_open(bytes_of(data, size));
    struct frame frame;

    while (frame_next(&batch, &frame)) {
        struct frame f = frame;
        read_run(&f);
        f = frame;
        read_chains(&f);
        f = frame;
        read_ack(&f);
        read_small(&frame);
    }
    return 0;
}
