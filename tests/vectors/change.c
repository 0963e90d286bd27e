/* SPDX-License-Identifier: Apache-2.0 */
/* The change from the inside out: payload, packed text, sealed and signed envelope. */
#include "protocol/change.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/compress.h"
#include "protocol/payload.h"
#include "tests/vectors/vectors.h"

#define TEXT_ROOM ((size_t)CHANGE_TEXT_MAX * 2)

static const char note[] =
    "Met Maria at the library. We talked about the housing application and called the office "
    "together; she will bring the two missing papers on Thursday. She said that she feels more "
    "hopeful than last month.";

/* --- packed text */

static void tell_pack(struct vectors *vectors, const char *name, struct bytes text)
{
    struct json *json = vector_begin(vectors, name);
    struct buffer packed;

    buffer_init(&packed, TEXT_ROOM);
    assert_int_equal(text_pack(text, &packed), KITH_OK);
    vector_hex(json, "text", text);
    json_count(json, "size", packed.len);
    vector_hex(json, "packed", buffer_view(&packed));
    vector_end(vectors);
    buffer_clear(&packed);
}

static void tell_unpack(struct vectors *vectors, const char *name, struct bytes packed)
{
    struct json *json = vector_begin(vectors, name);
    struct buffer text;

    buffer_init(&text, TEXT_ROOM);
    enum kith_err err = text_unpack(packed, &text);
    vector_hex(json, "packed", packed);
    vector_verdict(json, err);
    if (!err)
        vector_hex(json, "text", buffer_view(&text));
    vector_end(vectors);
    buffer_clear(&text);
}

/* A text of the note's words in any order: codes of every kind, and more than one stream of them.
 */
static void tell_long_text(struct vectors *vectors, size_t len)
{
    struct buffer text;
    struct dice dice = {len};

    buffer_init(&text, TEXT_ROOM);
    while (text.len < len) {
        size_t from = dice_below(&dice, sizeof note - 1);
        size_t left = sizeof note - 1 - from;
        buffer_add(&text, note + from, left < 9 ? left : 2 + dice_below(&dice, 8));
        if (dice_below(&dice, 4) == 0)
            buffer_add(&text, &dice.state, 1);
    }
    tell_pack(vectors, "a long text", buffer_view(&text));
    buffer_clear(&text);
}

/* Sizes around each step, and where Padmé begins. */
static void tell_sizes(struct vectors *vectors)
{
    static const size_t lens[] = {1,    128,  129,  181,  182,  256,  257,   362,   363,  512,
                                  513,  724,  725,  1024, 1025, 1448, 1449,  2048,  2049, 2896,
                                  2897, 4096, 4097, 5000, 8192, 8193, 20000, 61399, 61400};

    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        struct json *json = vector_begin(vectors, "padded size");
        json_count(json, "len", lens[i]);
        json_count(json, "padded", padded_size(lens[i]));
        vector_end(vectors);
    }
}

void vectors_pack(struct vectors *vectors)
{
    uint8_t noise[300];
    /* A frame of zstd without dictionary, holding one raw block: "raw block". */
    static const uint8_t plain[] = "\x01\x00\x00\x12\x28\xB5\x2F\xFD\x20\x09\x49\x00\x00raw block";
    static const uint8_t sizeless[] =
        "\x01\x00\x00\x12\x28\xB5\x2F\xFD\x00\x58\x49\x00\x00raw block";
    static const uint8_t boastful[] =
        "\x01\x00\x00\x0C\x28\xB5\x2F\xFD\xA0\x01\x00\x04\x00\x01\x00\x00";
    static const uint8_t untrue[] = "\x01\x00\x00\x12\x28\xB5\x2F\xFD\x20\x0A\x49\x00\x00raw block";

    seal_random(noise, sizeof noise);
    tell_sizes(vectors);
    tell_pack(vectors, "nothing", bytes_of("", 0));
    tell_pack(vectors, "text", bytes_text(note));
    tell_pack(vectors, "what cannot be compressed", bytes_of(noise, sizeof noise));
    tell_long_text(vectors, 800);
    tell_long_text(vectors, 6000);
    tell_unpack(vectors, "zstd without dictionary", bytes_of(plain, sizeof plain - 1));
    tell_unpack(vectors, "shorter than its header", bytes_of(plain, 3));
    tell_unpack(vectors, "shorter than it says", bytes_of(plain, sizeof plain - 2));
    tell_unpack(vectors, "an unknown codec", bytes_of("\x03\x00\x00\x01x", 5));
    tell_unpack(vectors, "no zstd", bytes_of("\x02\x00\x00\x04text", 8));
    tell_unpack(vectors, "a frame that does not say its size",
                bytes_of(sizeless, sizeof sizeless - 1));
    tell_unpack(vectors, "a frame that says more than is allowed",
                bytes_of(boastful, sizeof boastful - 1));
    tell_unpack(vectors, "a frame that says more than it has", bytes_of(untrue, sizeof untrue - 1));
}

