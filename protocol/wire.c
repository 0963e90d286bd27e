/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader looks at one head at a time: a kind, an argument (number, length or count) and the
 * bytes it took. A head is accepted only in its shortest form, and only if the rest of the message
 * can hold what it announces; everything else follows from that. msgpack-c serves the writer alone:
 * its reader allocates what a length field claims.
 */
#include "protocol/wire.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

#include "protocol/limits.h"

struct head {
    enum wire_kind kind;
    size_t size;       /* bytes of the head itself */
    uint64_t argument; /* length, count, truth or number; a negative number in two's complement */
    bool is_negative;
};

/* The formats of spec.md whose first byte is 0xc0 to 0xdf. Those without a kind are refused:
 * reserved, ext, float, and array 32 and map 32, since WIRE_ITEMS_MAX items fit a 16-bit count.
 * `least` is the smallest argument that has no shorter form (for a negative n, of -1 - n). */
struct format {
    enum wire_kind kind;
    unsigned width;
    bool is_signed;
    uint64_t least;
};

#define FORMAT_FIRST 0xc0
#define FORMAT_COUNT 32

static const struct format formats[FORMAT_COUNT] = {
    [0xc0 - FORMAT_FIRST] = {WIRE_NIL, 0, false, 0},
    [0xc2 - FORMAT_FIRST] = {WIRE_BOOL, 0, false, 0},
    [0xc3 - FORMAT_FIRST] = {WIRE_BOOL, 0, false, 0},
    [0xc4 - FORMAT_FIRST] = {WIRE_BIN, 1, false, 0},
    [0xc5 - FORMAT_FIRST] = {WIRE_BIN, 2, false, 0x100},
    [0xc6 - FORMAT_FIRST] = {WIRE_BIN, 4, false, 0x10000},
    [0xcc - FORMAT_FIRST] = {WIRE_INT, 1, false, 0x80},
    [0xcd - FORMAT_FIRST] = {WIRE_INT, 2, false, 0x100},
    [0xce - FORMAT_FIRST] = {WIRE_INT, 4, false, 0x10000},
    [0xcf - FORMAT_FIRST] = {WIRE_INT, 8, false, 0x100000000},
    [0xd0 - FORMAT_FIRST] = {WIRE_INT, 1, true, 0x20},
    [0xd1 - FORMAT_FIRST] = {WIRE_INT, 2, true, 0x80},
    [0xd2 - FORMAT_FIRST] = {WIRE_INT, 4, true, 0x8000},
    [0xd3 - FORMAT_FIRST] = {WIRE_INT, 8, true, 0x80000000},
    [0xd9 - FORMAT_FIRST] = {WIRE_TEXT, 1, false, 0x20},
    [0xda - FORMAT_FIRST] = {WIRE_TEXT, 2, false, 0x100},
    [0xdb - FORMAT_FIRST] = {WIRE_TEXT, 4, false, 0x10000},
    [0xdc - FORMAT_FIRST] = {WIRE_ARRAY, 2, false, 0x10},
    [0xde - FORMAT_FIRST] = {WIRE_MAP, 2, false, 0x10},
};

_Static_assert(WIRE_ITEMS_MAX <= UINT16_MAX, "array 16 and map 16 hold every count");

static struct format format_of(uint8_t first)
{
    const bool is_listed = first >= FORMAT_FIRST && first < FORMAT_FIRST + FORMAT_COUNT;

    return is_listed ? formats[first - FORMAT_FIRST] : (struct format){.kind = WIRE_NONE};
}

/* The formats that carry their argument in the first byte. */
static struct head head_short(uint8_t first)
{
    if (first < 0x80) {
        return (struct head){WIRE_INT, 1, first, false};
    }
    if (first < 0x90) {
        return (struct head){WIRE_MAP, 1, first & 0x0fu, false};
    }
    if (first < 0xa0) {
        return (struct head){WIRE_ARRAY, 1, first & 0x0fu, false};
    }
    if (first < 0xc0) {
        return (struct head){WIRE_TEXT, 1, first & 0x1fu, false};
    }
    if (first >= 0xe0) {
        return (struct head){WIRE_INT, 1, (uint64_t)(int64_t)(int8_t)first, true};
    }
    return (struct head){format_of(first).kind, 1, first & 1u, false};
}

