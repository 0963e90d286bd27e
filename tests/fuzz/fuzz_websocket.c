/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may come behind an upgrade, on either side, and messages that are carried and must come out
 * as they went in: the first byte chooses. However the bytes are cut, the same messages come out.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/channel.h"
#include "protocol/session.h"
#include "protocol/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static void open_one(struct websocket *websocket, enum websocket_role role)
{
    expect(websocket_init(websocket, role) == KITH_OK);
}

/* Hands it all the bytes, `piece` at a time; what comes out is added to `got`. */
static void feed(struct websocket *websocket, struct bytes in, size_t piece, struct buffer *got)
{
    while (in.len > 0) {
        size_t count = in.len < piece ? in.len : piece;
        size_t taken = websocket_receive(websocket, bytes_of(in.ptr, count));
        struct bytes stream = websocket_stream(websocket);
        expect(taken > 0 || stream.len > 0);
        in = bytes_after(in, taken);
        buffer_add(got, stream.ptr, stream.len);
        websocket_taken(websocket, stream.len);
        expect(!websocket->err && websocket->stream.len <= 2u + WEBSOCKET_MESSAGE_MAX);
    }
    for (struct bytes rest = websocket_stream(websocket); rest.len > 0;
         rest = websocket_stream(websocket)) {
        buffer_add(got, rest.ptr, rest.len);
        websocket_taken(websocket, rest.len);
    }
}

/* What came out is whole messages, after the preamble of a hub's first. */
static void expect_messages(struct bytes stream, enum websocket_role role)
{
    if (role == WEBSOCKET_HUB && stream.len > 0)
        stream = bytes_after(stream, CHANNEL_PREAMBLE_BYTES);
    while (stream.len > 0) {
        expect(stream.len >= CHANNEL_REFUSAL_BYTES);
        size_t len = get_u16(stream.ptr);
        bool is_refusal = len < TAG_BYTES && role == WEBSOCKET_DEVICE;
        expect(is_refusal || (len >= TAG_BYTES && stream.len >= NOISE_LENGTH_BYTES + len));
        stream = bytes_after(stream, is_refusal ? CHANNEL_REFUSAL_BYTES : NOISE_LENGTH_BYTES + len);
    }
}

static void take_strange_bytes(struct bytes in, enum websocket_role role, size_t piece)
{
    struct websocket whole;
    struct websocket cut;
    struct buffer from_whole;
    struct buffer from_cut;

    open_one(&whole, role);
    open_one(&cut, role);
    buffer_init(&from_whole, 1 << 20);
    buffer_init(&from_cut, 1 << 20);
    feed(&whole, in, SIZE_MAX, &from_whole);
    feed(&cut, in, piece, &from_cut);
    expect(bytes_equal(buffer_view(&from_whole), buffer_view(&from_cut)));
    /* Which rule a bad close breaks, and how soon that is seen, is wslay's; it ends either way. */
    expect((whole.code != 0) == whole.is_over && (cut.code != 0) == cut.is_over);
    expect_messages(buffer_view(&from_whole), role);
    websocket_clear(&whole);
    websocket_clear(&cut);
    buffer_clear(&from_whole);
    buffer_clear(&from_cut);
}

/* The input says how long the messages are. */
static void carry_messages(struct bytes in, enum websocket_role from, size_t piece)
{
    struct websocket sender;
    struct websocket taker;
    struct buffer sent;
    struct buffer got;

    open_one(&sender, from);
    open_one(&taker, from == WEBSOCKET_HUB ? WEBSOCKET_DEVICE : WEBSOCKET_HUB);
    buffer_init(&sent, 1 << 20);
    buffer_init(&got, 1 << 20);
    if (from == WEBSOCKET_DEVICE)
        buffer_add(&sent, "K\x01\x00", CHANNEL_PREAMBLE_BYTES);
    for (size_t i = 0; i + 2 <= in.len && i < 6; i += 2) {
        size_t len = get_u16(in.ptr + i) < TAG_BYTES ? TAG_BYTES : get_u16(in.ptr + i);
        uint8_t *at = buffer_extend(&sent, NOISE_LENGTH_BYTES + len);
        expect(at != NULL);
        memset(at, (int)i, NOISE_LENGTH_BYTES + len);
        put_u16(at, (uint16_t)len);
    }
    if (sent.len > CHANNEL_PREAMBLE_BYTES)
        websocket_send(&sender, buffer_view(&sent));
    feed(&taker, buffer_view(&sender.out), piece, &got);
    expect(sent.len <= CHANNEL_PREAMBLE_BYTES ||
           bytes_equal(buffer_view(&sent), buffer_view(&got)));
    websocket_clear(&sender);
    websocket_clear(&taker);
    buffer_clear(&sent);
    buffer_clear(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > SESSION_READ_MAX)
        return 0;
    struct bytes in = bytes_of(data + 2, size - 2);
    enum websocket_role role = data[0] & 1 ? WEBSOCKET_DEVICE : WEBSOCKET_HUB;
    size_t piece = 1 + (size_t)data[1];
    if (data[0] & 2)
        carry_messages(in, role, piece);
    else
        take_strange_bytes(in, role, piece);
    return 0;
}
