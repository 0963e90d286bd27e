/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/recovery.h"

#include <string.h>

#include "protocol/safety.h"
#include "protocol/wire.h"

#define RECOVERY_VERSION 1

enum recovery_kind { RECOVERY_SLOTS = 1, RECOVERY_REQUEST = 2, RECOVERY_REPLY = 3 };

#define ANSWER_BYTES (SEAL_TO_OVERHEAD + RECOVERY_TEXT_BYTES)

/* What a sealed text begins with: it is good for this purpose and no other. */
static void purpose_write(enum seal_tag tag, struct bytes context, uint8_t to[static HASH_BYTES])
{
    seal_hash(tag, &context, 1, to);
}

static void text_write(const struct recovered *secret, const uint8_t purpose[static HASH_BYTES],
                       uint8_t text[static RECOVERY_TEXT_BYTES])
{
    memcpy(text, purpose, HASH_BYTES);
    memcpy(text + HASH_BYTES, secret->agency, ID_BYTES);
    put_u32(text + HASH_BYTES + ID_BYTES, secret->device);
    memcpy(text + HASH_BYTES + ID_BYTES + 4, secret->data_key, KEY_BYTES);
}

static enum kith_err text_read(struct recovered *found, const uint8_t purpose[static HASH_BYTES],
                               const uint8_t text[static RECOVERY_TEXT_BYTES])
{
    if (!seal_equal(text, purpose, HASH_BYTES))
        return KITH_DECRYPT;
    memcpy(found->agency, text + HASH_BYTES, ID_BYTES);
    found->device = get_u32(text + HASH_BYTES + ID_BYTES);
    memcpy(found->data_key, text + HASH_BYTES + ID_BYTES + 4, KEY_BYTES);
    return KITH_OK;
}

static void head_write(struct buffer *out, enum recovery_kind kind, uint32_t items)
{
    wire_put_array(out, 2 + items);
    wire_put_uint(out, RECOVERY_VERSION);
    wire_put_uint(out, kind);
}

static void head_read(struct wire_in *in, enum recovery_kind kind, uint32_t items)
{
    wire_array_exact(in, 2 + items);
    if (wire_uint(in, UINT32_MAX) != RECOVERY_VERSION)
        wire_fail(in, KITH_VERSION);
    if (wire_uint(in, UINT32_MAX) != (uint64_t)kind)
        wire_fail(in, KITH_MALFORMED);
}

/* One after another: the next is put at a random place of those there are. */
static void slot_insert(uint8_t *slots, size_t count,
                        const uint8_t slot[static RECOVERY_SLOT_BYTES])
{
    uint32_t place;

    seal_random(&place, sizeof place);
    uint8_t *at = slots + place % (count + 1) * RECOVERY_SLOT_BYTES;
    memmove(slots + count * RECOVERY_SLOT_BYTES, at, RECOVERY_SLOT_BYTES);
    memcpy(at, slot, RECOVERY_SLOT_BYTES);
}

enum kith_err recovery_slots_write(const struct recovered *secret,
                                   const uint8_t (*recipients)[KEY_BYTES], size_t count,
                                   struct buffer *out)
{
    uint8_t slots[RECOVERY_SLOTS_MAX * RECOVERY_SLOT_BYTES];
    uint8_t purpose[HASH_BYTES];
    uint8_t text[RECOVERY_TEXT_BYTES];
    size_t filled = (count / RECOVERY_SLOTS_STEP + 1) * RECOVERY_SLOTS_STEP;
    enum kith_err err = KITH_OK;

    if (filled > RECOVERY_SLOTS_MAX)
        return KITH_TOO_MANY;
    purpose_write(SEAL_RECOVERY_KEY, bytes_of(NULL, 0), purpose);
    text_write(secret, purpose, text);
    for (size_t i = 0; i < filled && !err; i++) {
        struct buffer slot;
        uint8_t nobody[KEY_BYTES];
        uint8_t nobodys_secret[KEY_BYTES];
        seal_random(nobodys_secret, KEY_BYTES);
        seal_box_public(nobodys_secret, nobody);
        buffer_init(&slot, RECOVERY_SLOT_BYTES);
        err = seal_to(i < count ? recipients[i] : nobody, bytes_of(text, sizeof text), &slot);
        if (!err)
            slot_insert(slots, i, slot.ptr);
        buffer_clear(&slot);
        seal_wipe(nobodys_secret, sizeof nobodys_secret);
    }
    seal_wipe(text, sizeof text);
    head_write(out, RECOVERY_SLOTS, 1);
    wire_put_bin(out, bytes_of(slots, filled * RECOVERY_SLOT_BYTES));
    return err ? err : out->err;
}