static uint64_t big_endian(const uint8_t *from, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++) {
        value = value << 8 | from[i];
    }
    return value;
}

static uint64_t sign_extended(uint64_t value, unsigned width)
{
    const uint64_t sign = UINT64_C(1) << (width * 8 - 1);

    return (value ^ sign) - sign;
}

static enum kith_err head_read(struct bytes from, struct head *head)
{
    if (from.len == 0) {
        return KITH_CUT;
    }
    *head = head_short(from.ptr[0]);
    if (head->kind == WIRE_NONE) {
        return KITH_MALFORMED;
    }
    const struct format format = format_of(from.ptr[0]);
    if (format.width == 0) {
        return KITH_OK;
    }
    if (from.len - 1 < format.width) {
        return KITH_CUT;
    }
    uint64_t value = big_endian(from.ptr + 1, format.width);
    if (format.is_signed) {
        value = sign_extended(value, format.width);
    }
    head->size = 1 + format.width;
    head->argument = value;
    head->is_negative = format.is_signed;
    if (format.is_signed && value >> 63 == 0) {
        return KITH_MALFORMED;
    }
    return (format.is_signed ? ~value : value) < format.least ? KITH_MALFORMED : KITH_OK;
}

struct wire_in wire_open(struct bytes message)
{
    return (struct wire_in){.left = message, .err = KITH_OK};
}

void wire_fail(struct wire_in *in, enum kith_err err)
{
    if (in->err == KITH_OK) {
        in->err = err;
    }
}

enum wire_kind wire_peek(const struct wire_in *in)
{
    if (in->err != KITH_OK || in->left.len == 0) {
        return WIRE_NONE;
    }
    return head_short(in->left.ptr[0]).kind;
}

bool wire_at_end(const struct wire_in *in)
{
    return in->err != KITH_OK || in->left.len == 0;
}

enum kith_err wire_close(const struct wire_in *in)
{
    if (in->err == KITH_OK && in->left.len > 0) {
        return KITH_MALFORMED;
    }
    return in->err;
}

/* Consumes the head of the next value if it is of that kind; else fails, and the argument is 0. */
static struct head head_take(struct wire_in *in, enum wire_kind kind)
{
    struct head head = {.kind = WIRE_NONE};

    if (in->err != KITH_OK) {
        return head;
    }
    in->err = head_read(in->left, &head);
    if (in->err == KITH_OK && head.kind != kind) {
        in->err = KITH_MALFORMED;
    }
    if (in->err != KITH_OK) {
        return (struct head){.kind = WIRE_NONE};
    }
    in->left = bytes_after(in->left, head.size);
    return head;
}

uint64_t wire_uint(struct wire_in *in, uint64_t max)
{
    const struct head head = head_take(in, WIRE_INT);

    if (head.is_negative || head.argument > max) {
        wire_fail(in, KITH_MALFORMED);
        return 0;
    }
    return head.argument;
}

int64_t wire_int(struct wire_in *in)
{
    const struct head head = head_take(in, WIRE_INT);

    if (!head.is_negative && head.argument > INT64_MAX) {
        wire_fail(in, KITH_MALFORMED);
        return 0;
    }
    return (int64_t)head.argument;
}

bool wire_bool(struct wire_in *in)
{
    return head_take(in, WIRE_BOOL).argument != 0;
}

void wire_nil(struct wire_in *in)
{
    (void)head_take(in, WIRE_NIL);
}

bool wire_skip_nil(struct wire_in *in)
{
    if (wire_peek(in) != WIRE_NIL) {
        return false;
    }
    wire_nil(in);
    return true;
}

