/* SPDX-License-Identifier: Apache-2.0 */
/* A device's end and a hub's end of a WebSocket, joined by hand: what a channel writes on one side
 * is what comes out on the other, however the bytes are cut; and what each refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "protocol/channel.h"
#include "protocol/seal.h"
#include "protocol/websocket.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

struct pair {
    struct websocket device;
    struct websocket hub;
};

static void pair_open(struct pair *pair)
{
    assert_int_equal(websocket_init(&pair->device, WEBSOCKET_DEVICE), KITH_OK);
    assert_int_equal(websocket_init(&pair->hub, WEBSOCKET_HUB), KITH_OK);
}

static void pair_close(struct pair *pair)
{
    websocket_clear(&pair->device);
    websocket_clear(&pair->hub);
}

/* Carries what `from` has to send, `piece` bytes at a time; what comes out is added to `got`. */
static void carry(struct websocket *from, struct websocket *to, size_t piece, struct buffer *got)
{
    struct bytes left = buffer_view(&from->out);

    while (left.len > 0) {
        size_t count = left.len < piece ? left.len : piece;
        size_t taken = websocket_receive(to, bytes_of(left.ptr, count));
        struct bytes stream = websocket_stream(to);

        assert_true(taken > 0 || stream.len > 0);
        left = bytes_after(left, taken);
        buffer_add(got, stream.ptr, stream.len);
        websocket_taken(to, stream.len);
    }
    buffer_reset(&from->out);
}

/* A message as a channel writes it: its length, and bytes that tell it from others. */
static void add_message(struct buffer *stream, size_t len, uint8_t mark)
{
    uint8_t *at = buffer_extend(stream, NOISE_LENGTH_BYTES + len);

    assert_non_null(at);
    put_u16(at, (uint16_t)len);
    for (size_t i = 0; i < len; i++)
        at[NOISE_LENGTH_BYTES + i] = (uint8_t)(mark + i * 7);
}

static void what_a_channel_writes_comes_out_as_over_tcp(void **state)
{
    static const size_t sizes[] = {16, 17, 125, 126, 127, 4095, 4096, 4097, 65533, 65534, 65535};
    static const size_t pieces[] = {1, 2, 3, 1000, 4096, 65536, 1 << 20};
    struct buffer sent;
    struct buffer got;

    (void)state;
    buffer_init(&sent, 1 << 22);
    buffer_init(&got, 1 << 22);
    for (size_t p = 0; p < COUNT_OF(pieces); p++) {
        struct pair pair;
        pair_open(&pair);
        buffer_reset(&sent);
        buffer_reset(&got);
        buffer_add(&sent, "K\x01\x00", 3);
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            add_message(&sent, sizes[COUNT_OF(sizes) - 1 - i], (uint8_t)i);
        websocket_send(&pair.device, buffer_view(&sent));
        carry(&pair.device, &pair.hub, pieces[p], &got);
        assert_true(bytes_equal(buffer_view(&sent), buffer_view(&got)));
        assert_int_equal(pair.hub.message_count, COUNT_OF(sizes));

        buffer_reset(&sent);
        buffer_reset(&got);
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            add_message(&sent, sizes[i], (uint8_t)i);
        websocket_send(&pair.hub, buffer_view(&sent));
        carry(&pair.hub, &pair.device, pieces[p], &got);
        assert_true(bytes_equal(buffer_view(&sent), buffer_view(&got)));
        pair_close(&pair);
    }
    buffer_clear(&sent);
    buffer_clear(&got);
}

static void a_refusal_passes_as_it_is(void **state)
{
    uint8_t refusal[CHANNEL_REFUSAL_BYTES];
    struct pair pair;
    struct buffer got;

    (void)state;
    pair_open(&pair);
    buffer_init(&got, 100);
    channel_refusal_write(refusal, 77);
    websocket_send(&pair.hub, bytes_of(refusal, sizeof refusal));
    websocket_close(&pair.hub, WEBSOCKET_GOING_AWAY);
    carry(&pair.hub, &pair.device, 1, &got);
    assert_int_equal(got.len, sizeof refusal);
    assert_memory_equal(got.ptr, refusal, sizeof refusal);
    assert_true(pair.device.is_over);
    assert_int_equal(pair.device.code, WEBSOCKET_GOING_AWAY);
    buffer_clear(&got);
    pair_close(&pair);
}