/* --- payload */

static void tell_dots(struct json *json, const char *name, struct bytes content, uint32_t count)
{
    struct dot dot;

    json_list(json, name);
    while (dots_next(&content, &count, &dot)) {
        json_list(json, NULL);
        json_count(json, NULL, dot.device);
        vector_u64(json, NULL, dot.n);
        json_end(json);
    }
    json_end(json);
}

static void tell_op(struct json *json, const struct op *op)
{
    json_object(json, NULL);
    vector_id(json, "record", op->record);
    json_count(json, "type", op->type);
    json_count(json, "field", op->field);
    json_number(json, "kind", op->kind);
    tell_dots(json, "replaced", op->supersedes, op->supersedes_count);
    vector_hex(json, "value", op->value);
    if (op->kind == OP_KEYED)
        vector_hex(json, "key", op->key);
    json_end(json);
}

static void tell_heads(struct json *json, const struct payload_heads *heads)
{
    if (!heads->is_present)
        return;
    json_object(json, "heads");
    json_count(json, "roster_seq", heads->roster_seq);
    vector_hex(json, "roster", bytes_of(heads->roster, HEAD_PREFIX_BYTES));
    json_count(json, "circle_seq", heads->circle_seq);
    vector_hex(json, "circle", bytes_of(heads->circle, HEAD_PREFIX_BYTES));
    json_end(json);
}

static void tell_payload(struct vectors *vectors, const char *name, struct bytes text)
{
    struct json *json = vector_begin(vectors, name);
    struct payload payload;
    struct op op;
    enum kith_err err = payload_open(&payload, text);

    vector_hex(json, "text", text);
    vector_verdict(json, err);
    if (!err) {
        vector_u64(json, "hlc", payload.hlc);
        tell_dots(json, "seen", payload.seen, payload.seen_count);
        tell_heads(json, &payload.heads);
        json_list(json, "ops");
        while (payload_next_op(&payload, &op))
            tell_op(json, &op);
        json_end(json);
    }
    vector_end(vectors);
}

/* Everything that a payload may hold. */
static void rich_payload(struct buffer *out)
{
    static const struct dot seen[] = {{2, 7}, {3, 1}, {70000, UINT64_C(1) << 40}};
    static const struct dot replaced[] = {{1, 1}, {1, 2}, {2, 7}};
    struct payload_heads heads = {.is_present = true, .roster_seq = 9, .circle_seq = 2};
    struct payload_writer writer;
    struct op op = {.type = 7, .field = 5, .kind = OP_PUT};
    struct buffer value;

    memset(heads.roster, 0xA1, sizeof heads.roster);
    memset(heads.circle, 0xC1, sizeof heads.circle);
    buffer_init(&value, 1024);
    wire_put_text(&value, bytes_text(note));
    op.value = buffer_view(&value);
    payload_begin(&writer, out, UINT64_C(1700000000000) * 65536 + 3, seen, 3, &heads);
    memset(op.record, 0x11, ID_BYTES);
    payload_add(&writer, &op, replaced, 3);
    op = (struct op){.type = 7,
                     .field = 3,
                     .kind = OP_ADD,
                     .value = bytes_text("\xA3"
                                         "bus")};
    memset(op.record, 0x11, ID_BYTES);
    payload_add(&writer, &op, NULL, 0);
    op.kind = OP_DROP;
    op.value = bytes_text("\xA4walk");
    payload_add(&writer, &op, replaced, 1);
    op.field = 13;
    op.kind = OP_KEYED;
    op.key = bytes_text("\xA4goal");
    payload_add(&writer, &op, replaced + 1, 1);
    op.type = 10;
    op.field = 7;
    op.kind = OP_APPEND;
    memset(op.record, 0x22, ID_BYTES);
    payload_add(&writer, &op, NULL, 0);
    assert_int_equal(payload_end(&writer), KITH_OK);
    buffer_clear(&value);
}

