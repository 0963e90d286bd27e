/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/channel.h"
#include "protocol/limits.h"

#define OUT_MAX (4 * (NOISE_MESSAGE_MAX + 8))

static const uint8_t code[KEY_BYTES] = "the code of an invitation, 32 b";
static const uint8_t wrong_code[KEY_BYTES] = "some other code, just as long..";

/* A device and a hub in one process; the test carries the bytes. */
struct pair {
    struct noise_keypair device_keys;
    struct noise_keypair hub_keys;
    struct channel device;
    struct channel hub;
    struct buffer out;
};

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static struct noise_keypair keypair_of(uint8_t seed)
{
    struct noise_keypair pair;
    uint8_t secret[KEY_BYTES];

    memset(secret, seed, sizeof secret);
    noise_keypair_from_secret(&pair, secret);
    return pair;
}

static void hub_init(struct pair *pair)
{
    static const uint8_t ephemeral[KEY_BYTES] = {6};

    channel_init_hub(&pair->hub, &pair->hub_keys, ephemeral);
}

static void device_init(struct pair *pair, enum channel_mode mode)
{
    static const uint8_t ephemeral[KEY_BYTES] = {5};
    const uint8_t *psk = mode == CHANNEL_SYNC ? NULL : code;

    channel_init_device(&pair->device, CHANNEL_TCP, mode, &pair->device_keys, ephemeral,
                        pair->hub_keys.public, psk);
}

static void pair_init(struct pair *pair, enum channel_mode mode)
{
    pair->device_keys = keypair_of(1);
    pair->hub_keys = keypair_of(2);
    device_init(pair, mode);
    hub_init(pair);
    buffer_init(&pair->out, OUT_MAX);
}

static void pair_clear(struct pair *pair)
{
    channel_clear(&pair->device);
    channel_clear(&pair->hub);
    buffer_clear(&pair->out);
}

static struct bytes sent_by(struct pair *pair, struct channel *channel, const char *text)
{
    buffer_reset(&pair->out);
    assert_int_equal(channel_send(channel, bytes_text(text), &pair->out), KITH_OK);
    return buffer_view(&pair->out);
}

static void assert_arrives(struct channel *channel, struct bytes stream, const char *text)
{
    struct bytes message;

    assert_int_equal(channel_receive(channel, stream), stream.len);
    assert_true(channel_next(channel, &message));
    assert_true(bytes_equal(message, bytes_text(text)));
    assert_false(channel_next(channel, &message));
    assert_int_equal(channel->err, KITH_OK);
}

static void handshake(struct pair *pair)
{
    assert_arrives(&pair->hub, sent_by(pair, &pair->device, "hello"), "hello");
    if (pair->hub.mode != CHANNEL_SYNC) {
        channel_set_psk(&pair->hub, code);
    }
    assert_arrives(&pair->device, sent_by(pair, &pair->hub, "welcome"), "welcome");
    assert_true(pair->device.is_open);
    assert_true(pair->hub.is_open);
}

static void two_channels_talk_in_every_mode(void **unused)
{
    (void)unused;
    for (int mode = 0; mode < CHANNEL_MODES; mode++) {
        struct pair pair;

        pair_init(&pair, (enum channel_mode)mode);
        handshake(&pair);
        assert_int_equal(pair.hub.mode, mode);
        assert_memory_equal(channel_peer(&pair.hub), pair.device_keys.public, KEY_BYTES);
        assert_memory_equal(channel_peer(&pair.device), pair.hub_keys.public, KEY_BYTES);
        assert_memory_equal(pair.hub.transport.hash, pair.device.transport.hash, NOISE_HASH_BYTES);
        assert_arrives(&pair.hub, sent_by(&pair, &pair.device, "up"), "up");
        assert_arrives(&pair.device, sent_by(&pair, &pair.hub, ""), "");
        pair_clear(&pair);
    }
}

