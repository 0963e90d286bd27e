/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rosters and access chains that members write with their own keys: eight bytes make one entry,
 * signed as it should be. Whoever reads the same entries comes to the same state; what is refused
 * changes nothing; and an entry with one bit turned is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/seal.h"
#include "tests/unit/make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OP_BYTES    8
#define OPS_MAX     24
#define DEVICES_MAX 12
#define CIRCLE_OPS  0x80

struct story {
    struct made_agency *agency;
    struct circle circle;
    struct bytes chain[OPS_MAX];
    uint32_t chain_count;
};

static const uint8_t *secret_of(const struct story *story, uint32_t device)
{
    return story->agency->devices[device - 1].sign_secret;
}

static uint32_t device_of(const struct story *story, uint8_t byte)
{
    return 1 + byte % (story->agency->roster.device_count + 1);
}

/* The roster */

static void fill_keys(struct story *story, struct roster_entry *entry, struct made_device *made,
                      uint32_t *owner)
{
    *owner = 0;
    if (entry->type == ROSTER_INVITE || entry->type == ROSTER_RENEW) {
        made_device_keys(made, 500000 + entry->device);
        *owner = entry->device;
    } else if (entry->type == ROSTER_ENROL) {
        made_device_keys(made, entry->author);
        *owner = entry->author;
    }
    entry->keys = made->keys;
    (void)story;
}

static void write_roster(struct story *story, const uint8_t *op)
{
    struct roster *roster = &story->agency->roster;
    struct roster_entry entry = {.type = (enum roster_type)(2 + op[0] % 5),
                                 .author = device_of(story, op[1]),
                                 .time_s = MADE_NOW_S,
                                 .person = 1 + op[3] % (roster->person_count + 2),
                                 .roles = op[4] & 15u,
                                 .supervisor = op[5] % (roster->person_count + 2),
                                 .expires_s = MADE_EXPIRES_S,
                                 .leaving = (enum leaving)(op[6] % 4)};
    struct made_device made = {0};
    struct buffer out;
    uint32_t owner;
    uint32_t before = roster->count;

    if (roster->device_count >= DEVICES_MAX)
        return;
    bool is_next = entry.type == ROSTER_INVITE || entry.type == ROSTER_RENEW;
    entry.device = is_next && op[2] < 250 ? roster->device_count + 1 : device_of(story, op[2]);
    entry.until_s = entry.leaving == LEAVING_TRANSFERRED ? MADE_EXPIRES_S : 0;
    fill_keys(story, &entry, &made, &owner);
    buffer_init(&out, ENTRY_MAX);
    if (roster_entry_write(roster, &entry, secret_of(story, entry.author), &out) == KITH_OK) {
        enum kith_err err = roster_append(roster, buffer_view(&out));
        if (roster->count != before + (err == KITH_OK))
            abort();
        if (!err) {
            story->agency->entries[before] = arena_copy(&story->agency->arena, buffer_view(&out));
            if (owner)
                story->agency->devices[owner - 1] = made;
        }
    }
    buffer_clear(&out);
}

/* The circle */

static void set_lists(struct circle_entry *entry, const struct story *story, const uint8_t *op,
                      struct circle_member *members, uint32_t *devices,
                      struct circle_leaver *leavers)
{
    for (uint32_t i = 0; i < 8; i++) {
        if (op[2] >> i & 1 && i < story->agency->roster.person_count + 1)
            members[entry->member_count++] =
                (struct circle_member){i + 1, op[3] >> i & 1 ? CIRCLE_WRITE : CIRCLE_READ};
        if (op[4] >> i & 1)
            devices[entry->device_count++] = i + 1;
        if (op[5] >> i & 1)
            leavers[entry->leaver_count++] =
                (struct circle_leaver){.person = i + 1, .leaving = (enum leaving)(op[6] % 4)};
    }
    entry->members = members;
    entry->devices = devices;
    entry->leavers = leavers;
}

static void write_circle(struct story *story, const uint8_t *op)
{
    static const enum circle_type types[] = {CIRCLE_GENESIS, CIRCLE_GRANT, CIRCLE_ROTATE,
                                             CIRCLE_ADMIT};
    struct circle_member members[8];
    struct circle_leaver leavers[8];
    uint32_t devices[8];
    struct circle_entry entry = {.type = types[op[0] % 4],
                                 .author = device_of(story, op[1]),
                                 .roster_seq = story->agency->roster.count - op[7] % 2,
                                 .time_s = MADE_NOW_S,
                                 .kind = op[7] & 4 ? CIRCLE_AGENCY : CIRCLE_CHART,
                                 .epoch = story->circle.epoch + 1,
                                 .device = device_of(story, op[2]),
                                 .n = op[3]};
    struct buffer out;
    uint32_t before = story->circle.count;

    memcpy(entry.agency, story->agency->roster.agency, ID_BYTES);
    memset(entry.commitment, 7, HASH_BYTES);
    set_lists(&entry, story, op, members, devices, leavers);
    buffer_init(&out, 2 * ENTRY_MAX);
    if (circle_entry_write(&story->circle, &entry, secret_of(story, entry.author), &out) ==
        KITH_OK) {
        enum kith_err err =
            circle_append(&story->circle, &story->agency->roster, buffer_view(&out));
        if (story->circle.count != before + (err == KITH_OK))
            abort();
        if (!err)
            story->chain[story->chain_count++] =
                arena_copy(&story->agency->arena, buffer_view(&out));
    }
    buffer_clear(&out);
}

/* Another reader */

static void turn_one_bit(struct bytes entry, uint8_t *copy, uint8_t where)
{
    memcpy(copy, entry.ptr, entry.len);
    copy[where * entry.len / 256] ^= (uint8_t)(1u << (where & 7));
}

static void expect_same_roster(const struct made_agency *agency, uint8_t where)
{
    uint8_t copy[ENTRY_MAX];
    struct roster again;

    roster_init(&again);
    for (uint32_t i = 0; i < agency->roster.count; i++) {
        turn_one_bit(agency->entries[i], copy, where);
        if (roster_append(&again, bytes_of(copy, agency->entries[i].len)) == KITH_OK ||
            roster_append(&again, agency->entries[i]) != KITH_OK)
            abort();
    }
    if (memcmp(again.head, agency->roster.head, HASH_BYTES) != 0 ||
        again.device_count != agency->roster.device_count)
        abort();
    roster_clear(&again);
}

static void expect_same_circle(const struct story *story, uint8_t where)
{
    static uint8_t copy[2 * ENTRY_MAX];
    struct circle again;

    circle_init(&again);
    for (uint32_t i = 0; i < story->chain_count; i++) {
        turn_one_bit(story->chain[i], copy, where);
        if (circle_append(&again, &story->agency->roster, bytes_of(copy, story->chain[i].len)) ==
                KITH_OK ||
            circle_append(&again, &story->agency->roster, story->chain[i]) != KITH_OK)
            abort();
    }
    if (again.epoch != story->circle.epoch || again.count != story->circle.count)
        abort();
    circle_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct story story = {.agency = made_agency_new()};

    circle_init(&story.circle);
    for (size_t at = 1; at + OP_BYTES <= size && at / OP_BYTES < OPS_MAX; at += OP_BYTES)
        if (data[at] & CIRCLE_OPS)
            write_circle(&story, data + at);
        else
            write_roster(&story, data + at);
    if (size > 0) {
        expect_same_roster(story.agency, data[0]);
        expect_same_circle(&story, data[0]);
    }
    circle_clear(&story.circle);
    made_agency_free(&story.agency);
    return 0;
}