#define SIXTEEN   "sixteen bytes in"
#define RECORD_11 "\xC4\x10\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11"

#define CASE(name, literal)                                                                        \
    {                                                                                              \
        name, (const uint8_t *)(literal), sizeof(literal) - 1                                      \
    }

static const struct {
    const char *name;
    const uint8_t *ptr;
    size_t len;
} payloads[] = {
    CASE("no record", "\x94\x05\x90\xC0\x90"),
    CASE("one flag", "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x94\x0E\x00\x90\xC3"),
    CASE("nil clears", "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x94\x0E\x00\x92\x01\x04\xC0"),
    CASE("three items", "\x93\x05\x90\xC0"),
    CASE("five items", "\x95\x05\x90\xC0\x90\x01"),
    CASE("something behind", "\x94\x05\x90\xC0\x90\xC0"),
    CASE("seen falls", "\x94\x05\x94\x03\x01\x02\x01\xC0\x90"),
    CASE("seen says one twice", "\x94\x05\x94\x02\x01\x02\x01\xC0\x90"),
    CASE("seen is odd", "\x94\x05\x93\x02\x01\x03\xC0\x90"),
    CASE("device 0 in seen", "\x94\x05\x92\x00\x01\xC0\x90"),
    CASE("n 0 in seen", "\x94\x05\x92\x02\x00\xC0\x90"),
    CASE("heads of three items", "\x94\x05\x90\x93\x01\xC4\x00\x01\x90"),
    CASE("records not in threes", "\x94\x05\x90\xC0\x92" RECORD_11 "\x06"),
    CASE("a short record id", "\x94\x05\x90\xC0\x93\xC4\x01\x11\x06\x90"),
    CASE("an unknown kind", "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x94\x0E\x05\x90\xC3"),
    CASE("a key too many", "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x95\x0E\x00\x90\xC3\xC0"),
    CASE("keyed without key", "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x94\x0E\x04\x90\xC3"),
    CASE("replaced falls",
         "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x94\x0E\x00\x94\x02\x01\x01\x01\xC3"),
    CASE("a record without operations", "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x90"),
    CASE("dots beyond 2^53",
         "\x94\x05\x92\x02\xCF\x10\x00\x00\x00\x00\x00\x00\x01\xC0\x93" RECORD_11
         "\x06\x91\x94\x0E\x00\x94\x01\xCF\x10\x00\x00\x00\x00\x00\x00\x00"
         "\x01\xCF\x10\x00\x00\x00\x00\x00\x00\x01\xC3"),
    CASE("a roster seq that is too large",
         "\x94\x05\x90\x94\xCE\x01\x00\x00\x00\xC4\x10" SIXTEEN "\x01\xC4\x10" SIXTEEN "\x90"),
    CASE("a field that is too large",
         "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x94\xCE\x00\x01\x00\x00\x00\x90\xC3"),
    CASE("a value in a longer form",
         "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x94\x0E\x00\x90\xCC\x01"),
};

/* `len`: of the key as it is encoded. */
static void tell_key(struct vectors *vectors, const char *name, size_t len)
{
    static const uint8_t head[] = "\x94\x05\x90\xC0\x93" RECORD_11 "\x06\x91\x95\x0E\x04\x90\xC3";
    uint8_t key[UINT8_MAX];
    struct buffer text;

    memset(key, 'k', sizeof key);
    buffer_init(&text, CHANGE_TEXT_MAX);
    buffer_add(&text, head, sizeof head - 1);
    wire_put_text(&text, bytes_of(key, len - 2));
    tell_payload(vectors, name, buffer_view(&text));
    buffer_clear(&text);
}

void vectors_payload(struct vectors *vectors)
{
    struct buffer text;

    buffer_init(&text, CHANGE_TEXT_MAX);
    rich_payload(&text);
    tell_payload(vectors, "all kinds of operations", buffer_view(&text));
    buffer_clear(&text);
    tell_key(vectors, "the longest key", UINT8_MAX);
    tell_key(vectors, "a key that is too long", UINT8_MAX + 1);
    for (size_t i = 0; i < COUNT_OF(payloads); i++)
        tell_payload(vectors, payloads[i].name, bytes_of(payloads[i].ptr, payloads[i].len));
}

/* --- sealed and signed */

static void tell_header(struct json *json, const struct change_header *header)
{
    json_object(json, "header");
    json_number(json, "class", header->class);
    json_count(json, "epoch", header->epoch);
    json_count(json, "device", header->device);
    vector_u64(json, "n", header->n);
    vector_id(json, "agency", header->agency);
    vector_id(json, "circle", header->circle);
    vector_key(json, "prev", header->prev);
    json_end(json);
}

