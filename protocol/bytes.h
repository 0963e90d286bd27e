/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: a borrowed view, a buffer with a stated maximum, and an arena that is reset as a whole.
 *
 * A view never owns. A buffer and an arena own heap memory and remember their first failure: later
 * calls do nothing, and the owner asks once, at the end.
 */
#ifndef KITH_PROTOCOL_BYTES_H
#define KITH_PROTOCOL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

/* A borrowed view. `ptr` may be NULL only where `len` is 0. */
struct bytes {
    const uint8_t *ptr;
    size_t len;
};

struct bytes bytes_of(const void *ptr, size_t len);
struct bytes bytes_text(const char *text);
bool bytes_equal(struct bytes a, struct bytes b); /* not for secrets */
/* As lower-case hexadecimal with a final zero: 2 * len + 1 characters. */
void bytes_hex(struct bytes view, char *text);
/* The view without its first `count` bytes; empty when it is shorter. */
struct bytes bytes_after(struct bytes view, size_t count);

/* Grows up to `max`; beyond it, or without memory, `err` is set and nothing more is added. Zero
 * `max` is a mistake. */
struct buffer {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    size_t max;
    enum kith_err err; /* KITH_OK, KITH_TOO_LARGE or KITH_MEMORY */
};

void buffer_init(struct buffer *buffer, size_t max);
/* Wipes, frees, and leaves it as after buffer_init. */
void buffer_clear(struct buffer *buffer);
/* Forgets content and error, keeps the memory. */
void buffer_reset(struct buffer *buffer);
void buffer_add(struct buffer *buffer, const void *ptr, size_t len);
/* Room for `len` more bytes, counted as content; NULL once failed. Valid until the next call on the
 * buffer. */
uint8_t *buffer_extend(struct buffer *buffer, size_t len);
/* Drops `count` bytes from the front. */
void buffer_drop(struct buffer *buffer, size_t count);
struct bytes buffer_view(const struct buffer *buffer);

/* Memory for one message or batch; every piece lives until arena_reset or arena_clear. */
struct arena {
    struct arena_block *first;
    size_t used;
    size_t max;
};

void arena_init(struct arena *arena, size_t max);
void arena_clear(struct arena *arena);
void arena_reset(struct arena *arena);
/* Zeroed, aligned for any type; NULL without memory or over the arena's maximum. */
void *arena_take(struct arena *arena, size_t len);
/* A copy of a view in the arena; an empty view with NULL `ptr` when there is no room. */
struct bytes arena_copy(struct arena *arena, struct bytes view);

/* Big-endian integers, as keys and headers have them. */
void put_u16(uint8_t *to, uint16_t value);
void put_u32(uint8_t *to, uint32_t value);
void put_u64(uint8_t *to, uint64_t value);
uint16_t get_u16(const uint8_t *from);
uint32_t get_u32(const uint8_t *from);
uint64_t get_u64(const uint8_t *from);

#endif
