/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/circle.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/circle_internal.h"

void circle_init(struct circle *circle)
{
    memset(circle, 0, sizeof *circle);
}

void circle_clear(struct circle *circle)
{
    free(circle->epochs);
    free(circle->members);
    free(circle->devices);
    free(circle->lacks);
    free(circle->cuts);
    circle_init(circle);
}

bool circle_kind_is_known(uint64_t kind)
{
    return kind >= CIRCLE_AGENCY && kind <= CIRCLE_WORK;
}

/* The first index of an ascending list whose number is not below `number`. The number is what a row
 * begins with: persons and devices alike. */
static uint32_t row_place(const void *rows, uint32_t count, size_t size, uint32_t number)
{
    uint32_t low = 0;
    uint32_t high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t found;
        memcpy(&found, (const uint8_t *)rows + middle * size, sizeof found);
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

_Static_assert(offsetof(struct circle_member, person) == 0, "row_place reads it there");
_Static_assert(offsetof(struct circle_cut, device) == 0, "row_place reads it there");

static uint32_t member_place(const struct circle *circle, uint32_t person)
{
    return row_place(circle->members, circle->member_count, sizeof *circle->members, person);
}

static uint32_t cut_place(const struct circle *circle, uint32_t device)
{
    return row_place(circle->cuts, circle->cut_count, sizeof *circle->cuts, device);
}

static bool list_has(const uint32_t *list, uint32_t count, uint32_t number)
{
    uint32_t place = row_place(list, count, sizeof *list, number);

    return place < count && list[place] == number;
}

static void list_add(uint32_t *list, uint32_t *count, uint32_t number)
{
    uint32_t place = row_place(list, *count, sizeof *list, number);

    if (place < *count && list[place] == number)
        return;
    memmove(&list[place + 1], &list[place], (*count - place) * sizeof *list);
    list[place] = number;
    (*count)++;
}

static void list_remove(uint32_t *list, uint32_t *count, uint32_t number)
{
    uint32_t place = row_place(list, *count, sizeof *list, number);

    if (place == *count || list[place] != number)
        return;
    (*count)--;
    memmove(&list[place], &list[place + 1], (*count - place) * sizeof *list);
}

const struct circle_member *circle_member(const struct circle *circle, uint32_t person)
{
    static const struct circle_member everybody = {.person = 0, .right = CIRCLE_WRITE};
    uint32_t place = member_place(circle, person);

    if (circle->kind == CIRCLE_AGENCY)
        return &everybody;
    if (place < circle->member_count && circle->members[place].person == person)
        return &circle->members[place];
    return NULL;
}

bool circle_has_device(const struct circle *circle, uint32_t device)
{
    return list_has(circle->devices, circle->device_count, device);
}

bool circle_lacks(const struct circle *circle, uint32_t device)
{
    return list_has(circle->lacks, circle->lack_count, device);
}

const struct circle_cut *circle_cut(const struct circle *circle, uint32_t device)
{
    uint32_t place = cut_place(circle, device);
    bool is_there = place < circle->cut_count && circle->cuts[place].device == device;

    return is_there ? &circle->cuts[place] : NULL;
}

const uint8_t *circle_commitment(const struct circle *circle, uint32_t epoch)
{
    return epoch >= 1 && epoch <= circle->epoch ? circle->epochs[epoch - 1].commitment : NULL;
}

/* Whether the device's person is one who writes. */
static enum kith_err member_check(const struct circle *circle, const struct roster *roster,
                                  uint32_t device)
{
    const struct roster_device *known = roster_device(roster, device);

    if (!known || known->state == DEVICE_INVITED)
        return KITH_UNKNOWN_DEVICE;
    const struct circle_member *member = circle_member(circle, known->person);
    return member && member->right == CIRCLE_WRITE ? KITH_OK : KITH_NOT_MEMBER;
}

enum kith_err circle_may_write(const struct circle *circle, const struct roster *roster,
                               uint32_t device)
{
    enum kith_err err = member_check(circle, roster, device);

    if (!err && roster_device(roster, device)->state == DEVICE_ENDED)
        return KITH_ENDED;
    return !err && circle_cut(circle, device) ? KITH_NOT_MEMBER : err;
}

static enum kith_err cut_check(const struct circle_cut *cut, const struct change_header *header,
                               const uint8_t id[static HASH_BYTES])
{
    if (header->n == cut->n)
        return seal_equal(id, cut->id, HASH_BYTES) ? KITH_OK : KITH_FORKED;
    bool is_late = cut->leaving == LEAVING_TRANSFERRED && header->epoch <= cut->epoch;
    return header->n < cut->n || is_late ? KITH_OK : KITH_HELD;
}

enum kith_err circle_takes(const struct circle *circle, const struct roster *roster,
                           const struct change_header *header, const uint8_t id[static HASH_BYTES])
{
    const struct circle_cut *cut = circle_cut(circle, header->device);

    if (header->epoch < 1 || header->epoch > circle->epoch)
        return KITH_EPOCH;
    return cut ? cut_check(cut, header, id) : member_check(circle, roster, header->device);
}

static void add_member(struct circle *circle, const struct circle_member *member)
{
    uint32_t place = member_place(circle, member->person);

    if (place < circle->member_count && circle->members[place].person == member->person) {
        circle->members[place] = *member;
        return;
    }
    memmove(&circle->members[place + 1], &circle->members[place],
            (circle->member_count - place) * sizeof *circle->members);
    circle->members[place] = *member;
    circle->member_count++;
}

static void remove_member(struct circle *circle, uint32_t person)
{
    uint32_t place = member_place(circle, person);

    if (place == circle->member_count || circle->members[place].person != person)
        return;
    circle->member_count--;
    memmove(&circle->members[place], &circle->members[place + 1],
            (circle->member_count - place) * sizeof *circle->members);
}

static void add_cut(struct circle *circle, const struct circle_cut *cut, uint64_t time_s)
{
    uint32_t place = cut_place(circle, cut->device);

    if (place == circle->cut_count || circle->cuts[place].device != cut->device) {
        memmove(&circle->cuts[place + 1], &circle->cuts[place],
                (circle->cut_count - place) * sizeof *circle->cuts);
        circle->cut_count++;
    }
    circle->cuts[place] = *cut;
    circle->cuts[place].epoch = circle->epoch;
    circle->cuts[place].time_s = time_s;
    list_remove(circle->devices, &circle->device_count, cut->device);
    list_remove(circle->lacks, &circle->lack_count, cut->device);
}

/* Who is let in again to write was taken out by mistake: all that its active devices wrote counts.
 */
static void lift_cuts(struct circle *circle, const struct roster *roster,
                      const struct circle_entry *entry, uint32_t person)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < circle->cut_count; i++) {
        const struct roster_device *device = roster_device(roster, circle->cuts[i].device);
        bool is_lifted =
            device && device->person == person && !roster_is_ended_at(device, entry->roster_seq);
        if (!is_lifted)
            circle->cuts[kept++] = circle->cuts[i];
    }
    circle->cut_count = kept;
}

