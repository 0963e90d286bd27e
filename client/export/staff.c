/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/staff.h"

#include <string.h>

#include "client/export/chart.h"
#include "client/fields.h"

struct staff_reader {
    struct staff_credential *first;
    struct arena *arena;
    enum kith_err err;
};

static bool take_credential(void *owner, const struct found_record *found)
{
    struct staff_reader *reader = owner;
    const struct schema_type *type = schema_type("credential");
    const struct record *record = &found->record;
    struct staff_credential *made = arena_take(reader->arena, sizeof *made);
    struct bytes status = field_text(type, record, "status");

    if (!made) {
        reader->err = KITH_MEMORY;
        return false;
    }
    made->holder = field_person(type, record, "holder");
    made->kind = chart_text(reader->arena, field_text(type, record, "kind"), &reader->err);
    made->npi = chart_text(reader->arena, field_text(type, record, "npi"), &reader->err);
    made->expires = chart_text(reader->arena, field_text(type, record, "expires"), &reader->err);
    made->issued = chart_text(reader->arena, field_text(type, record, "issued"), &reader->err);
    made->is_active = status.len == 0 || bytes_equal(status, bytes_text("active"));
    made->next = reader->first;
    reader->first = made;
    return !reader->err;
}

enum kith_err staff_read(struct kith *kith, struct arena *arena, struct staff_credential **staff)
{
    struct staff_reader reader = {.arena = arena};
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    enum kith_err err = replica_each(&txn, RECORD_CREDENTIAL, NULL, take_credential, &reader);

    store_abort(&txn);
    *staff = reader.first;
    return err ? err : reader.err;
}

bool staff_knows(const struct staff_credential *staff, uint32_t person)
{
    for (; staff; staff = staff->next)
        if (staff->holder == person)
            return true;
    return false;
}

bool staff_is_credentialed(const struct staff_credential *staff, uint32_t person, const char *kinds,
                           const char *day)
{
    for (; staff; staff = staff->next)
        if (staff->holder == person && staff->is_active &&
            rules_list_has(kinds, bytes_text(staff->kind)) && strcmp(staff->issued, day) <= 0 &&
            (!staff->expires[0] || strcmp(staff->expires, day) >= 0))
            return true;
    return false;
}

const char *staff_npi(const struct staff_credential *staff, uint32_t person)
{
    for (; staff; staff = staff->next)
        if (staff->holder == person && staff->npi[0])
            return staff->npi;
    return "";
}