static void both_sides_close_once(void **state)
{
    struct pair pair;
    struct buffer got;

    (void)state;
    pair_open(&pair);
    buffer_init(&got, 100);
    websocket_close(&pair.device, WEBSOCKET_NORMAL);
    websocket_close(&pair.device, WEBSOCKET_FAULT);
    assert_true(pair.device.is_over);
    carry(&pair.device, &pair.hub, 100, &got);
    assert_true(pair.hub.is_over);
    assert_int_equal(pair.hub.code, WEBSOCKET_NORMAL);
    assert_int_equal(pair.hub.out.len, 4); /* the answer, and nothing else */
    websocket_close(&pair.hub, WEBSOCKET_FAULT);
    websocket_ping(&pair.hub);
    assert_int_equal(pair.hub.out.len, 4);
    assert_int_equal(got.len, 0);
    assert_int_equal(websocket_receive(&pair.hub, bytes_of("any", 3)), 3);
    pair_close(&pair);
    buffer_clear(&got);
}

static void a_ping_is_answered_and_is_no_data(void **state)
{
    struct pair pair;
    struct buffer got;

    (void)state;
    pair_open(&pair);
    buffer_init(&got, 100);
    websocket_ping(&pair.hub);
    carry(&pair.hub, &pair.device, 1, &got);
    assert_true(pair.device.out.len > 0);
    carry(&pair.device, &pair.hub, 1, &got);
    assert_int_equal(pair.hub.out.len, 0);
    assert_int_equal(got.len, 0);
    assert_int_equal(pair.hub.payload_bytes, 0);
    assert_false(pair.hub.is_over);
    pair_close(&pair);
}

/* Bytes that a hub could send to a device, and what the device says to them. */
static void a_device_holds_a_hub_to_the_same_rules(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint16_t code;
    } rows[] = {
        {"\x82\x80mask", 6, 1002},               /* masked */
        {"\xC2\x01x", 3, 1002},                  /* a reserved bit */
        {"\x81\x02hi", 4, 1003},                 /* text */
        {"\x82\x00", 2, 1008},                   /* nothing */
        {"\x82\x05half.", 7, 1008},              /* neither a message nor a refusal */
        {"\x82\x04\0\x85\2\0", 6, 1008},         /* as long as a refusal, and none */
        {"\x80\x01x", 3, 1002},                  /* the rest of nothing */
        {"\x09\x00", 2, 1002},                   /* a ping in pieces */
        {"\x88\x01x", 3, 1002},                  /* half a code */
        {"\x88\x04\x03\xE8\xFF\xFF", 6, 1007},   /* a reason that is no UTF-8 */
        {"\x82\x7F\0\0\0\0\0\1\0\0x", 11, 1009}, /* one byte too many, by its length */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair pair;
        pair_open(&pair);
        (void)websocket_receive(&pair.device, bytes_of(rows[i].bytes, rows[i].len));
        assert_true(pair.device.is_over);
        assert_int_equal(pair.device.code, rows[i].code);
        assert_int_equal(websocket_stream(&pair.device).len, 0);
        (void)websocket_receive(&pair.hub, buffer_view(&pair.device.out)); /* and says so, masked */
        assert_true(pair.hub.is_over);
        assert_int_equal(pair.hub.code, rows[i].code);
        pair_close(&pair);
    }
}

static void a_key_is_answered_as_the_rfc_says(void **state)
{
    char accept[WEBSOCKET_ACCEPT_CHARS + 1];
    char key[WEBSOCKET_KEY_CHARS + 1];
    char other[WEBSOCKET_KEY_CHARS + 1];

    (void)state;
    assert_true(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept));
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    websocket_key(key);
    websocket_key(other);
    assert_true(websocket_key_is_good(key));
    assert_string_not_equal(key, other);
    assert_false(websocket_key_is_good(""));
    assert_false(websocket_key_is_good("dGhlIHNhbXBsZSBub25jZQ="));
    assert_false(websocket_key_is_good("dGhlIHNhbXBsZSBub25jZ==="));
    assert_false(websocket_key_is_good("dGhlIHNhbXBsZSBub25jZ!=="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_channel_writes_comes_out_as_over_tcp),
        cmocka_unit_test(a_refusal_passes_as_it_is),
        cmocka_unit_test(both_sides_close_once),
        cmocka_unit_test(a_ping_is_answered_and_is_no_data),
        cmocka_unit_test(a_device_holds_a_hub_to_the_same_rules),
        cmocka_unit_test(a_key_is_answered_as_the_rfc_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