static bool is_within_limits(enum circle_kind kind, size_t members, size_t devices)
{
    size_t devices_max = kind == CIRCLE_AGENCY ? DEVICE_MAX : CIRCLE_DEVICES_MAX;

    return members <= CIRCLE_MEMBERS_MAX && devices <= devices_max;
}

/* How many rows of each list there may be. */
struct circle_room {
    size_t epochs;
    size_t members;
    size_t devices;
    size_t lacks;
    size_t cuts;
};

/* One more than is needed, so that nothing is ever asked for no bytes. */
static bool list_make_room(void **list, size_t count, size_t size)
{
    void *larger = realloc(*list, (count + 1) * size);

    if (larger)
        *list = larger;
    return larger != NULL;
}

static enum kith_err make_room(struct circle *circle, const struct circle_room *room)
{
    void *epochs = circle->epochs;
    void *members = circle->members;
    void *devices = circle->devices;
    void *lacks = circle->lacks;
    void *cuts = circle->cuts;
    bool is_roomy = list_make_room(&epochs, room->epochs, sizeof *circle->epochs) &&
                    list_make_room(&members, room->members, sizeof *circle->members) &&
                    list_make_room(&devices, room->devices, sizeof *circle->devices) &&
                    list_make_room(&lacks, room->lacks, sizeof *circle->lacks) &&
                    list_make_room(&cuts, room->cuts, sizeof *circle->cuts);