static void the_stream_begins_with_preamble_length_and_message_1(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_FOUND);
    const struct bytes first = sent_by(&pair, &pair.device, "hello");
    assert_memory_equal(first.ptr, "K\x01\x02", 3);
    assert_int_equal(get_u16(first.ptr + 3), NOISE_FIRST_OVERHEAD + 5);
    assert_int_equal(first.len, 3 + 2 + NOISE_FIRST_OVERHEAD + 5);
    pair_clear(&pair);
}

static void the_peer_is_known_to_the_hub_after_message_1(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    assert_arrives(&pair.hub, sent_by(&pair, &pair.device, "hello"), "hello");
    assert_memory_equal(channel_peer(&pair.hub), pair.device_keys.public, KEY_BYTES);
    assert_false(pair.hub.is_open);
    pair_clear(&pair);
}

/* Brings a stream in pieces of at most `piece_max` bytes and counts the messages; each must be
 * `text`. */
static unsigned deliver(struct channel *channel, struct bytes stream, size_t piece_max,
                        uint64_t *seed, const char *text)
{
    unsigned count = 0;

    while (stream.len > 0 && channel->err == KITH_OK) {
        const size_t wish = 1 + (size_t)(random_next(seed) % piece_max);
        struct bytes message;

        const size_t taken =
            channel_receive(channel, bytes_of(stream.ptr, wish < stream.len ? wish : stream.len));
        assert_true(channel->in.len <= NOISE_LENGTH_BYTES + NOISE_MESSAGE_MAX);
        stream = bytes_after(stream, taken);
        while (channel_next(channel, &message)) {
            assert_true(bytes_equal(message, bytes_text(text)));
            count++;
        }
    }
    return count;
}

static void talk_in_pieces(size_t piece_max, uint64_t seed)
{
    struct bytes stream;
    struct pair pair;

    pair_init(&pair, CHANNEL_SYNC);
    stream = sent_by(&pair, &pair.device, "a");
    assert_int_equal(deliver(&pair.hub, stream, piece_max, &seed, "a"), 1);
    stream = sent_by(&pair, &pair.hub, "b");
    assert_int_equal(deliver(&pair.device, stream, piece_max, &seed, "b"), 1);
    buffer_reset(&pair.out);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(channel_send(&pair.device, bytes_text("many"), &pair.out), KITH_OK);
    }
    assert_int_equal(deliver(&pair.hub, buffer_view(&pair.out), piece_max, &seed, "many"), 20);
    assert_int_equal(pair.hub.err, KITH_OK);
    pair_clear(&pair);
}

static void a_stream_may_come_one_byte_at_a_time(void **unused)
{
    (void)unused;
    talk_in_pieces(1, 0);
}

static void a_stream_may_come_in_any_pieces(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 200; seed++) {
        talk_in_pieces(1 + seed, seed);
    }
}

static void nothing_is_taken_while_a_message_waits(void **unused)
{
    struct bytes message;
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    handshake(&pair);
    buffer_reset(&pair.out);
    assert_int_equal(channel_send(&pair.device, bytes_text("one"), &pair.out), KITH_OK);
    const size_t first = pair.out.len;
    assert_int_equal(channel_send(&pair.device, bytes_text("two"), &pair.out), KITH_OK);
    const struct bytes both = buffer_view(&pair.out);

    assert_int_equal(channel_receive(&pair.hub, both), first);
    assert_int_equal(channel_receive(&pair.hub, bytes_after(both, first)), 0);
    assert_true(channel_next(&pair.hub, &message));
    assert_true(bytes_equal(message, bytes_text("one")));
    assert_arrives(&pair.hub, bytes_after(both, first), "two");
    pair_clear(&pair);
}

static void a_silent_channel_holds_no_heap_memory(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    handshake(&pair);
    assert_null(pair.hub.in.ptr);
    assert_null(pair.hub.text.ptr);
    pair_clear(&pair);
}

/* A stream that must bring no message but a failure, whatever follows it. */
static void assert_dead(struct channel *channel, struct bytes stream)
{
    static const uint8_t filler[NOISE_LENGTH_BYTES + NOISE_MESSAGE_MAX];
    struct bytes message;

    (void)channel_receive(channel, stream);
    assert_false(channel_next(channel, &message));
    (void)channel_receive(channel, bytes_of(filler, sizeof filler));
    assert_false(channel_next(channel, &message));
    assert_int_not_equal(channel->err, KITH_OK);
    assert_int_equal(channel_receive(channel, stream), 0);
    assert_false(channel_next(channel, &message));
}

