/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "protocol/noise.h"

#define OUT_MAX      (NOISE_MESSAGE_MAX + 1)
#define MESSAGES_MAX 8
#define TEXT_MAX     512

static const uint8_t psk_right[KEY_BYTES] = "a secret that was told by phone";
static const uint8_t psk_wrong[KEY_BYTES] = "a secret that was told by fax..";

/* Two roles, and where the bytes between them go. */
struct pair {
    struct noise_keypair hub;
    struct noise_keypair device;
    struct noise_handshake initiator;
    struct noise_handshake responder;
    struct buffer message;
    struct buffer text;
};

static struct noise_keypair keypair_of(uint8_t seed)
{
    struct noise_keypair pair;
    uint8_t secret[KEY_BYTES];

    memset(secret, seed, sizeof secret);
    noise_keypair_from_secret(&pair, secret);
    return pair;
}

static void pair_init(struct pair *pair, enum noise_pattern pattern)
{
    struct noise_config config = {.pattern = pattern, .prologue = bytes_text("prologue")};

    pair->hub = keypair_of(1);
    pair->device = keypair_of(2);
    config.role = NOISE_INITIATOR;
    config.local_static = pair->device;
    memset(config.ephemeral_secret, 3, KEY_BYTES);
    memcpy(config.remote_static, pair->hub.public, KEY_BYTES);
    noise_init(&pair->initiator, &config);
    config.role = NOISE_RESPONDER;
    config.local_static = pair->hub;
    memset(config.ephemeral_secret, 4, KEY_BYTES);
    noise_init(&pair->responder, &config);
    if (pattern == NOISE_IKPSK2) {
        noise_set_psk(&pair->initiator, psk_right);
        noise_set_psk(&pair->responder, psk_right);
    }
    buffer_init(&pair->message, OUT_MAX);
    buffer_init(&pair->text, OUT_MAX);
}

static void pair_clear(struct pair *pair)
{
    noise_clear(&pair->initiator);
    noise_clear(&pair->responder);
    buffer_clear(&pair->message);
    buffer_clear(&pair->text);
}

/* One step that must succeed: `from` writes `text`, `to` reads it. */
static void step(struct pair *pair, struct noise_handshake *from, struct noise_handshake *to,
                 const char *text)
{
    buffer_reset(&pair->message);
    buffer_reset(&pair->text);
    assert_int_equal(noise_write(from, bytes_text(text), &pair->message), KITH_OK);
    assert_int_equal(noise_read(to, buffer_view(&pair->message), &pair->text), KITH_OK);
    assert_true(bytes_equal(buffer_view(&pair->text), bytes_text(text)));
}

static void pair_connect(struct pair *pair, struct noise_transport *device,
                         struct noise_transport *hub)
{
    step(pair, &pair->initiator, &pair->responder, "hello");
    step(pair, &pair->responder, &pair->initiator, "welcome");
    assert_true(noise_is_finished(&pair->initiator));
    assert_true(noise_is_finished(&pair->responder));
    noise_split(&pair->initiator, device);
    noise_split(&pair->responder, hub);
}

static void pass(struct pair *pair, struct noise_cipher *send, struct noise_cipher *receive,
                 const char *text)
{
    buffer_reset(&pair->message);
    buffer_reset(&pair->text);
    assert_int_equal(noise_seal(send, bytes_text(text), &pair->message), KITH_OK);
    assert_int_equal(pair->message.len, strlen(text) + TAG_BYTES);
    assert_int_equal(noise_unseal(receive, buffer_view(&pair->message), &pair->text), KITH_OK);
    assert_true(bytes_equal(buffer_view(&pair->text), bytes_text(text)));
}

static bool is_zero(const void *memory, size_t len)
{
    return sodium_is_zero(memory, len) == 1;
}

