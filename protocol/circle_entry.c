/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of an access chain: struct to bytes and back, side by side. */
#include <string.h>

#include "protocol/circle_internal.h"
#include "protocol/wire.h"

#define ENTRY_FIELDS 8 /* version, seq, prev, author, roster seq, time, type, content */

/* An array of `width` items each, its rows in the arena; NULL and a failure if it is not that. */
static void *rows_read(struct wire_in *in, struct arena *arena, uint32_t width, size_t size,
                       uint32_t *count)
{
    uint32_t items = wire_array(in, CIRCLE_DEVICES_MAX);
    void *rows = arena_take(arena, (items / width + 1) * size);

    *count = 0;
    if (!rows || items % width != 0)
        wire_fail(in, rows ? KITH_MALFORMED : KITH_MEMORY);
    else
        *count = items / width;
    return rows;
}

static void members_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    uint32_t count;
    struct circle_member *members = rows_read(in, arena, 2, sizeof *members, &count);

    for (uint32_t i = 0; i < count; i++) {
        members[i].person = (uint32_t)wire_uint(in, PERSON_MAX);
        uint64_t right = wire_uint(in, CIRCLE_WRITE);
        if (members[i].person == 0 || (i > 0 && members[i].person <= members[i - 1].person) ||
            (right != CIRCLE_READ && right != CIRCLE_WRITE))
            wire_fail(in, KITH_MALFORMED);
        members[i].right = right == CIRCLE_WRITE ? CIRCLE_WRITE : CIRCLE_READ;
    }
    entry->members = members;
    entry->member_count = count;
}

static void devices_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    uint32_t count;
    uint32_t *devices = rows_read(in, arena, 1, sizeof *devices, &count);

    for (uint32_t i = 0; i < count; i++) {
        devices[i] = (uint32_t)wire_uint(in, DEVICE_MAX);
        if (devices[i] == 0 || (i > 0 && devices[i] <= devices[i - 1]))
            wire_fail(in, KITH_MALFORMED);
    }
    entry->devices = devices;
    entry->device_count = count;
}

static void leavers_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    uint32_t count;
    struct circle_leaver *leavers = rows_read(in, arena, 2, sizeof *leavers, &count);

    for (uint32_t i = 0; i < count; i++) {
        leavers[i].person = (uint32_t)wire_uint(in, PERSON_MAX);
        leavers[i].leaving = (enum leaving)wire_uint(in, LEAVING_REVOKED);
        if (leavers[i].person == 0 || leavers[i].leaving == LEAVING_NOT ||
            (i > 0 && leavers[i].person <= leavers[i - 1].person))
            wire_fail(in, KITH_MALFORMED);
    }
    entry->leavers = leavers;
    entry->leaver_count = count;
}

static void cut_read(struct wire_in *in, struct circle_cut *cut)
{
    static const uint8_t zeros[HASH_BYTES];

    cut->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    cut->leaving = (enum leaving)wire_uint(in, LEAVING_RENEWED);
    cut->until_s = wire_uint(in, UINT64_MAX);
    cut->n = wire_uint(in, UINT64_MAX);
    wire_bin_exact(in, cut->id, HASH_BYTES);
    bool is_transfer = cut->leaving == LEAVING_TRANSFERRED;
    if (cut->device == 0 || cut->leaving == LEAVING_NOT || is_transfer != (cut->until_s != 0) ||
        (cut->n == 0 && !seal_equal(cut->id, zeros, HASH_BYTES)))
        wire_fail(in, KITH_MALFORMED);
}

static void cuts_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    uint32_t count;
    struct circle_cut *cuts = rows_read(in, arena, 5, sizeof *cuts, &count);

    for (uint32_t i = 0; i < count; i++) {
        cut_read(in, &cuts[i]);
        if (i > 0 && cuts[i].device <= cuts[i - 1].device)
            wire_fail(in, KITH_MALFORMED);
    }
    entry->cuts = cuts;
    entry->cut_count = count;
}

