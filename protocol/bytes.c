/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only allocation in protocol/. Memory may have held decrypted text or keys, so it is wiped
 * before it is given back, also when a buffer moves; realloc would leave the old place as it was.
 */
#include "protocol/bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_CAP_MIN  64
#define ARENA_BLOCK_MIN 4096
#define ARENA_ALIGN     _Alignof(max_align_t)

/* Blocks are newest first; only the newest has room worth looking for. */
struct arena_block {
    struct arena_block *next;
    size_t cap;
    size_t used;
    max_align_t content[];
};

struct bytes bytes_of(const void *ptr, size_t len)
{
    return (struct bytes){.ptr = ptr, .len = len};
}

struct bytes bytes_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

void bytes_hex(struct bytes view, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < view.len; i++) {
        *text++ = digits[view.ptr[i] >> 4];
        *text++ = digits[view.ptr[i] & 15];
    }
    *text = '\0';
}

struct bytes bytes_after(struct bytes view, size_t count)
{
    if (count >= view.len) {
        return bytes_of(NULL, 0);
    }
    return bytes_of(view.ptr + count, view.len - count);
}

static void wipe_and_free(void *ptr, size_t len)
{
    if (ptr != NULL) {
        explicit_bzero(ptr, len);
        free(ptr);
    }
}

void buffer_init(struct buffer *buffer, size_t max)
{
    assert(max > 0);
    *buffer = (struct buffer){.max = max};
}

void buffer_clear(struct buffer *buffer)
{
    wipe_and_free(buffer->ptr, buffer->cap);
    *buffer = (struct buffer){.max = buffer->max};
}

void buffer_reset(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->err = KITH_OK;
}

/* Doubling, so that adding byte by byte stays linear; never over `max`. */
static size_t buffer_cap_for(const struct buffer *buffer, size_t needed)
{
    size_t cap = buffer->cap < BUFFER_CAP_MIN ? BUFFER_CAP_MIN : buffer->cap;

    while (cap < needed) {
        cap = cap > buffer->max / 2 ? buffer->max : cap * 2;
    }
    return cap < buffer->max ? cap : buffer->max;
}

static void buffer_grow(struct buffer *buffer, size_t needed)
{
    const size_t cap = buffer_cap_for(buffer, needed);
    uint8_t *ptr = malloc(cap);

    if (ptr == NULL) {
        buffer->err = KITH_MEMORY;
        return;
    }
    if (buffer->ptr != NULL) {
        memcpy(ptr, buffer->ptr, buffer->len);
    }
    wipe_and_free(buffer->ptr, buffer->cap);
    buffer->ptr = ptr;
    buffer->cap = cap;
}

uint8_t *buffer_extend(struct buffer *buffer, size_t len)
{
    assert(buffer->max > 0);
    if (buffer->err != KITH_OK) {
        return NULL;
    }
    if (len > buffer->max - buffer->len) {
        buffer->err = KITH_TOO_LARGE;
        return NULL;
    }
    if (buffer->ptr == NULL || len > buffer->cap - buffer->len) {
        buffer_grow(buffer, buffer->len + len);
    }
    if (buffer->err != KITH_OK) {
        return NULL;
    }
    uint8_t *room = buffer->ptr + buffer->len;
    buffer->len += len;
    return room;
}

void buffer_add(struct buffer *buffer, const void *ptr, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *room = buffer_extend(buffer, len);
    if (room != NULL) {
        memcpy(room, ptr, len);
    }
}

void buffer_drop(struct buffer *buffer, size_t count)
{
    if (count >= buffer->len) {
        buffer->len = 0;
        return;
    }
    memmove(buffer->ptr, buffer->ptr + count, buffer->len - count);
    buffer->len -= count;
}

struct bytes buffer_view(const struct buffer *buffer)
{
    return bytes_of(buffer->ptr, buffer->len);
}

void arena_init(struct arena *arena, size_t max)
{
    *arena = (struct arena){.max = max};
}

static void arena_free_after(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;

        wipe_and_free(block, sizeof *block + block->cap);
        block = next;
    }
}

void arena_clear(struct arena *arena)
{
    arena_free_after(arena->first);
    arena_init(arena, arena->max);
}

/* One block of the usual size is kept: the next message most likely fits it. */
void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->first;

    if (first == NULL || first->cap > ARENA_BLOCK_MIN) {
        arena_clear(arena);
        return;
    }
    arena_free_after(first->next);
    explicit_bzero(first->content, first->used);
    first->next = NULL;
    first->used = 0;
    arena->used = 0;
}

static struct arena_block *arena_add_block(struct arena *arena, size_t len)
{
    const size_t cap = len > ARENA_BLOCK_MIN ? len : ARENA_BLOCK_MIN;
    struct arena_block *block = malloc(sizeof *block + cap);

    if (block == NULL) {
        return NULL;
    }
    *block = (struct arena_block){.next = arena->first, .cap = cap};
    arena->first = block;
    return block;
}

void *arena_take(struct arena *arena, size_t len)
{
    const size_t left = arena->max - arena->used;
    struct arena_block *block = arena->first;

    if (len > left || len > SIZE_MAX / 2) {
        return NULL;
    }
    size_t size = (len == 0 ? 1 : len) + ARENA_ALIGN - 1;
    size -= size % ARENA_ALIGN;
    if (block == NULL || size > block->cap - block->used) {
        block = arena_add_block(arena, size);
    }
    if (block == NULL) {
        return NULL;
    }
    uint8_t *piece = (uint8_t *)block->content + block->used;
    block->used += size;
    arena->used += size < left ? size : left;
    return memset(piece, 0, size);
}

struct bytes arena_copy(struct arena *arena, struct bytes view)
{
    uint8_t *copy = arena_take(arena, view.len);

    if (copy == NULL) {
        return bytes_of(NULL, 0);
    }
    if (view.len > 0) {
        memcpy(copy, view.ptr, view.len);
    }
    return bytes_of(copy, view.len);
}

void put_u16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

void put_u32(uint8_t *to, uint32_t value)
{
    put_u16(to, (uint16_t)(value >> 16));
    put_u16(to + 2, (uint16_t)value);
}

void put_u64(uint8_t *to, uint64_t value)
{
    put_u32(to, (uint32_t)(value >> 32));
    put_u32(to + 4, (uint32_t)value);
}

uint16_t get_u16(const uint8_t *from)
{
    return (uint16_t)(from[0] << 8 | from[1]);
}

uint32_t get_u32(const uint8_t *from)
{
    return (uint32_t)get_u16(from) << 16 | get_u16(from + 2);
}

uint64_t get_u64(const uint8_t *from)
{
    return (uint64_t)get_u32(from) << 32 | get_u32(from + 4);
}