static struct bytes run_take(struct wire_in *in, enum wire_kind kind, size_t max)
{
    const struct head head = head_take(in, kind);

    if (in->err == KITH_OK && head.argument > max) {
        in->err = KITH_TOO_LARGE;
    } else if (in->err == KITH_OK && head.argument > in->left.len) {
        in->err = KITH_CUT;
    }
    if (in->err != KITH_OK) {
        return bytes_of(NULL, 0);
    }
    struct bytes run = bytes_of(in->left.ptr, (size_t)head.argument);
    in->left = bytes_after(in->left, run.len);
    return run;
}

struct bytes wire_text(struct wire_in *in, size_t max)
{
    const struct bytes text = run_take(in, WIRE_TEXT, max);

    if (!wire_is_utf8(text)) {
        wire_fail(in, KITH_MALFORMED);
        return bytes_of(NULL, 0);
    }
    return text;
}

struct bytes wire_bin(struct wire_in *in, size_t max)
{
    return run_take(in, WIRE_BIN, max);
}

void wire_bin_exact(struct wire_in *in, uint8_t *to, size_t len)
{
    const struct bytes bin = run_take(in, WIRE_BIN, len);

    assert(len > 0);
    if (in->err == KITH_OK && bin.len == len) {
        memcpy(to, bin.ptr, len);
        return;
    }
    wire_fail(in, KITH_MALFORMED);
    memset(to, 0, len);
}

/* An item takes at least a byte, a pair two: a count that the rest cannot hold is refused before
 * anyone loops on it. */
static uint32_t count_take(struct wire_in *in, enum wire_kind kind, uint32_t max, size_t bytes_min)
{
    const struct head head = head_take(in, kind);

    if (head.argument > max) {
        wire_fail(in, KITH_TOO_LARGE);
    } else if (head.argument > in->left.len / bytes_min) {
        wire_fail(in, KITH_CUT);
    }
    return in->err == KITH_OK ? (uint32_t)head.argument : 0;
}

uint32_t wire_array(struct wire_in *in, uint32_t max)
{
    return count_take(in, WIRE_ARRAY, max, 1);
}

void wire_array_exact(struct wire_in *in, uint32_t count)
{
    if (wire_array(in, WIRE_ITEMS_MAX) != count) {
        wire_fail(in, KITH_MALFORMED);
    }
}

uint32_t wire_map(struct wire_in *in, uint32_t max)
{
    return count_take(in, WIRE_MAP, max, 2);
}

/* An array or map whose items are being read; in a map keys and values take turns. */
struct level {
    uint32_t left;
    bool is_map;
    bool has_key;
    uint64_t key;
};

static void key_check(struct wire_in *in, struct level *level)
{
    const uint64_t key = wire_uint(in, UINT64_MAX);

    if (level->has_key && key <= level->key) {
        wire_fail(in, KITH_MALFORMED);
    }
    level->has_key = true;
    level->key = key;
}

/* Reads one value; of an array or map only the head, and returns its items as a level to read. */
static struct level item_check(struct wire_in *in)
{
    switch (wire_peek(in)) {
    case WIRE_NIL:
        wire_nil(in);
        break;
    case WIRE_BOOL:
        (void)wire_bool(in);
        break;
    case WIRE_INT:
        (void)head_take(in, WIRE_INT);
        break;
    case WIRE_TEXT:
        (void)wire_text(in, SIZE_MAX);
        break;
    case WIRE_BIN:
        (void)wire_bin(in, SIZE_MAX);
        break;
    case WIRE_ARRAY:
        return (struct level){.left = wire_array(in, WIRE_ITEMS_MAX)};
    case WIRE_MAP:
        return (struct level){.left = wire_map(in, WIRE_ITEMS_MAX) * 2, .is_map = true};
    case WIRE_NONE:
        wire_fail(in, in->left.len == 0 ? KITH_CUT : KITH_MALFORMED);
        break;
    }
    return (struct level){.left = 0};
}