static void every_flipped_bit_of_the_first_flight_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    for (int mode = 0; mode < CHANNEL_MODES; mode++) {
        pair_init(&pair, (enum channel_mode)mode);
        const struct bytes first = sent_by(&pair, &pair.device, "hello");
        for (size_t bit = 0; bit < first.len * 8; bit++) {
            pair.out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_dead(&pair.hub, first);
            channel_clear(&pair.hub);
            hub_init(&pair);
            pair.out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        assert_arrives(&pair.hub, first, "hello");
        pair_clear(&pair);
    }
}

/* JOIN and FOUND share a pattern and are two bits apart: only the prologue tells them. */
static void a_first_flight_under_another_mode_is_refused(void **unused)
{
    (void)unused;
    for (int said = 0; said < CHANNEL_MODES; said++) {
        for (int meant = 0; meant < CHANNEL_MODES; meant++) {
            struct pair pair;

            pair_init(&pair, (enum channel_mode)meant);
            const struct bytes first = sent_by(&pair, &pair.device, "hello");
            pair.out.ptr[2] = (uint8_t)said;
            if (said == meant) {
                assert_arrives(&pair.hub, first, "hello");
            } else {
                assert_dead(&pair.hub, first);
            }
            pair_clear(&pair);
        }
    }
}

static void every_flipped_bit_of_message_2_is_refused(void **unused)
{
    struct buffer second;
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    assert_arrives(&pair.hub, sent_by(&pair, &pair.device, "hello"), "hello");
    buffer_init(&second, OUT_MAX);
    assert_int_equal(channel_send(&pair.hub, bytes_text("hi"), &second), KITH_OK);
    for (size_t bit = 0; bit < second.len * 8; bit++) {
        channel_clear(&pair.device);
        device_init(&pair, CHANNEL_SYNC);
        (void)sent_by(&pair, &pair.device, "hello");
        second.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_dead(&pair.device, buffer_view(&second));
        second.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buffer_clear(&second);
    pair_clear(&pair);
}

static void every_flipped_bit_of_a_transport_message_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    for (size_t bit = 0; bit < (NOISE_LENGTH_BYTES + 2 + TAG_BYTES) * 8; bit++) {
        pair_init(&pair, CHANNEL_SYNC);
        handshake(&pair);
        const struct bytes stream = sent_by(&pair, &pair.device, "hi");
        pair.out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_dead(&pair.hub, stream);
        assert_int_not_equal(channel_send(&pair.hub, bytes_text("no"), &pair.out), KITH_OK);
        pair_clear(&pair);
    }
}

static void a_wrong_clear_byte_fails_as_soon_as_it_is_there(void **unused)
{
    static const struct {
        const char *stream;
        size_t len;
        enum kith_err err;
    } table[] = {
        {"k", 1, KITH_MALFORMED},
        {"G", 1, KITH_MALFORMED},
        {"K", 1, KITH_OK},
        {"K\x00", 2, KITH_VERSION},
        {"K\x02", 2, KITH_VERSION},
        {"K\x01", 2, KITH_OK},
        {"K\x01\x03", 3, KITH_MALFORMED},
        {"K\x01\xff", 3, KITH_MALFORMED},
        {"K\x01\x00", 3, KITH_OK},
        {"K\x01\x02\x00", 4, KITH_OK},
        {"K\x01\x00\x00\x00", 5, KITH_MALFORMED},
        {"K\x01\x00\x00\x5f", 5, KITH_MALFORMED},
        {"K\x01\x00\x00\x60", 5, KITH_OK},
    };

    (void)unused;
    assert_int_equal(NOISE_FIRST_OVERHEAD, 0x60);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pair pair;

        pair_init(&pair, CHANNEL_SYNC);
        (void)channel_receive(&pair.hub, bytes_of(table[i].stream, table[i].len));
        assert_int_equal(pair.hub.err, table[i].err);
        pair_clear(&pair);
    }
}

