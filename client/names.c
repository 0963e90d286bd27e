/* SPDX-License-Identifier: Apache-2.0 */
/* People's, devices' and participants' names: the roster knows numbers, the records know what they
 * are called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/home.h"

void home_forget_names(struct kith *kith)
{
    rules_list_clear(&kith->rules);
    kith->has_rules = false;
    free(kith->people.rows);
    free(kith->devices.rows);
    kith->people = (struct name_list){0};
    kith->devices = (struct name_list){0};
    kith->has_names = false;
}

static struct name_row *add_row(struct name_list *list)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        struct name_row *larger = realloc(list->rows, room * sizeof *larger);
        if (!larger)
            return NULL;
        list->rows = larger;
        list->room = room;
    }
    return &list->rows[list->count++];
}

/* A person's or device's record: field 1 is its number, field 2 its name. */
static bool read_name(void *owner, const struct found_record *found)
{
    struct name_list *list = owner;
    bool is_unsettled;
    const struct live *number = merge_read(record_register(&found->record, 1, bytes_of(NULL, 0)),
                                           MERGE_FIXED, NULL, &is_unsettled);
    const struct live *name = merge_read(record_register(&found->record, 2, bytes_of(NULL, 0)),
                                         MERGE_LAST, NULL, &is_unsettled);

    if (!number || !name)
        return true;
    struct wire_in number_in = wire_open(number->value);
    struct wire_in name_in = wire_open(name->value);
    uint32_t value = (uint32_t)wire_uint(&number_in, PERSON_MAX);
    struct bytes text = wire_text(&name_in, KITH_NAME_TEXT - 1);
    struct name_row *row = wire_close(&number_in) || wire_close(&name_in) ? NULL : add_row(list);
    if (!row)
        return true;
    row->number = value;
    memcpy(row->name, text.ptr, text.len);
    row->name[text.len] = '\0';
    return true;
}

enum kith_err home_read_names(struct kith *kith)
{
    uint8_t agency[ID_BYTES];

    if (kith->has_names)
        return KITH_OK;
    home_forget_names(kith);
    kith->has_names = true;
    if (!replica_agency_circle(kith->replica, agency))
        return KITH_OK;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    enum kith_err err = replica_each(&txn, RECORD_PERSON, agency, read_name, &kith->people);
    if (!err)
        err = replica_each(&txn, RECORD_DEVICE, agency, read_name, &kith->devices);
    store_abort(&txn);
    return err;
}

static const char *find_name(const struct name_list *list, uint32_t number)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].number == number)
            return list->rows[i].name;
    return NULL;
}

const char *home_person_name(struct kith *kith, uint32_t number)
{
    const char *name = home_read_names(kith) ? NULL : find_name(&kith->people, number);

    if (name)
        return name;
    (void)snprintf(kith->name_text, sizeof kith->name_text, "person %u", number);
    return kith->name_text;
}

const char *home_device_name(struct kith *kith, uint32_t number)
{
    const char *name = home_read_names(kith) ? NULL : find_name(&kith->devices, number);

    if (name)
        return name;
    (void)snprintf(kith->name_text, sizeof kith->name_text, "device %u", number);
    return kith->name_text;
}

bool home_has_device_name(struct kith *kith, uint32_t number)
{
    return home_read_names(kith) == KITH_OK && find_name(&kith->devices, number);
}

enum kith_err home_person(struct kith *kith, const char *text, uint32_t *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    unsigned hits = 0;

    if (*text && !*end && value <= PERSON_MAX &&
        roster_person(replica_roster(kith->replica), value)) {
        *number = (uint32_t)value;
        return KITH_OK;
    }
    enum kith_err err = home_read_names(kith);
    if (err)
        return err;
    for (size_t i = 0; i < kith->people.count; i++)
        if (strcasecmp(kith->people.rows[i].name, text) == 0) {
            *number = kith->people.rows[i].number;
            hits++;
        }
    if (hits == 1)
        return KITH_OK;
    return hits ? KITH_AMBIGUOUS : KITH_NOT_FOUND;
}

#define PREFIX_CHARS_MIN 4

static bool names_person_number(void *owner, const char *text, uint32_t *number)
{
    return home_person(owner, text, number) == KITH_OK;
}