static void two_roles_talk(void **unused)
{
    (void)unused;
    for (int pattern = NOISE_IK; pattern <= NOISE_IKPSK2; pattern++) {
        struct pair pair;
        struct noise_transport device;
        struct noise_transport hub;

        pair_init(&pair, (enum noise_pattern)pattern);
        pair_connect(&pair, &device, &hub);
        assert_memory_equal(device.hash, hub.hash, NOISE_HASH_BYTES);
        assert_memory_not_equal(device.send.key, device.receive.key, KEY_BYTES);
        for (unsigned i = 0; i < 10; i++) {
            pass(&pair, &device.send, &hub.receive, "up");
            pass(&pair, &hub.send, &device.receive, "");
        }
        pair_clear(&pair);
    }
}

static void the_responder_learns_the_initiators_key_from_message_1(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IK);
    step(&pair, &pair.initiator, &pair.responder, "hello");
    assert_memory_equal(pair.responder.remote_static, pair.device.public, KEY_BYTES);
    pair_clear(&pair);
}

static void overheads_are_as_the_limits_say(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IKPSK2);
    step(&pair, &pair.initiator, &pair.responder, "");
    assert_int_equal(pair.message.len, NOISE_FIRST_OVERHEAD);
    step(&pair, &pair.responder, &pair.initiator, "");
    assert_int_equal(pair.message.len, NOISE_SECOND_OVERHEAD);
    pair_clear(&pair);
}

/* Message 1 of a fresh pair, and a responder to read it. */
static void first_prepare(struct pair *pair, enum noise_pattern pattern)
{
    pair_init(pair, pattern);
    assert_int_equal(noise_write(&pair->initiator, bytes_text("hello"), &pair->message), KITH_OK);
}

static void assert_refused(struct noise_handshake *noise, struct bytes message, struct buffer *text)
{
    buffer_reset(text);
    assert_int_equal(noise_read(noise, message, text), KITH_HANDSHAKE);
    assert_int_equal(text->len, 0);
    assert_true(noise->is_failed);
    assert_false(noise_is_finished(noise));
}

static void message_1_altered_at_any_byte_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    first_prepare(&pair, NOISE_IK);
    const struct noise_handshake fresh = pair.responder;
    for (size_t i = 0; i < pair.message.len; i++) {
        pair.responder = fresh;
        pair.message.ptr[i] ^= (uint8_t)(1u << (i % 8));
        assert_refused(&pair.responder, buffer_view(&pair.message), &pair.text);
        pair.message.ptr[i] ^= (uint8_t)(1u << (i % 8));
    }
    pair.responder = fresh;
    assert_int_equal(noise_read(&pair.responder, buffer_view(&pair.message), &pair.text), KITH_OK);
    pair_clear(&pair);
}

static void message_2_altered_at_any_byte_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IKPSK2);
    step(&pair, &pair.initiator, &pair.responder, "hello");
    buffer_reset(&pair.message);
    assert_int_equal(noise_write(&pair.responder, bytes_text("hi"), &pair.message), KITH_OK);
    const struct noise_handshake fresh = pair.initiator;
    for (size_t i = 0; i < pair.message.len; i++) {
        pair.initiator = fresh;
        pair.message.ptr[i] ^= 0x80;
        assert_refused(&pair.initiator, buffer_view(&pair.message), &pair.text);
        pair.message.ptr[i] ^= 0x80;
    }
    pair_clear(&pair);
}

static void a_handshake_message_of_any_other_length_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    first_prepare(&pair, NOISE_IK);
    const struct noise_handshake fresh = pair.responder;
    for (size_t len = 0; len < pair.message.len; len++) {
        pair.responder = fresh;
        assert_refused(&pair.responder, bytes_of(pair.message.ptr, len), &pair.text);
    }
    pair.responder = fresh;
    buffer_add(&pair.message, "", 1);
    assert_refused(&pair.responder, buffer_view(&pair.message), &pair.text);
    pair_clear(&pair);
}