    circle->epochs = epochs;
    circle->members = members;
    circle->devices = devices;
    circle->lacks = lacks;
    circle->cuts = cuts;
    return is_roomy ? KITH_OK : KITH_MEMORY;
}

static enum kith_err entry_make_room(struct circle *circle, const struct circle_entry *entry)
{
    enum circle_kind kind = entry->type == CIRCLE_GENESIS ? entry->kind : circle->kind;
    const struct circle_room room = {
        .epochs = (size_t)circle->epoch + 1,
        .members = (size_t)circle->member_count + entry->member_count,
        .devices = (size_t)circle->device_count + entry->device_count,
        .lacks = (size_t)circle->lack_count + 1,
        .cuts = (size_t)circle->cut_count + entry->cut_count,
    };

    if (!is_within_limits(kind, room.members, room.devices) || room.cuts > DEVICE_MAX ||
        room.epochs > EPOCH_MAX)
        return KITH_TOO_LARGE;
    return make_room(circle, &room);
}

static void begin_epoch(struct circle *circle, const struct circle_entry *entry)
{
    struct circle_epoch *epoch = &circle->epochs[circle->epoch++];

    epoch->seq = entry->link.seq;
    memcpy(epoch->commitment, entry->commitment, HASH_BYTES);
}

static void apply_people(struct circle *circle, const struct roster *roster,
                         const struct circle_entry *entry)
{
    for (uint32_t i = 0; i < entry->member_count; i++) {
        add_member(circle, &entry->members[i]);
        if (entry->members[i].right == CIRCLE_WRITE)
            lift_cuts(circle, roster, entry, entry->members[i].person);
    }
    for (uint32_t i = 0; i < entry->device_count; i++) {
        list_add(circle->devices, &circle->device_count, entry->devices[i]);
        list_remove(circle->lacks, &circle->lack_count, entry->devices[i]);
    }
}

static void apply_rotate(struct circle *circle, const struct circle_entry *entry)
{
    for (uint32_t i = 0; i < entry->cut_count; i++)
        add_cut(circle, &entry->cuts[i], entry->time_s);
    for (uint32_t i = 0; i < entry->leaver_count; i++)
        remove_member(circle, entry->leavers[i].person);
    circle->lack_count = 0; /* of the new epoch nobody has said it yet */
    begin_epoch(circle, entry);
}

static void apply_admit(struct circle *circle, const struct circle_entry *entry)
{
    struct circle_cut *cut = &circle->cuts[cut_place(circle, entry->device)];

    cut->n = entry->n;
    memcpy(cut->id, entry->id, HASH_BYTES);
}

static void entry_apply(struct circle *circle, const struct roster *roster,
                        const struct circle_entry *entry)
{
    switch (entry->type) {
    case CIRCLE_GENESIS:
        memcpy(circle->agency, entry->agency, ID_BYTES);
        circle_id(entry->link.hash, circle->id);
        circle->kind = entry->kind;
        begin_epoch(circle, entry);
        apply_people(circle, roster, entry);
        break;
    case CIRCLE_GRANT:
        apply_people(circle, roster, entry);
        break;
    case CIRCLE_ROTATE:
        apply_rotate(circle, entry);
        break;
    case CIRCLE_ADMIT:
        apply_admit(circle, entry);
        break;
    case CIRCLE_REJECT:
        break; /* the cut stays where it is: the entry is for the record */
    case CIRCLE_LACK:
        list_add(circle->lacks, &circle->lack_count, entry->author);
        break;
    }
    circle->count = entry->link.seq;
    circle->roster_seq = entry->roster_seq;
    memcpy(circle->head, entry->link.hash, HASH_BYTES);
}

enum kith_err circle_append(struct circle *circle, const struct roster *roster, struct bytes bytes)
{
    struct circle_entry entry;
    struct arena arena;