static const char *names_person_name(void *owner, uint32_t number)
{
    return home_person_name(owner, number);
}

static bool names_chart(void *owner, const char *text, uint8_t id[static ID_BYTES])
{
    return home_participant(owner, text, id) == KITH_OK;
}

/* By its whole id, known here or not, or by a prefix that only one record has. */
static bool names_record(void *owner, const char *text, uint8_t id[static ID_BYTES])
{
    struct kith *kith = owner;
    struct found_record found;
    uint8_t prefix[ID_BYTES];
    unsigned bits;
    unsigned hits = 0;

    if (strlen(text) < PREFIX_CHARS_MIN || id_read_prefix(text, prefix, &bits))
        return false;
    if (bits == ID_BYTES * 8) {
        memcpy(id, prefix, ID_BYTES);
        return true;
    }
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    for (size_t i = 0; i < schema_type_count; i++) {
        enum kith_err err = replica_find(&txn, schema_types[i].record, prefix, bits, &found);
        if (err == KITH_OK)
            memcpy(id, found.record.id, ID_BYTES);
        hits += err == KITH_OK ? 1 : err == KITH_NOT_FOUND ? 0 : 2;
    }
    store_abort(&txn);
    return hits == 1;
}

struct schema_names home_names(struct kith *kith)
{
    return (struct schema_names){kith, names_person_number, names_person_name, names_chart,
                                 names_record};
}

/* Looks for participants by name. */
struct name_search {
    const char *name;
    uint8_t circle[ID_BYTES];
    unsigned hits;
};

static bool is_named(const struct record *record, uint32_t field, const char *name)
{
    const struct merge_register *reg = record_register(record, field, bytes_of(NULL, 0));

    for (uint32_t i = 0; reg && i < reg->live_count; i++) {
        struct wire_in in = wire_open(reg->live[i].value);
        struct bytes text = wire_text(&in, VALUE_MAX);
        if (text.len == strlen(name) && strncasecmp((const char *)text.ptr, name, text.len) == 0)
            return true;
    }
    return false;
}

static bool search_name(void *owner, const struct found_record *found)
{
    struct name_search *search = owner;

    if (!is_named(&found->record, 1, search->name) && !is_named(&found->record, 2, search->name))
        return true;
    memcpy(search->circle, found->circle, ID_BYTES);
    search->hits++;
    return true;
}

enum kith_err home_participant(struct kith *kith, const char *text, uint8_t circle[static ID_BYTES])
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    struct found_record found;
    struct name_search search = {.name = text};
    uint8_t id[ID_BYTES];
    unsigned bits;
    enum kith_err err = replica_each(&txn, RECORD_PARTICIPANT, NULL, search_name, &search);

    if (!err && search.hits == 1) {
        memcpy(circle, search.circle, ID_BYTES);
    } else if (!err) {
        err = search.hits ? KITH_AMBIGUOUS : KITH_NOT_FOUND;
        if (!search.hits && strlen(text) >= PREFIX_CHARS_MIN && !id_read_prefix(text, id, &bits))
            err = replica_find(&txn, RECORD_PARTICIPANT, id, bits, &found);
        if (!err)
            memcpy(circle, found.circle, ID_BYTES);
    }
    store_abort(&txn);
    if (err == KITH_NOT_FOUND)
        return home_fail(kith, err, "no participant '%s' on this device", text);
    if (err == KITH_AMBIGUOUS)
        return home_fail(kith, err, "more than one participant fits '%s': use the id", text);
    return err;
}

enum kith_err home_find(struct kith *kith, struct store_txn *txn, const struct schema_type *type,
                        const char *id, struct found_record *found)
{
    uint8_t bytes[ID_BYTES];
    unsigned bits;

    if (strlen(id) < PREFIX_CHARS_MIN || id_read_prefix(id, bytes, &bits))
        return home_fail(kith, KITH_INPUT,
                         "'%s' is not an id: 4 characters of it or more are needed", id);
    enum kith_err err = replica_find(txn, type->record, bytes, bits, found);
    if (err == KITH_NOT_FOUND)
        return home_fail(kith, err, "no %s '%s' on this device", type->word, id);
    if (err == KITH_AMBIGUOUS)
        return home_fail(kith, err, "more than one %s begins with '%s'", type->word, id);
    return err;
}