static void a_failed_handshake_cannot_be_continued(void **unused)
{
    struct pair pair;

    (void)unused;
    first_prepare(&pair, NOISE_IK);
    pair.message.ptr[0] ^= 1;
    assert_refused(&pair.responder, buffer_view(&pair.message), &pair.text);
    pair.message.ptr[0] ^= 1;
    assert_refused(&pair.responder, buffer_view(&pair.message), &pair.text);
    assert_int_equal(noise_write(&pair.responder, bytes_text(""), &pair.text), KITH_HANDSHAKE);
    assert_true(is_zero(&pair.responder.local_static, sizeof pair.responder.local_static));
    assert_true(is_zero(pair.responder.chaining_key, NOISE_HASH_BYTES));
    pair_clear(&pair);
}

static void a_wrong_psk_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IKPSK2);
    noise_set_psk(&pair.responder, psk_wrong);
    step(&pair, &pair.initiator, &pair.responder, "hello");
    buffer_reset(&pair.message);
    assert_int_equal(noise_write(&pair.responder, bytes_text("hi"), &pair.message), KITH_OK);
    assert_refused(&pair.initiator, buffer_view(&pair.message), &pair.text);
    pair_clear(&pair);
}

static void a_missing_psk_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IKPSK2);
    pair.responder.has_psk = false;
    step(&pair, &pair.initiator, &pair.responder, "hello");
    buffer_reset(&pair.message);
    assert_int_equal(noise_write(&pair.responder, bytes_text("hi"), &pair.message), KITH_HANDSHAKE);
    assert_int_equal(pair.message.len, 0);
    pair_clear(&pair);
}

static void the_psk_may_be_set_after_message_1(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IKPSK2);
    pair.responder.has_psk = false;
    step(&pair, &pair.initiator, &pair.responder, "hello");
    noise_set_psk(&pair.responder, psk_right);
    step(&pair, &pair.responder, &pair.initiator, "welcome");
    pair_clear(&pair);
}

static void one_pattern_does_not_read_the_other(void **unused)
{
    struct pair with_psk;
    struct pair without;

    (void)unused;
    first_prepare(&with_psk, NOISE_IKPSK2);
    first_prepare(&without, NOISE_IK);
    assert_refused(&with_psk.responder, buffer_view(&without.message), &with_psk.text);
    assert_refused(&without.responder, buffer_view(&with_psk.message), &without.text);
    pair_clear(&with_psk);
    pair_clear(&without);
}

static void another_prologue_or_hub_is_refused(void **unused)
{
    struct noise_config config = {.role = NOISE_RESPONDER, .prologue = bytes_text("prologuf")};
    struct noise_handshake other;
    struct pair pair;

    (void)unused;
    first_prepare(&pair, NOISE_IK);
    config.local_static = pair.hub;
    memset(config.ephemeral_secret, 4, KEY_BYTES);
    noise_init(&other, &config);
    assert_refused(&other, buffer_view(&pair.message), &pair.text);
    config.prologue = bytes_text("prologue");
    config.local_static = keypair_of(9);
    noise_init(&other, &config);
    assert_refused(&other, buffer_view(&pair.message), &pair.text);
    pair_clear(&pair);
}

static void a_step_out_of_turn_is_refused(void **unused)
{
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IK);
    assert_int_equal(noise_write(&pair.responder, bytes_text(""), &pair.message), KITH_HANDSHAKE);
    assert_int_equal(pair.message.len, 0);
    pair_clear(&pair);

    first_prepare(&pair, NOISE_IK);
    assert_int_equal(noise_write(&pair.initiator, bytes_text(""), &pair.text), KITH_HANDSHAKE);
    pair_clear(&pair);

    first_prepare(&pair, NOISE_IK);
    assert_int_equal(noise_read(&pair.responder, buffer_view(&pair.message), &pair.text), KITH_OK);
    assert_refused(&pair.responder, buffer_view(&pair.message), &pair.text);
    pair_clear(&pair);
}

/* The points of small order that libsodium refuses: whoever sends one decides the shared secret. */
static const uint8_t weak_keys[][KEY_BYTES] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

