/* SPDX-License-Identifier: Apache-2.0 */
/* msgpack values: the one form that is accepted, and the forms that must be refused. */
#include "protocol/wire.h"

#include <stdlib.h>
#include <string.h>

#include "tests/vectors/vectors.h"

#define VALUE_TEXT_MAX 1024

static void tell_value(struct json *json, const char *name, struct wire_in *in);

static void tell_number(struct json *json, struct wire_in *in)
{
    struct wire_in negative = *in;
    int64_t number = wire_int(&negative);

    if (negative.err == KITH_OK && number < 0) {
        char text[24];
        (void)snprintf(text, sizeof text, "%lld", (long long)number);
        json_text(json, "int", text);
        *in = negative;
        return;
    }
    vector_u64(json, "int", wire_uint(in, UINT64_MAX));
}

static void tell_text(struct json *json, struct wire_in *in)
{
    char text[VALUE_TEXT_MAX] = {0};
    struct bytes view = wire_text(in, sizeof text - 1);

    if (view.len > 0)
        memcpy(text, view.ptr, view.len);
    json_text(json, "text", text);
}

static void tell_array(struct json *json, struct wire_in *in)
{
    uint32_t count = wire_array(in, WIRE_ITEMS_MAX);

    json_list(json, "array");
    for (uint32_t i = 0; i < count; i++)
        tell_value(json, NULL, in);
    json_end(json);
}

static void tell_map(struct json *json, struct wire_in *in)
{
    uint32_t pairs = wire_map(in, WIRE_ITEMS_MAX);

    json_list(json, "map");
    for (uint32_t i = 0; i < 2 * pairs; i++)
        tell_value(json, NULL, in);
    json_end(json);
}

static void tell_value(struct json *json, const char *name, struct wire_in *in)
{
    json_object(json, name);
    switch (wire_peek(in)) {
    case WIRE_NIL:
        wire_nil(in);
        json_flag(json, "nil", true);
        break;
    case WIRE_BOOL:
        json_flag(json, "bool", wire_bool(in));
        break;
    case WIRE_INT:
        tell_number(json, in);
        break;
    case WIRE_TEXT:
        tell_text(json, in);
        break;
    case WIRE_BIN:
        vector_hex(json, "bin", wire_bin(in, VALUE_MAX));
        break;
    case WIRE_ARRAY:
        tell_array(json, in);
        break;
    case WIRE_MAP:
        tell_map(json, in);
        break;
    case WIRE_NONE:
        fail();
    }
    json_end(json);
}

/* Whatever wire.h says of these bytes. */
static void tell(struct vectors *vectors, const char *name, struct bytes bytes)
{
    struct json *json = vector_begin(vectors, name);
    struct wire_in in = wire_open(bytes);

    (void)wire_value(&in);
    enum kith_err err = wire_close(&in);
    vector_hex(json, "bytes", bytes);
    vector_verdict(json, err);
    if (!err) {
        in = wire_open(bytes);
        tell_value(json, "value", &in);
        assert_int_equal(wire_close(&in), KITH_OK);
    }
    vector_end(vectors);
}

#define CASE(name, literal)                                                                        \
    {                                                                                              \
        name, (const uint8_t *)(literal), sizeof(literal) - 1                                      \
    }