static void wraps_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    uint32_t count;
    struct circle_wrap *wraps = rows_read(in, arena, 2, sizeof *wraps, &count);

    for (uint32_t i = 0; i < count; i++) {
        wraps[i].epoch = (uint32_t)wire_uint(in, EPOCH_MAX);
        struct bytes wrap = wire_bin(in, WRAP_BYTES);
        wraps[i].wrap = wrap.ptr;
        if (wrap.len != WRAP_BYTES || wraps[i].epoch == 0 || wraps[i].epoch >= entry->epoch ||
            (i > 0 && wraps[i].epoch <= wraps[i - 1].epoch))
            wire_fail(in, KITH_MALFORMED);
    }
    if (count > CIRCLE_WRAPS_MAX)
        wire_fail(in, KITH_TOO_LARGE);
    entry->wraps = wraps;
    entry->wrap_count = count;
}

static void rotate_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    wire_array_exact(in, 5);
    entry->epoch = (uint32_t)wire_uint(in, EPOCH_MAX);
    wire_bin_exact(in, entry->commitment, HASH_BYTES);
    wraps_read(in, entry, arena);
    leavers_read(in, entry, arena);
    cuts_read(in, entry, arena);
}

/* Which changes of which device a decision is about. */
static void held_read(struct wire_in *in, struct circle_entry *entry)
{
    entry->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    entry->n = wire_uint(in, UINT64_MAX);
    wire_bin_exact(in, entry->id, HASH_BYTES);
    if (entry->device == 0 || entry->n == 0)
        wire_fail(in, KITH_MALFORMED);
}

static void content_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    switch (entry->type) {
    case CIRCLE_GENESIS:
        wire_array_exact(in, 6);
        wire_bin_exact(in, entry->agency, ID_BYTES);
        entry->kind = (enum circle_kind)wire_uint(in, CIRCLE_WORK);
        if (!circle_kind_is_known(entry->kind))
            wire_fail(in, KITH_MALFORMED);
        wire_bin_exact(in, entry->salt, ID_BYTES);
        wire_bin_exact(in, entry->commitment, HASH_BYTES);
        members_read(in, entry, arena);
        devices_read(in, entry, arena);
        return;
    case CIRCLE_GRANT:
        wire_array_exact(in, 2);
        members_read(in, entry, arena);
        devices_read(in, entry, arena);
        return;
    case CIRCLE_ROTATE:
        rotate_read(in, entry, arena);
        return;
    case CIRCLE_ADMIT:
        wire_array_exact(in, 3);
        held_read(in, entry);
        return;
    case CIRCLE_REJECT:
        wire_array_exact(in, 4);
        held_read(in, entry);
        entry->reason = wire_bin(in, CIRCLE_REASON_MAX);
        return;
    case CIRCLE_LACK:
        wire_array_exact(in, 1);
        entry->epoch = (uint32_t)wire_uint(in, EPOCH_MAX);
        return;
    }
    wire_fail(in, KITH_UNKNOWN_TYPE);
}

static void people_write(struct buffer *out, const struct circle_entry *entry)
{
    wire_put_array(out, entry->member_count * 2);
    for (uint32_t i = 0; i < entry->member_count; i++) {
        wire_put_uint(out, entry->members[i].person);
        wire_put_uint(out, entry->members[i].right);
    }
    wire_put_array(out, entry->device_count);
    for (uint32_t i = 0; i < entry->device_count; i++)
        wire_put_uint(out, entry->devices[i]);
}