static void a_weak_public_key_is_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof weak_keys / sizeof weak_keys[0]; i++) {
        struct pair pair;

        first_prepare(&pair, NOISE_IK);
        memcpy(pair.message.ptr, weak_keys[i], KEY_BYTES);
        assert_refused(&pair.responder, buffer_view(&pair.message), &pair.text);
        pair_clear(&pair);

        pair_init(&pair, NOISE_IK);
        memcpy(pair.initiator.remote_static, weak_keys[i], KEY_BYTES);
        assert_int_equal(noise_write(&pair.initiator, bytes_text(""), &pair.message),
                         KITH_HANDSHAKE);
        assert_int_equal(pair.message.len, 0);
        pair_clear(&pair);

        pair_init(&pair, NOISE_IK);
        memcpy(pair.initiator.local_static.public, weak_keys[i], KEY_BYTES);
        assert_int_equal(noise_write(&pair.initiator, bytes_text(""), &pair.message), KITH_OK);
        assert_refused(&pair.responder, buffer_view(&pair.message), &pair.text);
        pair_clear(&pair);
    }
}

static void a_payload_fits_up_to_the_longest_message(void **unused)
{
    static uint8_t text[NOISE_MESSAGE_MAX];
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IK);
    const struct bytes longest = bytes_of(text, NOISE_FIRST_TEXT_MAX);
    assert_int_equal(noise_write(&pair.initiator, longest, &pair.message), KITH_OK);
    assert_int_equal(pair.message.len, NOISE_MESSAGE_MAX);
    assert_int_equal(noise_read(&pair.responder, buffer_view(&pair.message), &pair.text), KITH_OK);
    buffer_reset(&pair.message);
    const struct bytes longer = bytes_of(text, NOISE_MESSAGE_MAX - NOISE_SECOND_OVERHEAD + 1);
    assert_int_equal(noise_write(&pair.responder, longer, &pair.message), KITH_TOO_LARGE);
    assert_int_equal(pair.message.len, 0);
    pair_clear(&pair);
}

static void a_full_buffer_fails_and_is_left_as_it_was(void **unused)
{
    struct pair pair;
    struct buffer small;

    (void)unused;
    for (size_t max = 3; max < 3 + NOISE_FIRST_OVERHEAD; max++) {
        pair_init(&pair, NOISE_IK);
        buffer_init(&small, max);
        buffer_add(&small, "abc", 3);
        assert_int_equal(noise_write(&pair.initiator, bytes_text(""), &small), KITH_TOO_LARGE);
        assert_true(bytes_equal(buffer_view(&small), bytes_text("abc")));
        buffer_clear(&small);
        pair_clear(&pair);
    }
}

static void splitting_wipes_the_handshake(void **unused)
{
    struct noise_transport device;
    struct noise_transport hub;
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IKPSK2);
    pair_connect(&pair, &device, &hub);
    assert_true(is_zero(&pair.initiator, sizeof pair.initiator));
    assert_true(is_zero(&pair.responder, sizeof pair.responder));
    pair_clear(&pair);
}