static const struct {
    const char *name;
    const uint8_t *ptr;
    size_t len;
} table[] = {
    CASE("nil", "\xC0"),
    CASE("false", "\xC2"),
    CASE("true", "\xC3"),
    CASE("0", "\x00"),
    CASE("127", "\x7F"),
    CASE("128", "\xCC\x80"),
    CASE("255", "\xCC\xFF"),
    CASE("256", "\xCD\x01\x00"),
    CASE("65535", "\xCD\xFF\xFF"),
    CASE("65536", "\xCE\x00\x01\x00\x00"),
    CASE("4294967295", "\xCE\xFF\xFF\xFF\xFF"),
    CASE("4294967296", "\xCF\x00\x00\x00\x01\x00\x00\x00\x00"),
    CASE("the greatest", "\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
    CASE("-1", "\xFF"),
    CASE("-32", "\xE0"),
    CASE("-33", "\xD0\xDF"),
    CASE("-128", "\xD0\x80"),
    CASE("-129", "\xD1\xFF\x7F"),
    CASE("-32769", "\xD2\xFF\xFF\x7F\xFF"),
    CASE("-2147483649", "\xD3\xFF\xFF\xFF\xFF\x7F\xFF\xFF\xFF"),
    CASE("the least", "\xD3\x80\x00\x00\x00\x00\x00\x00\x00"),
    CASE("empty text", "\xA0"),
    CASE("text", "\xA5visit"),
    CASE("text beyond ASCII", "\xA4\xC3\xA9\xC3\xB1"),
    CASE("text beyond the BMP", "\xA4\xF0\x9F\x8C\xB1"),
    CASE("text of 32 bytes", "\xD9\x20"
                             "abcdefghijklmnopqrstuvwxyz012345"),
    CASE("empty binary", "\xC4\x00"),
    CASE("binary", "\xC4\x03\x00\x01\xFF"),
    CASE("empty array", "\x90"),
    CASE("array", "\x93\x01\xA1x\xC4\x01y"),
    CASE("array of 16",
         "\xDC\x00\x10\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F"),
    CASE("map", "\x82\x01\xC0\x05\xC3"),
    CASE("eight levels", "\x91\x91\x91\x91\x91\x91\x91\x91\x01"),
    CASE("nothing", ""),
    CASE("a byte too many", "\xC0\xC0"),
    CASE("1 as uint8", "\xCC\x01"),
    CASE("127 as uint8", "\xCC\x7F"),
    CASE("255 as uint16", "\xCD\x00\xFF"),
    CASE("65535 as uint32", "\xCE\x00\x00\xFF\xFF"),
    CASE("1 as uint64", "\xCF\x00\x00\x00\x00\x00\x00\x00\x01"),
    CASE("1 as int8", "\xD0\x01"),
    CASE("-1 as int8", "\xD0\xFF"),
    CASE("-128 as int16", "\xD1\xFF\x80"),
    CASE("200 as int16", "\xD1\x00\xC8"),
    CASE("-1 as int32", "\xD2\xFF\xFF\xFF\xFF"),
    CASE("-1 as int64", "\xD3\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
    CASE("a long header for short text", "\xD9\x05visit"),
    CASE("a longer header for short text", "\xDA\x00\x05visit"),
    CASE("the longest header for text", "\xDB\x00\x00\x00\x05visit"),
    CASE("a long header for short binary", "\xC5\x00\x01x"),
    CASE("the longest header for binary", "\xC6\x00\x00\x00\x01x"),
    CASE("a long header for a short array", "\xDC\x00\x01\x01"),
    CASE("a 32-bit array", "\xDD\x00\x00\x00\x01\x01"),
    CASE("a long header for a short map", "\xDE\x00\x01\x01\x01"),
    CASE("a 32-bit map", "\xDF\x00\x00\x00\x01\x01\x01"),
    CASE("a 32-bit float", "\xCA\x3F\x80\x00\x00"),
    CASE("a 64-bit float", "\xCB\x3F\xF0\x00\x00\x00\x00\x00\x00"),
    CASE("an extension", "\xD4\x01\x00"),
    CASE("an extension with a length", "\xC7\x01\x01\x00"),
    CASE("the byte that msgpack does not use", "\xC1"),
    CASE("text with NUL", "\xA3"
                          "a\x00"
                          "b"),
    CASE("text in an overlong form", "\xA2\xC0\xAF"),
    CASE("text with half a surrogate pair", "\xA3\xED\xA0\x80"),
    CASE("text above the last character", "\xA4\xF4\x90\x80\x80"),
    CASE("text cut within a character", "\xA1\xC3"),
    CASE("map with equal keys", "\x82\x01\xC0\x01\xC0"),
    CASE("map with falling keys", "\x82\x05\xC0\x01\xC0"),
    CASE("map with a key of text", "\x81\xA1x\xC0"),
    CASE("map with a negative key", "\x81\xFF\xC0"),
    CASE("nine levels", "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01"),
    CASE("more items than bytes", "\xDC\xFF\xFF\x01"),
    CASE("a wrong value inside", "\x92\x01\xCC\x01"),
};

/* One value with something of each kind, cut at every length. */
static void tell_cuts(struct vectors *vectors)
{
    static const uint8_t whole[] =
        "\x96\xCD\x01\x00\xD0\x80\xA5visit\xC4\x02\x00\xFF\x82\x01\xC0\x02\xC3\x91\xC2";

    tell(vectors, "a value", bytes_of(whole, sizeof whole - 1));
    for (size_t len = 1; len < sizeof whole - 1; len++)
        tell(vectors, "the value, cut", bytes_of(whole, len));
}

void vectors_wire(struct vectors *vectors)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        tell(vectors, table[i].name, bytes_of(table[i].ptr, table[i].len));
    tell_cuts(vectors);
}