static void a_message_shorter_than_any_is_refused(void **unused)
{
    static const uint8_t shortest_less_1[] = {0, TAG_BYTES - 1};
    static const uint8_t nothing[] = {0, 0};
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    handshake(&pair);
    (void)channel_receive(&pair.hub, bytes_of(shortest_less_1, 2));
    assert_int_equal(pair.hub.err, KITH_MALFORMED);
    (void)channel_receive(&pair.device, bytes_of(nothing, 2));
    assert_int_equal(pair.device.err, KITH_MALFORMED);
    pair_clear(&pair);

    pair_init(&pair, CHANNEL_SYNC);
    (void)sent_by(&pair, &pair.device, "hello");
    (void)channel_receive(&pair.device, bytes_of("\x00\x2f", 2));
    assert_int_equal(pair.device.err, KITH_MALFORMED);
    pair_clear(&pair);
}

static void bytes_out_of_turn_are_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    assert_int_equal(channel_receive(&pair.device, bytes_text("x")), 0);
    assert_int_equal(pair.device.err, KITH_STATE);
    pair_clear(&pair);

    pair_init(&pair, CHANNEL_SYNC);
    assert_arrives(&pair.hub, sent_by(&pair, &pair.device, "hello"), "hello");
    assert_int_equal(channel_receive(&pair.hub, bytes_text("x")), 0);
    assert_int_equal(pair.hub.err, KITH_STATE);
    pair_clear(&pair);
}

static void sending_out_of_turn_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    assert_int_equal(channel_send(&pair.hub, bytes_text("x"), &pair.out), KITH_STATE);
    assert_int_equal(pair.out.len, 0);
    (void)sent_by(&pair, &pair.device, "hello");
    buffer_reset(&pair.out);
    assert_int_equal(channel_send(&pair.device, bytes_text("x"), &pair.out), KITH_STATE);
    assert_int_equal(pair.out.len, 0);
    pair_clear(&pair);
}

static void a_wrong_or_missing_code_is_refused(void **unused)
{
    struct bytes message;
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_JOIN);
    assert_arrives(&pair.hub, sent_by(&pair, &pair.device, "hello"), "hello");
    channel_set_psk(&pair.hub, wrong_code);
    const struct bytes second = sent_by(&pair, &pair.hub, "welcome");
    assert_int_equal(channel_receive(&pair.device, second), second.len);
    assert_false(channel_next(&pair.device, &message));
    assert_int_equal(pair.device.err, KITH_HANDSHAKE);
    pair_clear(&pair);

    pair_init(&pair, CHANNEL_JOIN);
    assert_arrives(&pair.hub, sent_by(&pair, &pair.device, "hello"), "hello");
    buffer_reset(&pair.out);
    assert_int_equal(channel_send(&pair.hub, bytes_text("x"), &pair.out), KITH_HANDSHAKE);
    assert_int_equal(pair.out.len, 0);
    pair_clear(&pair);
}

static void another_hub_cannot_read_the_first_flight(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    const struct bytes first = sent_by(&pair, &pair.device, "hello");
    channel_clear(&pair.hub);
    pair.hub_keys = keypair_of(9);
    hub_init(&pair);
    assert_dead(&pair.hub, first);
    assert_int_equal(pair.hub.err, KITH_HANDSHAKE);
    pair_clear(&pair);
}

static void the_longest_text_passes_and_a_longer_one_is_refused(void **unused)
{
    static uint8_t text[NOISE_FIRST_TEXT_MAX + 1];
    struct bytes message;
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    const struct bytes longest = bytes_of(text, NOISE_FIRST_TEXT_MAX);
    assert_int_equal(channel_send(&pair.device, longest, &pair.out), KITH_OK);
    assert_int_equal(channel_receive(&pair.hub, buffer_view(&pair.out)), pair.out.len);
    assert_true(channel_next(&pair.hub, &message));
    assert_true(bytes_equal(message, longest));
    assert_true(pair.hub.in.cap <= NOISE_LENGTH_BYTES + NOISE_MESSAGE_MAX);
    buffer_reset(&pair.out);
    const struct bytes longer = bytes_of(text, sizeof text);
    assert_int_equal(channel_send(&pair.hub, longer, &pair.out), KITH_TOO_LARGE);
    assert_int_equal(pair.out.len, 0);
    assert_int_equal(pair.hub.err, KITH_TOO_LARGE);
    pair_clear(&pair);
}