    arena_init(&arena, ENTRY_MAX * 16);
    enum kith_err err = circle_entry_read(&entry, bytes, &arena);
    if (err)
        goto out;
    err = KITH_STALE;
    if (!chain_follows(&entry.link, circle->count, circle->head))
        goto out;
    err = circle_entry_check(circle, roster, &entry);
    if (err)
        goto out;
    err = entry_make_room(circle, &entry);
    if (err)
        goto out;
    entry_apply(circle, roster, &entry);
out:
    arena_clear(&arena);
    return err;
}

/* The state as a fixed head and rows of big-endian words: this never travels. */
#define STATE_HEAD_BYTES (2 * ID_BYTES + HASH_BYTES + 8 * 4)
#define EPOCH_ROW_BYTES  (4 + HASH_BYTES)
#define CUT_ROW_BYTES    (4 + 4 + 8 + 8 + HASH_BYTES + 4 + 8)

static size_t state_bytes(const struct circle_room *room)
{
    return STATE_HEAD_BYTES + room->epochs * EPOCH_ROW_BYTES + room->members * 8 +
           (room->devices + room->lacks) * 4 + room->cuts * CUT_ROW_BYTES;
}

static uint8_t *list_encode(uint8_t *to, const uint32_t *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, to += 4)
        put_u32(to, list[i]);
    return to;
}

static uint8_t *cut_encode(uint8_t *to, const struct circle_cut *cut)
{
    put_u32(to, cut->device);
    put_u32(to + 4, cut->leaving);
    put_u64(to + 8, cut->until_s);
    put_u64(to + 16, cut->n);
    memcpy(to + 24, cut->id, HASH_BYTES);
    put_u32(to + 56, cut->epoch);
    put_u64(to + 60, cut->time_s);
    return to + CUT_ROW_BYTES;
}

void circle_encode(const struct circle *circle, struct buffer *out)
{
    const struct circle_room room = {circle->epoch, circle->member_count, circle->device_count,
                                     circle->lack_count, circle->cut_count};
    uint8_t *to = buffer_extend(out, state_bytes(&room));

    if (!to)
        return;
    memcpy(to, circle->agency, ID_BYTES);
    memcpy(to + 16, circle->id, ID_BYTES);
    memcpy(to + 32, circle->head, HASH_BYTES);
    const uint32_t words[] = {circle->kind,       circle->count,        circle->roster_seq,
                              circle->epoch,      circle->member_count, circle->device_count,
                              circle->lack_count, circle->cut_count};
    to = list_encode(to + 64, words, sizeof words / sizeof *words);
    for (uint32_t i = 0; i < circle->epoch; i++, to += EPOCH_ROW_BYTES) {
        put_u32(to, circle->epochs[i].seq);
        memcpy(to + 4, circle->epochs[i].commitment, HASH_BYTES);
    }
    for (uint32_t i = 0; i < circle->member_count; i++, to += 8) {
        put_u32(to, circle->members[i].person);
        put_u32(to + 4, circle->members[i].right);
    }
    to = list_encode(to, circle->devices, circle->device_count);
    to = list_encode(to, circle->lacks, circle->lack_count);
    for (uint32_t i = 0; i < circle->cut_count; i++)
        to = cut_encode(to, &circle->cuts[i]);
}

/* Numbers at the beginning of each row ascend: the searches rely on it. */
static bool rows_ascend(const uint8_t *from, size_t count, size_t size)
{
    uint32_t last = 0;

    for (size_t i = 0; i < count; i++, from += size) {
        if (get_u32(from) <= last)
            return false;
        last = get_u32(from);
    }
    return last <= DEVICE_MAX;
}