static void tell_change(struct vectors *vectors, const char *name, struct made_change *made,
                        const struct made_device *author, const uint8_t *epoch_key,
                        struct bytes text)
{
    struct json *json = vector_begin(vectors, name);

    tell_header(json, &made->header);
    vector_u64(json, "mark", change_mark(made->header.class, made->header.epoch));
    vector_key(json, "epoch_key", epoch_key);
    vector_key(json, "sign_seed", author->sign_secret);
    vector_key(json, "sign_public", author->keys.sign);
    vector_hex(json, "text", text);
    vector_hex(json, "sealed", buffer_view(&made->sealed));
    vector_key(json, "id", made->id);
    vector_hex(json, "signature", bytes_of(made->signature, SIGNATURE_BYTES));
    vector_end(vectors);
}

/* The change above as a reader would get it with something wrong: what verify and open say. */
static void tell_spoiled(struct vectors *vectors, const char *name, struct made_change *made,
                         const struct change_header *header, const struct made_device *author,
                         const uint8_t *epoch_key)
{
    struct json *json = vector_begin(vectors, name);
    uint8_t id[HASH_BYTES];
    struct buffer text;

    buffer_init(&text, TEXT_ROOM);
    change_id(header, buffer_view(&made->sealed), id);
    enum kith_err verdict = change_verify(id, made->signature, author->keys.sign);
    enum kith_err opened = change_open(header, buffer_view(&made->sealed), epoch_key, &text);
    tell_header(json, header);
    vector_key(json, "epoch_key", epoch_key);
    vector_key(json, "sign_public", author->keys.sign);
    vector_hex(json, "sealed", buffer_view(&made->sealed));
    vector_hex(json, "signature", bytes_of(made->signature, SIGNATURE_BYTES));
    json_text(json, "verified", error_name(verdict));
    json_text(json, "opened", error_name(opened));
    vector_end(vectors);
    buffer_clear(&text);
}

static void tell_all_spoiled(struct vectors *vectors, struct made_change *made,
                             const struct made_device *author, uint8_t *epoch_key)
{
    struct change_header header = made->header;

    tell_spoiled(vectors, "as it was", made, &header, author, epoch_key);
    header.n++;
    tell_spoiled(vectors, "another n", made, &header, author, epoch_key);
    header = made->header;
    header.class = CHANGE_BULK;
    tell_spoiled(vectors, "another class", made, &header, author, epoch_key);
    header = made->header;
    header.circle[0] ^= 1;
    tell_spoiled(vectors, "another circle", made, &header, author, epoch_key);
    epoch_key[0] ^= 1;
    tell_spoiled(vectors, "another key", made, &made->header, author, epoch_key);
    epoch_key[0] ^= 1;
    made->sealed.ptr[40] ^= 1;
    tell_spoiled(vectors, "a changed byte", made, &made->header, author, epoch_key);
    made->sealed.ptr[40] ^= 1;
    made->signature[0] ^= 1;
    tell_spoiled(vectors, "another signature", made, &made->header, author, epoch_key);
}

void vectors_change(struct vectors *vectors)
{
    struct change_header header = {.class = CHANGE_NORMAL, .epoch = 1, .device = 70000, .n = 1};
    struct made_device author;
    struct made_change first;
    struct made_change second;
    uint8_t epoch_key[KEY_BYTES];
    struct bytes small = bytes_text("\x94\x05\x90\xC0\x90");

    made_device_keys(&author, 70000);
    seal_random(epoch_key, sizeof epoch_key);
    seal_random(header.agency, ID_BYTES);
    seal_random(header.circle, ID_BYTES);
    made_change_init(&first, &header, epoch_key, author.sign_secret, small);
    tell_change(vectors, "the first of a chain", &first, &author, epoch_key, small);
    memcpy(header.prev, first.id, HASH_BYTES);
    header.n = 2;
    header.class = CHANGE_URGENT;
    header.epoch = 66000;
    made_change_init(&second, &header, epoch_key, author.sign_secret, bytes_text(note));
    tell_change(vectors, "the second, compressed", &second, &author, epoch_key, bytes_text(note));
    tell_all_spoiled(vectors, &first, &author, epoch_key);
    made_change_clear(&first);
    made_change_clear(&second);
}