static void a_full_buffer_fails_and_is_left_as_it_was(void **unused)
{
    struct buffer small;

    (void)unused;
    for (size_t max = 1; max < 3 + 2 + NOISE_FIRST_OVERHEAD + 1; max++) {
        struct pair pair;

        pair_init(&pair, CHANNEL_SYNC);
        buffer_init(&small, max);
        buffer_add(&small, "x", 1);
        assert_int_equal(channel_send(&pair.device, bytes_text(""), &small), KITH_TOO_LARGE);
        assert_int_equal(small.len, 1);
        buffer_clear(&small);
        pair_clear(&pair);
    }
}

static void garbage_is_refused(void **unused)
{
    static uint8_t garbage[NOISE_LENGTH_BYTES + NOISE_MESSAGE_MAX + CHANNEL_PREAMBLE_BYTES];
    const struct bytes stream = bytes_of(garbage, sizeof garbage);
    uint64_t seed = 5;

    (void)unused;
    for (unsigned i = 0; i < 200; i++) {
        struct pair pair;

        pair_init(&pair, CHANNEL_SYNC);
        for (size_t j = 0; j < sizeof garbage; j++) {
            garbage[j] = (uint8_t)random_next(&seed);
        }
        if (i % 2 == 0) {
            memcpy(garbage, "K\x01\x00", 3); /* past the preamble every other time */
        }
        assert_int_equal(deliver(&pair.hub, stream, 5000, &seed, "?"), 0);
        assert_int_not_equal(pair.hub.err, KITH_OK);
        pair_clear(&pair);
    }
}

static void more_messages_than_one_key_seals_pass_both_ways(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, CHANNEL_SYNC);
    handshake(&pair);
    for (unsigned i = 0; i < 70000; i++) {
        assert_arrives(&pair.hub, sent_by(&pair, &pair.device, "u"), "u");
        assert_arrives(&pair.device, sent_by(&pair, &pair.hub, "d"), "d");
    }
    assert_true(pair.hub.transport.send.nonce > NOISE_REKEY_MESSAGES);
    pair_clear(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_channels_talk_in_every_mode),
        cmocka_unit_test(the_stream_begins_with_preamble_length_and_message_1),
        cmocka_unit_test(the_peer_is_known_to_the_hub_after_message_1),
        cmocka_unit_test(a_stream_may_come_one_byte_at_a_time),
        cmocka_unit_test(a_stream_may_come_in_any_pieces),
        cmocka_unit_test(nothing_is_taken_while_a_message_waits),
        cmocka_unit_test(a_silent_channel_holds_no_heap_memory),
        cmocka_unit_test(every_flipped_bit_of_the_first_flight_is_refused),
        cmocka_unit_test(a_first_flight_under_another_mode_is_refused),
        cmocka_unit_test(every_flipped_bit_of_message_2_is_refused),
        cmocka_unit_test(every_flipped_bit_of_a_transport_message_is_refused),
        cmocka_unit_test(a_wrong_clear_byte_fails_as_soon_as_it_is_there),
        cmocka_unit_test(a_message_shorter_than_any_is_refused),
        cmocka_unit_test(bytes_out_of_turn_are_refused),
        cmocka_unit_test(sending_out_of_turn_is_refused),
        cmocka_unit_test(a_wrong_or_missing_code_is_refused),
        cmocka_unit_test(another_hub_cannot_read_the_first_flight),
        cmocka_unit_test(the_longest_text_passes_and_a_longer_one_is_refused),
        cmocka_unit_test(a_full_buffer_fails_and_is_left_as_it_was),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(more_messages_than_one_key_seals_pass_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