static bool rows_are_sound(const uint8_t *from, const struct circle_room *room)
{
    const uint8_t *members = from + room->epochs * EPOCH_ROW_BYTES;
    const uint8_t *devices = members + room->members * 8;
    const uint8_t *lacks = devices + room->devices * 4;
    const uint8_t *cuts = lacks + room->lacks * 4;

    if (!rows_ascend(from, room->epochs, EPOCH_ROW_BYTES) ||
        !rows_ascend(members, room->members, 8) || !rows_ascend(devices, room->devices, 4) ||
        !rows_ascend(lacks, room->lacks, 4) || !rows_ascend(cuts, room->cuts, CUT_ROW_BYTES))
        return false;
    for (size_t i = 0; i < room->members; i++) {
        uint32_t right = get_u32(members + i * 8 + 4);
        if (right != CIRCLE_READ && right != CIRCLE_WRITE)
            return false;
    }
    for (size_t i = 0; i < room->cuts; i++) {
        uint32_t leaving = get_u32(cuts + i * CUT_ROW_BYTES + 4);
        if (leaving == LEAVING_NOT || leaving > LEAVING_RENEWED)
            return false;
    }
    return true;
}

static bool state_is_sound(struct bytes bytes, struct circle_room *room)
{
    if (bytes.len < STATE_HEAD_BYTES)
        return false;
    const uint8_t *words = bytes.ptr + 64;
    uint32_t kind = get_u32(words);
    *room = (struct circle_room){get_u32(words + 12), get_u32(words + 16), get_u32(words + 20),
                                 get_u32(words + 24), get_u32(words + 28)};
    return circle_kind_is_known(kind) && room->epochs >= 1 && room->epochs <= EPOCH_MAX &&
           room->cuts <= DEVICE_MAX && room->lacks <= room->devices &&
           is_within_limits((enum circle_kind)kind, room->members, room->devices) &&
           bytes.len == state_bytes(room) && rows_are_sound(bytes.ptr + STATE_HEAD_BYTES, room);
}

static const uint8_t *list_decode(const uint8_t *from, uint32_t *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, from += 4)
        list[i] = get_u32(from);
    return from;
}

static void cut_decode(const uint8_t *from, struct circle_cut *cut)
{
    cut->device = get_u32(from);
    cut->leaving = (enum leaving)get_u32(from + 4);
    cut->until_s = get_u64(from + 8);
    cut->n = get_u64(from + 16);
    memcpy(cut->id, from + 24, HASH_BYTES);
    cut->epoch = get_u32(from + 56);
    cut->time_s = get_u64(from + 60);
}

static void head_decode(struct circle *circle, const uint8_t *from)
{
    memcpy(circle->agency, from, ID_BYTES);
    memcpy(circle->id, from + 16, ID_BYTES);
    memcpy(circle->head, from + 32, HASH_BYTES);
    circle->kind = (enum circle_kind)get_u32(from + 64);
    circle->count = get_u32(from + 68);
    circle->roster_seq = get_u32(from + 72);
    circle->epoch = get_u32(from + 76);
    circle->member_count = get_u32(from + 80);
    circle->device_count = get_u32(from + 84);
    circle->lack_count = get_u32(from + 88);
    circle->cut_count = get_u32(from + 92);
}

enum kith_err circle_decode(struct circle *circle, struct bytes bytes)
{
    struct circle_room room;

    if (!state_is_sound(bytes, &room))
        return KITH_DAMAGED;
    enum kith_err err = make_room(circle, &room);
    if (err)
        return err;
    head_decode(circle, bytes.ptr);
    const uint8_t *from = bytes.ptr + STATE_HEAD_BYTES;
    for (uint32_t i = 0; i < circle->epoch; i++, from += EPOCH_ROW_BYTES) {
        circle->epochs[i].seq = get_u32(from);
        memcpy(circle->epochs[i].commitment, from + 4, HASH_BYTES);
    }
    for (uint32_t i = 0; i < circle->member_count; i++, from += 8) {
        circle->members[i].person = get_u32(from);
        circle->members[i].right = get_u32(from + 4) == CIRCLE_WRITE ? CIRCLE_WRITE : CIRCLE_READ;
    }
    from = list_decode(from, circle->devices, circle->device_count);
    from = list_decode(from, circle->lacks, circle->lack_count);
    for (uint32_t i = 0; i < circle->cut_count; i++, from += CUT_ROW_BYTES)
        cut_decode(from, &circle->cuts[i]);
    return KITH_OK;
}