static void an_altered_transport_message_is_refused_and_the_right_one_still_passes(void **unused)
{
    struct noise_transport device;
    struct noise_transport hub;
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IK);
    pair_connect(&pair, &device, &hub);
    buffer_reset(&pair.message);
    buffer_reset(&pair.text);
    assert_int_equal(noise_seal(&device.send, bytes_text("text"), &pair.message), KITH_OK);
    const struct bytes message = buffer_view(&pair.message);
    for (size_t i = 0; i < message.len * 8; i++) {
        pair.message.ptr[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(noise_unseal(&hub.receive, message, &pair.text), KITH_DECRYPT);
        assert_int_equal(pair.text.len, 0);
        pair.message.ptr[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t len = 0; len < message.len; len++) {
        assert_int_equal(noise_unseal(&hub.receive, bytes_of(message.ptr, len), &pair.text),
                         KITH_DECRYPT);
    }
    assert_int_equal(noise_unseal(&hub.receive, message, &pair.text), KITH_OK);
    assert_int_equal(noise_unseal(&hub.receive, message, &pair.text), KITH_DECRYPT); /* replayed */
    assert_int_equal(noise_unseal(&device.receive, message, &pair.text), KITH_DECRYPT);
    pair_clear(&pair);
}

static void a_transport_message_fits_up_to_the_longest(void **unused)
{
    static uint8_t text[NOISE_TEXT_MAX + 1];
    struct noise_cipher cipher = {.has_key = true};
    struct buffer out;

    (void)unused;
    buffer_init(&out, OUT_MAX);
    assert_int_equal(noise_seal(&cipher, bytes_of(text, sizeof text), &out), KITH_TOO_LARGE);
    assert_int_equal(cipher.nonce, 0);
    assert_int_equal(noise_seal(&cipher, bytes_of(text, NOISE_TEXT_MAX), &out), KITH_OK);
    assert_int_equal(out.len, NOISE_MESSAGE_MAX);
    assert_int_equal(cipher.nonce, 1);
    buffer_clear(&out);
}

/* REKEY as the specification words it, apart from the code under test. */
static void rekey_model(uint8_t key[KEY_BYTES])
{
    static const uint8_t nonce[12] = {0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255};
    uint8_t sealed[KEY_BYTES + TAG_BYTES] = {0};

    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, sealed, KEY_BYTES, NULL, 0, NULL, nonce,
                                              key);
    memcpy(key, sealed, KEY_BYTES);
}

static void both_sides_rekey_at_the_boundary(void **unused)
{
    struct noise_transport device;
    struct noise_transport hub;
    uint8_t key[KEY_BYTES];
    struct pair pair;

    (void)unused;
    pair_init(&pair, NOISE_IK);
    pair_connect(&pair, &device, &hub);
    memcpy(key, device.send.key, KEY_BYTES);
    for (unsigned i = 1; i <= 2 * NOISE_REKEY_MESSAGES + 2; i++) {
        pass(&pair, &device.send, &hub.receive, "x");
        if (i % NOISE_REKEY_MESSAGES == 0) {
            rekey_model(key);
        }
        assert_memory_equal(device.send.key, key, KEY_BYTES);
        assert_memory_equal(hub.receive.key, key, KEY_BYTES);
        assert_int_equal(device.send.nonce, i);
    }
    pair_clear(&pair);
}

static void the_nonce_has_an_end(void **unused)
{
    struct noise_cipher send = {.has_key = true, .nonce = (UINT64_C(1) << 48) - 1};
    struct noise_cipher receive = send;
    struct buffer message;
    struct buffer text;

    (void)unused;
    buffer_init(&message, OUT_MAX);
    buffer_init(&text, OUT_MAX);
    assert_int_equal(noise_seal(&send, bytes_text("last"), &message), KITH_OK);
    assert_int_equal(noise_unseal(&receive, buffer_view(&message), &text), KITH_OK);
    assert_int_equal(noise_seal(&send, bytes_text("never"), &message), KITH_STATE);
    assert_int_equal(noise_unseal(&receive, buffer_view(&message), &text), KITH_DECRYPT);
    assert_int_equal(message.len, 4 + TAG_BYTES);
    assert_int_equal(text.len, 4);
    buffer_clear(&message);
    buffer_clear(&text);
}

/* A published vector, as far as the two patterns need it. */
struct blob {
    uint8_t ptr[TEXT_MAX];
    size_t len;
};

struct vector {
    char name[2 * TEXT_MAX + 1];
    struct blob init_prologue, init_static, init_ephemeral, init_remote_static, init_psk;
    struct blob resp_prologue, resp_static, resp_ephemeral, resp_psk;
    struct blob hash;
    struct blob payloads[MESSAGES_MAX];
    struct blob ciphertexts[MESSAGES_MAX];
    size_t count;
};

static void blob_read(struct blob *blob, const char *hex)
{
    const char *end = NULL;

    blob->len = 0;
    if (strcmp(hex, "-") != 0) {
        assert_int_equal(
            sodium_hex2bin(blob->ptr, sizeof blob->ptr, hex, strlen(hex), NULL, &blob->len, &end),
            0);
        assert_int_equal(*end, '\0');
    }
}