struct bytes wire_value(struct wire_in *in)
{
    /* The outermost level has one item, the value itself. */
    struct level levels[WIRE_DEPTH_MAX + 1] = {{.left = 1}};
    const struct bytes start = in->left;
    size_t depth = 0;

    while (in->err == KITH_OK) {
        struct level *level = &levels[depth];

        if (level->left == 0 && depth == 0) {
            return bytes_of(start.ptr, start.len - in->left.len);
        }
        if (level->left == 0) {
            depth--;
            continue;
        }
        level->left--;
        if (level->is_map && level->left % 2 == 1) {
            key_check(in, level);
            continue;
        }
        const enum wire_kind kind = wire_peek(in);
        const struct level inner = item_check(in);
        if (kind != WIRE_ARRAY && kind != WIRE_MAP) {
            continue;
        }
        if (depth == WIRE_DEPTH_MAX) {
            wire_fail(in, KITH_TOO_LARGE);
            break;
        }
        levels[++depth] = inner;
    }
    return bytes_of(NULL, 0);
}

bool wire_is_value(struct bytes value)
{
    struct wire_in in = wire_open(value);

    (void)wire_value(&in);
    return wire_close(&in) == KITH_OK;
}

/* The length of the character that `first` begins, or 0; `low` and `high` bound its second byte.
 * RFC 3629, section 4. */
static size_t utf8_length(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

bool wire_is_utf8(struct bytes text)
{
    for (size_t at = 0, len = 0; at < text.len; at += len) {
        uint8_t low = 0;
        uint8_t high = 0;

        len = utf8_length(text.ptr[at], &low, &high);
        if (len == 0 || len > text.len - at) {
            return false;
        }
        for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf) {
            if (text.ptr[at + i] < low || text.ptr[at + i] > high) {
                return false;
            }
        }
    }
    return true;
}

static int write_to_buffer(void *data, const char *ptr, size_t len)
{
    struct buffer *out = data;

    buffer_add(out, ptr, len);
    return out->err == KITH_OK ? 0 : -1;
}

static msgpack_packer packer_for(struct buffer *out)
{
    return (msgpack_packer){.data = out, .callback = write_to_buffer};
}

void wire_put_uint(struct buffer *out, uint64_t value)
{
    msgpack_packer packer = packer_for(out);

    msgpack_pack_uint64(&packer, value);
}

void wire_put_int(struct buffer *out, int64_t value)
{
    msgpack_packer packer = packer_for(out);

    msgpack_pack_int64(&packer, value);
}

void wire_put_bool(struct buffer *out, bool value)
{
    msgpack_packer packer = packer_for(out);

    if (value) {
        msgpack_pack_true(&packer);
    } else {
        msgpack_pack_false(&packer);
    }
}

void wire_put_nil(struct buffer *out)
{
    msgpack_packer packer = packer_for(out);

    msgpack_pack_nil(&packer);
}

void wire_put_text(struct buffer *out, struct bytes text)
{
    msgpack_packer packer = packer_for(out);

    assert(wire_is_utf8(text));
    msgpack_pack_str(&packer, text.len);
    buffer_add(out, text.ptr, text.len);
}

void wire_put_bin(struct buffer *out, struct bytes bin)
{
    msgpack_packer packer = packer_for(out);

    msgpack_pack_bin(&packer, bin.len);
    buffer_add(out, bin.ptr, bin.len);
}

void wire_put_array(struct buffer *out, uint32_t count)
{
    msgpack_packer packer = packer_for(out);

    assert(count <= WIRE_ITEMS_MAX);
    msgpack_pack_array(&packer, count);
}

void wire_put_map(struct buffer *out, uint32_t pairs)
{
    msgpack_packer packer = packer_for(out);

    assert(pairs <= WIRE_ITEMS_MAX);
    msgpack_pack_map(&packer, pairs);
}

void wire_put_value(struct buffer *out, struct bytes value)
{
    buffer_add(out, value.ptr, value.len);
}
