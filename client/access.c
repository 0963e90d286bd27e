/* SPDX-License-Identifier: Apache-2.0 */
#include "client/access.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/invite.h"
#include "store/verify.h"

static enum kith_err write_entry(struct kith *kith, const struct audit_entry *entry)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_WRITE);
    struct audit audit = audit_begin(&txn, TABLE_DEVICE_ACCESS);

    audit_add(&audit, entry);
    audit_end(&audit);
    return store_commit(&txn);
}

static void note(struct kith *kith, struct audit_entry *entry)
{
    enum kith_err err;

    entry->time_ms = home_clock_ms();
    entry->device = replica_identity(kith->replica)->device;
    do
        err = write_entry(kith, entry);
    while (err == KITH_RETRY);
}

void access_opened(struct kith *kith, const struct schema_type *type,
                   const uint8_t record[static ID_BYTES])
{
    struct audit_entry entry = {
        .kind = AUDIT_OPENED, .has_subject = true, .what = (uint64_t)type->record};

    memcpy(entry.subject, record, ID_BYTES);
    note(kith, &entry);
}

void access_listed(struct kith *kith, const struct schema_type *type, uint64_t records)
{
    struct audit_entry entry = {
        .kind = AUDIT_LISTED, .what = type ? (uint64_t)type->record : 0, .first = records};

    if (records > 0)
        note(kith, &entry);
}

void access_exported(struct kith *kith, enum audit_export_did form, uint64_t records)
{
    struct audit_entry entry = {.kind = AUDIT_EXPORTED, .what = (uint64_t)form, .first = records};

    note(kith, &entry);
}

static const char *type_word(uint64_t record)
{
    for (size_t i = 0; i < schema_type_count; i++)
        if ((uint64_t)schema_types[i].record == record)
            return schema_types[i].word;
    return "";
}

static void fill_row(struct kith_access *row, const struct audit_entry *entry)
{
    const char *word = audit_word(entry->kind, entry->what);

    *row = (struct kith_access){.seq = entry->seq,
                                .time_ms = entry->time_ms,
                                .did = audit_kind_name(entry->kind),
                                .what = word ? word : type_word(entry->what),
                                .records = entry->has_subject ? 1 : entry->first};
    if (entry->has_subject)
        id_write(entry->subject, row->id);
}

int kith_access_log(struct kith *kith, struct kith_access **rows, size_t *count)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    struct audit_walk walk = audit_walk_begin(&txn, TABLE_DEVICE_ACCESS, NULL);
    struct audit_entry entry;

    kith->detail[0] = '\0';
    *count = 0;
    *rows = calloc((size_t)walk.last_seq + 1, sizeof **rows);
    if (!*rows)
        store_fail(&txn, KITH_MEMORY);
    while (*rows && *count < walk.last_seq && audit_walk_next(&walk, &entry)) {
        fill_row(&(*rows)[(*count)++], &entry);
        store_forget(&txn);
    }
    audit_walk_end(&walk);
    enum kith_err err = store_commit(&txn);
    if (err) {
        free(*rows);
        *rows = NULL;
        *count = 0;
    }
    return err;
}

int kith_verify(struct kith *kith, struct kith_verified *verified)
{
    struct verify_report *report = malloc(sizeof *report);

    kith->detail[0] = '\0';
    memset(verified, 0, sizeof *verified);
    if (!report)
        return KITH_MEMORY;
    enum kith_err err = replica_check(kith->replica, report);
    verified->checked = report->checked;
    verified->fault_count = report->fault_count;
    for (size_t i = 0; i < KITH_FAULTS_MAX && i < report->fault_count; i++) {
        struct kith_fault *fault = &verified->faults[i];
        fault->table = report->faults[i].what;
        memcpy(fault->where, report->faults[i].where, sizeof fault->where);
        fault->reason = (int)report->faults[i].reason;
    }
    free(report);
    return err;
}

int kith_states(struct kith *kith, struct kith_state **states, size_t *count)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    uint32_t last = replica_circles(&txn);
    uint8_t circle[ID_BYTES];
    uint8_t hash[HASH_BYTES];

    kith->detail[0] = '\0';
    *count = 0;
    *states = calloc((size_t)last + 1, sizeof **states);
    if (!*states)
        store_fail(&txn, KITH_MEMORY);
    for (uint32_t number = 1; *states && number <= last; number++) {
        if (!replica_state(&txn, number, circle, hash))
            continue;
        bytes_hex(bytes_of(circle, ID_BYTES), (*states)[*count].circle);
        bytes_hex(bytes_of(hash, HASH_BYTES), (*states)[(*count)++].hash);
        store_forget(&txn);
    }
    enum kith_err err = store_commit(&txn);
    if (err) {
        free(*states);
        *states = NULL;
        *count = 0;
    }
    return err;
}