static void field_read(struct vector *vector, const char *key, const char *value)
{
    const struct {
        const char *key;
        struct blob *blob;
    } fields[] = {
        {"init_prologue", &vector->init_prologue},
        {"init_static", &vector->init_static},
        {"init_ephemeral", &vector->init_ephemeral},
        {"init_remote_static", &vector->init_remote_static},
        {"init_psk", &vector->init_psk},
        {"resp_prologue", &vector->resp_prologue},
        {"resp_static", &vector->resp_static},
        {"resp_ephemeral", &vector->resp_ephemeral},
        {"resp_psk", &vector->resp_psk},
        {"hash", &vector->hash},
    };

    if (strcmp(key, "name") == 0) {
        (void)snprintf(vector->name, sizeof vector->name, "%s", value);
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(key, fields[i].key) == 0) {
            blob_read(fields[i].blob, value);
        }
    }
}

static void line_read(struct vector *vector, const char *line)
{
    char key[32];
    char first[2 * TEXT_MAX + 1];
    char second[2 * TEXT_MAX + 1];
    const int words = sscanf(line, "%31s %1024s %1024s", key, first, second);

    if (words == 3 && strcmp(key, "m") == 0) {
        assert_true(vector->count < MESSAGES_MAX);
        blob_read(&vector->payloads[vector->count], first);
        blob_read(&vector->ciphertexts[vector->count], second);
        vector->count++;
    } else if (words == 2) {
        field_read(vector, key, first);
    }
}

static struct bytes blob_view(const struct blob *blob)
{
    return bytes_of(blob->ptr, blob->len);
}

static void vector_init(const struct vector *vector, struct pair *pair)
{
    const bool has_psk = vector->init_psk.len > 0;
    struct noise_config config = {.pattern = has_psk ? NOISE_IKPSK2 : NOISE_IK};

    config.role = NOISE_INITIATOR;
    config.prologue = blob_view(&vector->init_prologue);
    noise_keypair_from_secret(&config.local_static, vector->init_static.ptr);
    memcpy(config.ephemeral_secret, vector->init_ephemeral.ptr, KEY_BYTES);
    memcpy(config.remote_static, vector->init_remote_static.ptr, KEY_BYTES);
    noise_init(&pair->initiator, &config);
    config.role = NOISE_RESPONDER;
    config.prologue = blob_view(&vector->resp_prologue);
    noise_keypair_from_secret(&config.local_static, vector->resp_static.ptr);
    memcpy(config.ephemeral_secret, vector->resp_ephemeral.ptr, KEY_BYTES);
    noise_init(&pair->responder, &config);
    if (has_psk) {
        noise_set_psk(&pair->initiator, vector->init_psk.ptr);
        noise_set_psk(&pair->responder, vector->resp_psk.ptr);
    }
    buffer_init(&pair->message, OUT_MAX);
    buffer_init(&pair->text, OUT_MAX);
}

/* One message of the handshake; the initiator writes the first. */
static void vector_shake(struct pair *pair, size_t i, struct bytes payload)
{
    struct noise_handshake *from = i == 0 ? &pair->initiator : &pair->responder;
    struct noise_handshake *to = i == 0 ? &pair->responder : &pair->initiator;

    assert_int_equal(noise_write(from, payload, &pair->message), KITH_OK);
    assert_int_equal(noise_read(to, buffer_view(&pair->message), &pair->text), KITH_OK);
}

static void vector_pass(struct pair *pair, struct noise_cipher *from, struct noise_cipher *to,
                        struct bytes payload)
{
    assert_int_equal(noise_seal(from, payload, &pair->message), KITH_OK);
    assert_int_equal(noise_unseal(to, buffer_view(&pair->message), &pair->text), KITH_OK);
}