static void rotate_write(struct buffer *out, const struct circle_entry *entry)
{
    wire_put_array(out, 5);
    wire_put_uint(out, entry->epoch);
    wire_put_bin(out, bytes_of(entry->commitment, HASH_BYTES));
    wire_put_array(out, entry->wrap_count * 2);
    for (uint32_t i = 0; i < entry->wrap_count; i++) {
        wire_put_uint(out, entry->wraps[i].epoch);
        wire_put_bin(out, bytes_of(entry->wraps[i].wrap, WRAP_BYTES));
    }
    wire_put_array(out, entry->leaver_count * 2);
    for (uint32_t i = 0; i < entry->leaver_count; i++) {
        wire_put_uint(out, entry->leavers[i].person);
        wire_put_uint(out, entry->leavers[i].leaving);
    }
    wire_put_array(out, entry->cut_count * 5);
    for (uint32_t i = 0; i < entry->cut_count; i++) {
        const struct circle_cut *cut = &entry->cuts[i];
        wire_put_uint(out, cut->device);
        wire_put_uint(out, cut->leaving);
        wire_put_uint(out, cut->until_s);
        wire_put_uint(out, cut->n);
        wire_put_bin(out, bytes_of(cut->id, HASH_BYTES));
    }
}

static void held_write(struct buffer *out, const struct circle_entry *entry)
{
    wire_put_uint(out, entry->device);
    wire_put_uint(out, entry->n);
    wire_put_bin(out, bytes_of(entry->id, HASH_BYTES));
}

static void content_write(struct buffer *out, const struct circle_entry *entry)
{
    switch (entry->type) {
    case CIRCLE_GENESIS:
        wire_put_array(out, 6);
        wire_put_bin(out, bytes_of(entry->agency, ID_BYTES));
        wire_put_uint(out, entry->kind);
        wire_put_bin(out, bytes_of(entry->salt, ID_BYTES));
        wire_put_bin(out, bytes_of(entry->commitment, HASH_BYTES));
        people_write(out, entry);
        return;
    case CIRCLE_GRANT:
        wire_put_array(out, 2);
        people_write(out, entry);
        return;
    case CIRCLE_ROTATE:
        rotate_write(out, entry);
        return;
    case CIRCLE_ADMIT:
        wire_put_array(out, 3);
        held_write(out, entry);
        return;
    case CIRCLE_REJECT:
        wire_put_array(out, 4);
        held_write(out, entry);
        wire_put_bin(out, entry->reason);
        return;
    case CIRCLE_LACK:
        wire_put_array(out, 1);
        wire_put_uint(out, entry->epoch);
        return;
    }
}

static const struct chain_tags tags = {SEAL_CIRCLE_ENTRY, SEAL_CIRCLE_SIGN};

enum kith_err circle_entry_read(struct circle_entry *entry, struct bytes bytes, struct arena *arena)
{
    struct wire_in in;

    memset(entry, 0, sizeof *entry);
    enum kith_err err = chain_open(bytes, &tags, ENTRY_FIELDS, &entry->link, &in);
    if (err)
        return err;
    entry->author = (uint32_t)wire_uint(&in, DEVICE_MAX);
    entry->roster_seq = (uint32_t)wire_uint(&in, ROSTER_ENTRIES_MAX);
    entry->time_s = wire_uint(&in, UINT64_MAX);
    entry->type = (enum circle_type)wire_uint(&in, UINT8_MAX);
    content_read(&in, entry, arena);
    return wire_close(&in);
}

enum kith_err circle_entry_write(const struct circle *circle, struct circle_entry *entry,
                                 const uint8_t sign_secret[static SIGN_KEY_BYTES],
                                 struct buffer *out)
{
    size_t start = chain_begin(out, ENTRY_FIELDS, circle->count, circle->head, &entry->link);

    wire_put_uint(out, entry->author);
    wire_put_uint(out, entry->roster_seq);
    wire_put_uint(out, entry->time_s);
    wire_put_uint(out, entry->type);
    content_write(out, entry);
    return chain_sign(out, start, &tags, sign_secret, &entry->link);
}

void circle_id(const uint8_t genesis_hash[static HASH_BYTES], uint8_t id[static ID_BYTES])
{
    struct bytes hash = bytes_of(genesis_hash, HASH_BYTES);

    seal_id(SEAL_CIRCLE_ID, &hash, 1, id);
}
