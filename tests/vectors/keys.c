/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, derived keys and signatures under their tags; what epoch keys travel in; codes. */
#include <string.h>

#include "protocol/invite.h"
#include "tests/vectors/vectors.h"

static void tell_tag(struct vectors *vectors, enum seal_tag tag, struct bytes text,
                     const struct made_device *author, const uint8_t *key)
{
    struct json *json = vector_begin(vectors, seal_tag_text(tag));
    uint8_t hash[HASH_BYTES];
    uint8_t derived[KEY_BYTES];
    uint8_t signature[SIGNATURE_BYTES];

    seal_hash(tag, &text, 1, hash);
    seal_derive(tag, key, text, derived);
    seal_sign(tag, author->sign_secret, hash, signature);
    vector_key(json, "hash", hash);
    vector_key(json, "derived", derived);
    vector_hex(json, "signature", bytes_of(signature, sizeof signature));
    vector_end(vectors);
}

void vectors_tags(struct vectors *vectors)
{
    struct json *json = vector_begin(vectors, "what all the tags below are over");
    struct made_device author;
    uint8_t key[KEY_BYTES];
    uint8_t text[50];

    made_device_keys(&author, 1);
    seal_random(key, sizeof key);
    seal_random(text, sizeof text);
    vector_hex(json, "text", bytes_of(text, sizeof text));
    vector_key(json, "key", key);
    vector_key(json, "sign_seed", author.sign_secret);
    vector_key(json, "sign_public", author.keys.sign);
    vector_end(vectors);
    for (enum seal_tag tag = 0; tag < SEAL_TAG_COUNT; tag++)
        tell_tag(vectors, tag, bytes_of(text, sizeof text), &author, key);
}

/* --- epoch keys */

static struct json *begin_place(struct vectors *vectors, const char *name,
                                const struct epoch_place *place)
{
    struct json *json = vector_begin(vectors, name);

    vector_id(json, "circle", place->circle);
    json_count(json, "epoch", place->epoch);
    json_count(json, "device", place->device);
    return json;
}

static void tell_box(struct vectors *vectors, const char *name, const struct epoch_place *place,
                     const struct made_device *recipient, const uint8_t *box)
{
    struct json *json = begin_place(vectors, name, place);
    uint8_t key[KEY_BYTES];
    enum kith_err err = box_open(place, recipient->box_secret, box, key);

    vector_key(json, "box_secret", recipient->box_secret);
    vector_key(json, "box_public", recipient->keys.box);
    vector_hex(json, "box", bytes_of(box, BOX_BYTES));
    vector_verdict(json, err);
    if (!err)
        vector_key(json, "key", key);
    vector_end(vectors);
}

static void tell_wrap(struct vectors *vectors, const char *name, const struct epoch_place *place,
                      const uint8_t *key, const uint8_t *wrap)
{
    struct json *json = begin_place(vectors, name, place);
    uint8_t earlier[KEY_BYTES];
    enum kith_err err = epoch_unwrap(place, key, wrap, earlier);

    vector_key(json, "new_key", key);
    vector_hex(json, "wrap", bytes_of(wrap, WRAP_BYTES));
    vector_verdict(json, err);
    if (!err)
        vector_key(json, "key", earlier);
    vector_end(vectors);
}

void vectors_epoch(struct vectors *vectors)
{
    struct epoch_place place = {.epoch = 3, .device = 70000};
    struct made_device recipient;
    uint8_t key[KEY_BYTES];
    uint8_t newer[KEY_BYTES];
    uint8_t commitment[HASH_BYTES];
    uint8_t box[BOX_BYTES];
    uint8_t wrap[WRAP_BYTES];

    made_device_keys(&recipient, place.device);
    seal_random(place.circle, ID_BYTES);
    seal_random(key, sizeof key);
    seal_random(newer, sizeof newer);
    epoch_commit(key, place.epoch, commitment);
    struct json *json = begin_place(vectors, "commitment", &place);
    vector_key(json, "key", key);
    vector_key(json, "commitment", commitment);
    vector_end(vectors);
    assert_int_equal(box_seal(&place, recipient.keys.box, key, box), KITH_OK);
    tell_box(vectors, "box", &place, &recipient, box);
    place.epoch++;
    tell_box(vectors, "box of another epoch", &place, &recipient, box);
    place.epoch--;
    place.circle[0] ^= 1;
    tell_box(vectors, "box of another circle", &place, &recipient, box);
    place.circle[0] ^= 1;
    box[BOX_BYTES - 1] ^= 1;
    tell_box(vectors, "changed box", &place, &recipient, box);
    place.device = 0;
    epoch_wrap(&place, newer, key, wrap);
    tell_wrap(vectors, "wrap", &place, newer, wrap);
    wrap[WRAP_BYTES - 1] ^= 1;
    tell_wrap(vectors, "changed wrap", &place, newer, wrap);
}

/* --- codes */

static void tell_code(struct vectors *vectors, const char *name, const char *text)
{
    struct json *json = vector_begin(vectors, name);
    struct code code;
    struct invite_keys keys;
    enum kith_err err = code_read(&code, text);

    json_text(json, "code", text);
    vector_verdict(json, err);
    if (!err) {
        invite_derive(code.secret, &keys);
        vector_key(json, "hub_key", code.hub_key);
        vector_id(json, "agency", code.agency);
        json_count(json, "device", code.device);
        vector_hex(json, "secret", bytes_of(code.secret, CODE_SECRET_BYTES));
        json_text(json, "address", code.address);
        vector_key(json, "sign_seed", keys.sign_secret);
        vector_key(json, "sign_public", keys.sign_public);
        vector_key(json, "box_secret", keys.box_secret);
        vector_key(json, "box_public", keys.box_public);
        vector_key(json, "psk", keys.psk);
    }
    vector_end(vectors);
}

/* As people type it: capitals, blanks, and the digits that look like letters. */
static void typed(const char *code, char *text)
{
    for (; *code; code++) {
        char c = *code;
        if (c == '-')
            c = ' ';
        else if (c == 'o')
            c = '0';
        else if (c == 'l')
            c = '1';
        else if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        *text++ = c;
    }
    *text = '\0';
}

void vectors_code(struct vectors *vectors)
{
    struct code code = {.device = 7, .address = "hub.example.org:4410"};
    char text[CODE_TEXT_MAX];
    char other[CODE_TEXT_MAX];

    seal_random(code.hub_key, KEY_BYTES);
    seal_random(code.agency, ID_BYTES);
    seal_random(code.secret, CODE_SECRET_BYTES);
    assert_int_equal(code_write(&code, text), KITH_OK);
    tell_code(vectors, "an invitation", text);
    typed(text, other);
    tell_code(vectors, "as people type it", other);
    memcpy(other, text, sizeof other);
    other[20] = other[20] == 'a' ? 'b' : 'a';
    tell_code(vectors, "a mistyped character", other);
    memcpy(other, text, sizeof other);
    other[strlen(other) - 1] = '\0';
    tell_code(vectors, "the last character is missing", other);
    tell_code(vectors, "another word in front", text + 1);
    tell_code(vectors, "nothing", "");
    (void)snprintf(code.address, sizeof code.address, "wss://hub.example.org/kith");
    code.device = 70000;
    assert_int_equal(code_write(&code, text), KITH_OK);
    tell_code(vectors, "over the web", text);
    (void)snprintf(code.address, sizeof code.address, "127.0.0.1:4410");
    code.device = 0;
    memset(code.agency, 0, ID_BYTES);
    assert_int_equal(code_write(&code, text), KITH_OK);
    tell_code(vectors, "a founding code", text);
}
