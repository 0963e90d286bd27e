/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic msgpack: a strict, bounded reader with a sticky error, and a writer over
 * msgpack-c's packer.
 *
 * One value has one encoding: shortest integer, string and binary forms, valid UTF-8, no floats, no
 * extensions, array and map counts in their shortest form and at most WIRE_ITEMS_MAX, nesting at
 * most WIRE_DEPTH_MAX, map keys unsigned and strictly ascending. What the reader accepts re-encodes
 * to the same bytes, so bytes can be hashed and signed as they came. The reader allocates nothing.
 * Source: the msgpack specification (github.com/msgpack/msgpack, spec.md).
 *
 * Reading after a failure returns zero, an empty view, false; the first failure stays. Ask once,
 * with wire_close.
 */
#ifndef KITH_PROTOCOL_WIRE_H
#define KITH_PROTOCOL_WIRE_H

#include "protocol/bytes.h"

enum wire_kind {
    WIRE_NONE,
    WIRE_NIL,
    WIRE_BOOL,
    WIRE_INT,
    WIRE_TEXT,
    WIRE_BIN,
    WIRE_ARRAY,
    WIRE_MAP
};

struct wire_in {
    struct bytes left;
    enum kith_err err;
};

struct wire_in wire_open(struct bytes message);
/* The kind of the next value without consuming it; WIRE_NONE at the end or after a failure. */
enum wire_kind wire_peek(const struct wire_in *in);
bool wire_at_end(const struct wire_in *in);

uint64_t wire_uint(struct wire_in *in, uint64_t max);
int64_t wire_int(struct wire_in *in);
bool wire_bool(struct wire_in *in);
void wire_nil(struct wire_in *in);
/* True, and consumed, if a nil is next; false, and nothing consumed, otherwise. */
bool wire_skip_nil(struct wire_in *in);
/* Borrowed from the message. */
struct bytes wire_text(struct wire_in *in, size_t max);
struct bytes wire_bin(struct wire_in *in, size_t max);
/* Exactly `len` bytes, copied to `to` (zeroed on failure). */
void wire_bin_exact(struct wire_in *in, uint8_t *to, size_t len);
/* The number of items of the array that follows, at most `max`; never more than there are bytes
 * left. */
uint32_t wire_array(struct wire_in *in, uint32_t max);
/* An array with exactly `count` items. */
void wire_array_exact(struct wire_in *in, uint32_t count);
/* The number of pairs of the map that follows. */
uint32_t wire_map(struct wire_in *in, uint32_t max);
/* The whole next value, whatever it is, checked to the rules above: its bytes, borrowed. */
struct bytes wire_value(struct wire_in *in);
/* Records a failure of the caller's own check, unless one came before. */
void wire_fail(struct wire_in *in, enum kith_err err);
/* The first failure; KITH_MALFORMED if bytes are left over. */
MUST_USE enum kith_err wire_close(const struct wire_in *in);

/* Writers append to a buffer and share its sticky error. */
void wire_put_uint(struct buffer *out, uint64_t value);
void wire_put_int(struct buffer *out, int64_t value);
void wire_put_bool(struct buffer *out, bool value);
void wire_put_nil(struct buffer *out);
void wire_put_text(struct buffer *out, struct bytes text);
void wire_put_bin(struct buffer *out, struct bytes bin);
void wire_put_array(struct buffer *out, uint32_t count);
void wire_put_map(struct buffer *out, uint32_t pairs);
/* An already encoded value, as wire_value returned it. */
void wire_put_value(struct buffer *out, struct bytes value);

/* Whether `value` is exactly one well-formed value. */
bool wire_is_value(struct bytes value);
/* Whether it is valid UTF-8 (no surrogates, no overlong forms; NUL is refused: it ends a C string).
 */
bool wire_is_utf8(struct bytes text);

#endif