static void slots_read(struct wire_in *in, struct recovery_request *request)
{
    request->slots = wire_bin(in, RECOVERY_SLOTS_MAX * RECOVERY_SLOT_BYTES);
    if (request->slots.len % RECOVERY_SLOT_BYTES != 0)
        wire_fail(in, KITH_MALFORMED);
}

enum kith_err recovery_slots_read(struct recovery_request *request, struct bytes file)
{
    struct wire_in in = wire_open(file);

    *request = (struct recovery_request){.reply = NULL};
    head_read(&in, RECOVERY_SLOTS, 1);
    slots_read(&in, request);
    return wire_close(&in);
}

void recovery_request_write(const struct recovery_request *request, struct buffer *out)
{
    head_write(out, RECOVERY_REQUEST, 2);
    wire_put_bin(out, request->slots);
    wire_put_bin(out, bytes_of(request->reply, KEY_BYTES));
}

enum kith_err recovery_request_read(struct recovery_request *request, struct bytes file)
{
    struct wire_in in = wire_open(file);

    head_read(&in, RECOVERY_REQUEST, 2);
    slots_read(&in, request);
    struct bytes reply = wire_bin(&in, KEY_BYTES);
    request->reply = reply.ptr;
    if (reply.len != KEY_BYTES)
        wire_fail(&in, KITH_MALFORMED);
    return wire_close(&in);
}

void recovery_check(struct bytes request, char text[static RECOVERY_CHECK_TEXT])
{
    uint8_t hash[HASH_BYTES];

    seal_hash(SEAL_RECOVERY_CHECK, &request, 1, hash);
    safety_groups(hash, RECOVERY_CHECK_TEXT / SAFETY_GROUP_CHARS, text);
}

enum kith_err recovery_open(const struct recovery_request *request,
                            const uint8_t secret[static KEY_BYTES], struct recovered *found)
{
    uint8_t text[RECOVERY_TEXT_BYTES];
    uint8_t purpose[HASH_BYTES];
    enum kith_err err = KITH_NOT_FOUND;

    purpose_write(SEAL_RECOVERY_KEY, bytes_of(NULL, 0), purpose);
    for (size_t at = 0; err && at < request->slots.len; at += RECOVERY_SLOT_BYTES)
        if (seal_open(secret, bytes_of(request->slots.ptr + at, RECOVERY_SLOT_BYTES), text) ==
            KITH_OK)
            err = text_read(found, purpose, text) ? KITH_NOT_FOUND : KITH_OK;
    seal_wipe(text, sizeof text);
    return err;
}

enum kith_err recovery_answer_write(struct bytes request, const struct recovered *found,
                                    struct buffer *out)
{
    struct recovery_request asked;
    uint8_t purpose[HASH_BYTES];
    uint8_t text[RECOVERY_TEXT_BYTES];
    struct buffer sealed;
    enum kith_err err = recovery_request_read(&asked, request);

    if (err)
        return err;
    purpose_write(SEAL_RECOVERY_ANSWER, request, purpose);
    text_write(found, purpose, text);
    buffer_init(&sealed, ANSWER_BYTES);
    err = seal_to(asked.reply, bytes_of(text, sizeof text), &sealed);
    seal_wipe(text, sizeof text);
    head_write(out, RECOVERY_REPLY, 1);
    wire_put_bin(out, buffer_view(&sealed));
    buffer_clear(&sealed);
    return err ? err : out->err;
}

enum kith_err recovery_answer_read(struct bytes answer, struct bytes request,
                                   const uint8_t secret[static KEY_BYTES], struct recovered *found)
{
    struct wire_in in = wire_open(answer);
    uint8_t purpose[HASH_BYTES];
    uint8_t text[RECOVERY_TEXT_BYTES];

    head_read(&in, RECOVERY_REPLY, 1);
    struct bytes sealed = wire_bin(&in, ANSWER_BYTES);
    if (sealed.len != ANSWER_BYTES)
        wire_fail(&in, KITH_MALFORMED);
    enum kith_err err = wire_close(&in);
    if (!err)
        err = seal_open(secret, sealed, text);
    purpose_write(SEAL_RECOVERY_ANSWER, request, purpose);
    if (!err)
        err = text_read(found, purpose, text);
    seal_wipe(text, sizeof text);
    return err;
}