static void vector_run(const struct vector *vector)
{
    struct noise_transport device = {0};
    struct noise_transport hub = {0};
    struct pair pair;

    vector_init(vector, &pair);
    for (size_t i = 0; i < vector->count; i++) {
        const struct bytes payload = blob_view(&vector->payloads[i]);

        buffer_reset(&pair.message);
        buffer_reset(&pair.text);
        if (i < 2) {
            vector_shake(&pair, i, payload);
        } else if (i % 2 == 0) {
            vector_pass(&pair, &device.send, &hub.receive, payload);
        } else {
            vector_pass(&pair, &hub.send, &device.receive, payload);
        }
        assert_true(bytes_equal(buffer_view(&pair.message), blob_view(&vector->ciphertexts[i])));
        assert_true(bytes_equal(buffer_view(&pair.text), payload));
        if (i == 1) {
            noise_split(&pair.initiator, &device);
            noise_split(&pair.responder, &hub);
        }
    }
    assert_memory_equal(device.hash, hub.hash, NOISE_HASH_BYTES);
    if (vector->hash.len > 0) {
        assert_true(bytes_equal(blob_view(&vector->hash), bytes_of(hub.hash, NOISE_HASH_BYTES)));
    }
    pair_clear(&pair);
}

static unsigned vector_run_if_ours(const struct vector *vector)
{
    if (strcmp(vector->name, "Noise_IK_25519_ChaChaPoly_BLAKE2b") != 0 &&
        strcmp(vector->name, "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b") != 0) {
        return 0;
    }
    assert_true(vector->count > 2);
    vector_run(vector);
    return 1;
}

static FILE *vectors_open(void)
{
    const char *shared = getenv("KITH_SHARED");
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/vectors/noise/noise-blake2b.txt",
                   shared != NULL ? shared : "../shared");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        printf("SKIP: %s not found\n", path);
    }
    return file;
}

static void the_published_vectors_come_out_byte_for_byte(void **unused)
{
    static struct vector vector;
    char line[4 * TEXT_MAX + 64];
    unsigned run = 0;

    (void)unused;
    FILE *file = vectors_open();
    if (file == NULL) {
        skip();
    }
    memset(&vector, 0, sizeof vector);
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '\n') {
            run += vector_run_if_ours(&vector);
            memset(&vector, 0, sizeof vector);
        } else {
            line_read(&vector, line);
        }
    }
    run += vector_run_if_ours(&vector);
    (void)fclose(file);
    printf("%u vectors of IK and IKpsk2 were run\n", run);
    assert_true(run >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_roles_talk),
        cmocka_unit_test(the_responder_learns_the_initiators_key_from_message_1),
        cmocka_unit_test(overheads_are_as_the_limits_say),
        cmocka_unit_test(message_1_altered_at_any_byte_is_refused),
        cmocka_unit_test(message_2_altered_at_any_byte_is_refused),
        cmocka_unit_test(a_handshake_message_of_any_other_length_is_refused),
        cmocka_unit_test(a_failed_handshake_cannot_be_continued),
        cmocka_unit_test(a_wrong_psk_is_refused),
        cmocka_unit_test(a_missing_psk_is_refused),
        cmocka_unit_test(the_psk_may_be_set_after_message_1),
        cmocka_unit_test(one_pattern_does_not_read_the_other),
        cmocka_unit_test(another_prologue_or_hub_is_refused),
        cmocka_unit_test(a_step_out_of_turn_is_refused),
        cmocka_unit_test(a_weak_public_key_is_refused),
        cmocka_unit_test(a_payload_fits_up_to_the_longest_message),
        cmocka_unit_test(a_full_buffer_fails_and_is_left_as_it_was),
        cmocka_unit_test(splitting_wipes_the_handshake),
        cmocka_unit_test(an_altered_transport_message_is_refused_and_the_right_one_still_passes),
        cmocka_unit_test(a_transport_message_fits_up_to_the_longest),
        cmocka_unit_test(both_sides_rekey_at_the_boundary),
        cmocka_unit_test(the_nonce_has_an_end),
        cmocka_unit_test(the_published_vectors_come_out_byte_for_byte),
    };

    if (sodium_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
