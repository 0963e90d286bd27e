/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/chart.h"

#include <stdlib.h>
#include <string.h>

#include "client/fields.h"

#define DIAGNOSES_READ_MAX 64

const char *chart_text(struct arena *arena, struct bytes text, enum kith_err *err)
{
    char *copy = arena_take(arena, text.len + 1);

    if (!copy)
        *err = KITH_MEMORY;
    else if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy ? copy : "";
}

/* A record being read into the arena of the chart. */
struct chart_reader {
    struct chart_facts *facts;
    struct arena *arena;
    const struct schema_type *type;
    const struct record *record;
    enum kith_err err;
};

static const char *take(struct chart_reader *reader, const char *field)
{
    return chart_text(reader->arena, field_text(reader->type, reader->record, field), &reader->err);
}

/* "Lopez, Maria" or "Maria Lopez": the last word is the last name unless a comma says otherwise. */
static void take_name(struct chart_reader *reader)
{
    struct chart_facts *facts = reader->facts;
    const char *name = take(reader, "name");
    const char *comma = strchr(name, ',');
    const char *space = strrchr(name, ' ');

    facts->name = name;
    facts->last_name = name;
    facts->first_name = "";
    if (comma) {
        const char *first = comma + 1 + strspn(comma + 1, " ");
        facts->last_name =
            chart_text(reader->arena, bytes_of(name, (size_t)(comma - name)), &reader->err);
        facts->first_name = chart_text(reader->arena, bytes_text(first), &reader->err);
    } else if (space) {
        facts->last_name = chart_text(reader->arena, bytes_text(space + 1), &reader->err);
        facts->first_name =
            chart_text(reader->arena, bytes_of(name, (size_t)(space - name)), &reader->err);
    }
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void take_diagnoses(struct chart_reader *reader)
{
    const char *codes[DIAGNOSES_READ_MAX] = {NULL};
    size_t read = 0;
    uint32_t count;
    const struct bytes *elements =
        field_set(reader->type, reader->record, "diagnosis_codes", reader->arena, &count);

    for (uint32_t i = 0; elements && i < count && read < DIAGNOSES_READ_MAX; i++)
        codes[read++] = chart_text(reader->arena, value_text(elements[i]), &reader->err);
    qsort(codes, read, sizeof *codes, compare_texts);
    for (size_t i = 0; i < read && i < CHART_DIAGNOSES_MAX; i++)
        reader->facts->diagnoses[reader->facts->diagnosis_count++] = codes[i];
}

static void take_participant(struct chart_reader *reader, const struct found_record *found)
{
    struct chart_facts *facts = reader->facts;

    reader->type = schema_type("participant");
    reader->record = &found->record;
    take_name(reader);
    facts->local_code = take(reader, "local_code");
    facts->dob = take(reader, "dob");
    facts->sex = take(reader, "sex");
    facts->medicaid_id = take(reader, "medicaid_id");
    facts->payer_id = take(reader, "payer_id");
    facts->programme = take(reader, "programme");
    facts->is_part2 = field_flag(reader->type, reader->record, "part2") ||
                      strcmp(facts->programme, "SUD") == 0 || strcmp(facts->programme, "both") == 0;
    facts->unsettled = fields_unsettled(reader->type, reader->record);
    take_diagnoses(reader);
}

static bool take_plan(void *owner, const struct found_record *found)
{
    struct chart_reader *reader = owner;
    struct chart_plan *plan = arena_take(reader->arena, sizeof *plan);
    struct chart_plan **end = &reader->facts->plans;

    if (!plan) {
        reader->err = KITH_MEMORY;
        return false;
    }
    reader->record = &found->record;
    plan->kind = take(reader, "kind");
    plan->status = take(reader, "status");
    plan->authorization_no = take(reader, "authorization_no");
    plan->auth_from = take(reader, "auth_from");
    plan->auth_to = take(reader, "auth_to");
    plan->ordering_npi = take(reader, "ordering_npi");
    plan->authorized_units = field_number(reader->type, reader->record, "authorized_units");
    if (!reader->facts->unsettled)
        reader->facts->unsettled = fields_unsettled(reader->type, reader->record);
    while (*end)
        end = &(*end)->next;
    *end = plan;
    return !reader->err;
}

static bool take_consent(void *owner, const struct found_record *found)
{
    struct chart_reader *reader = owner;
    struct chart_consent *consent = arena_take(reader->arena, sizeof *consent);

    if (!consent) {
        reader->err = KITH_MEMORY;
        return false;
    }
    reader->record = &found->record;
    id_write(found->record.id, consent->id);
    consent->scope = take(reader, "scope");
    consent->purpose = take(reader, "purpose");
    consent->recipients = take(reader, "recipients");
    consent->expires = take(reader, "expires");
    consent->signed_on = take(reader, "signed_on");
    consent->is_revoked = field_flag(reader->type, reader->record, "revoked");
    consent->next = reader->facts->consents;
    reader->facts->consents = consent;
    return !reader->err;
}

static enum kith_err read_each(struct chart_reader *reader, struct store_txn *txn, const char *word,
                               replica_visit *visit)
{
    reader->type = schema_type(word);
    enum kith_err err =
        replica_each(txn, reader->type->record, reader->facts->circle, visit, reader);
    return err ? err : reader->err;
}

enum kith_err chart_read(struct kith *kith, const uint8_t circle[static ID_BYTES],
                         struct arena *arena, struct chart_facts **facts)
{
    struct chart_facts *made = arena_take(arena, sizeof *made);
    struct chart_reader reader = {.facts = made, .arena = arena};
    struct found_record found;

    if (!made)
        return KITH_MEMORY;
    memcpy(made->circle, circle, ID_BYTES);
    id_write(circle, made->id);
    made->name = made->last_name = made->first_name = made->dob = made->sex = "";
    made->local_code = made->medicaid_id = made->payer_id = made->programme = "";
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    enum kith_err err = replica_find_in(&txn, circle, RECORD_PARTICIPANT, circle, &found);
    if (!err)
        take_participant(&reader, &found);
    err = err == KITH_NOT_FOUND ? KITH_OK : err ? err : reader.err;
    if (!err)
        err = read_each(&reader, &txn, "plan", take_plan);
    if (!err)
        err = read_each(&reader, &txn, "consent", take_consent);
    store_abort(&txn);
    *facts = made;
    return err;
}

const struct chart_plan *chart_authorization(const struct chart_facts *facts, const char *day)
{
    for (const struct chart_plan *plan = facts->plans; plan; plan = plan->next)
        if (plan->authorization_no[0] && strcmp(plan->auth_from, day) <= 0 &&
            (!plan->auth_to[0] || strcmp(plan->auth_to, day) >= 0))
            return plan;
    return NULL;
}

static bool names_purpose(const struct chart_consent *consent, const char *purpose)
{
    static const char *const tpo[] = {"treatment", "payment", "operations"};
    bool is_tpo = false;

    for (size_t i = 0; i < sizeof tpo / sizeof *tpo; i++)
        is_tpo = is_tpo || strcasestr(purpose, tpo[i]) != NULL;
    return strcasestr(consent->purpose, purpose) ||
           (is_tpo && strcasestr(consent->purpose, "TPO") != NULL);
}

const struct chart_consent *chart_consent(const struct chart_facts *facts, const char *purpose,
                                          const char *recipient, const char *day)
{
    for (const struct chart_consent *consent = facts->consents; consent; consent = consent->next) {
        bool is_payer = strcmp(recipient, facts->payer_id) == 0;
        bool is_named = (*recipient && strcasestr(consent->recipients, recipient)) ||
                        (is_payer && (strcasestr(consent->recipients, "payer") ||
                                      strcasestr(consent->recipients, "health plan")));
        bool is_in_time = consent->signed_on[0] && strcmp(consent->signed_on, day) <= 0 &&
                          (!consent->expires[0] || strcmp(consent->expires, day) >= 0);
        if (!consent->is_revoked && is_in_time && is_named && names_purpose(consent, purpose))
            return consent;
    }
    return NULL;
}
