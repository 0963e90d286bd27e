/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger can send to a hub over the web, and what a proxy can answer to a device: the
 * first byte chooses. However the bytes are cut, they must mean the same; and a front must hold no
 * more than it may.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/front.h"
#include "protocol/session.h"

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static void read_in_pieces(struct http *http, struct bytes in, size_t piece)
{
    while (in.len > 0 && http->stage != HTTP_WHOLE && http->stage != HTTP_BROKEN) {
        size_t taken = http_receive(http, bytes_of(in.ptr, in.len < piece ? in.len : piece));
        expect(taken > 0 || http->stage == HTTP_WHOLE || http->stage == HTTP_BROKEN);
        in = bytes_after(in, taken);
    }
    http_end(http);
}

static void expect_same(const struct http *a, const struct http *b)
{
    expect(a->stage == b->stage && a->refusal == b->refusal);
    if (a->stage == HTTP_BROKEN)
        return;
    expect(memcmp(&a->head, &b->head, sizeof a->head) == 0);
    expect(bytes_equal(buffer_view(&a->body), buffer_view(&b->body)));
}

static void read_both_ways(struct bytes in, bool is_request, size_t piece)
{
    struct http whole;
    struct http cut;

    http_init(&whole, is_request, BODY_MAX);
    http_init(&cut, is_request, BODY_MAX);
    read_in_pieces(&whole, in, SIZE_MAX);
    read_in_pieces(&cut, in, piece);
    expect_same(&whole, &cut);
    expect(whole.head_bytes <= HTTP_HEAD_MAX && whole.body.len <= BODY_MAX);
    http_clear(&whole);
    http_clear(&cut);
}

/* A front, and a session that takes what it is given and answers a little. */
static void run_front(struct bytes in, size_t piece)
{
    struct front *front = front_new();

    expect(front != NULL);
    while (in.len > 0 && front_wants_bytes(front)) {
        size_t count = in.len < piece ? in.len : piece;
        front_receive(front, bytes_of(in.ptr, count));
        in = bytes_after(in, count);
        for (struct bytes got = front_stream(front); got.len > 0; got = front_stream(front))
            expect(got.len <= SESSION_READ_MAX);
        if (front_is_posted(front) || front->websocket.message_count > 0)
            front_send(front, bytes_of("\0\020sixteen letters.", 18));
        expect(front->out.len <= 4 * SESSION_READ_MAX && !front->out.err);
        buffer_reset(&front->out);
    }
    front_end(front, KITH_OK, false);
    expect(front_is_over(front) || front_waiting(front) > 0);
    front_free(front);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > SESSION_READ_MAX)
        return 0;
    struct bytes in = bytes_of(data + 2, size - 2);
    size_t piece = 1 + (size_t)data[1];
    if (data[0] % 3 == 2)
        run_front(in, piece);
    else
        read_both_ways(in, data[0] % 3 == 0, piece);
    return 0;
}
