/* SPDX-License-Identifier: Apache-2.0 */
#include "client/rulebook.h"

#include <stdlib.h>

#define MS_OF_HOUR  (3600 * (int64_t)1000)
#define RISK_CRISIS 2 /* the place of "urgent" among the choices of 'risk' */

/* A pack that does not parse (a newer version wrote it) counts for nothing here. */
static bool take_rules(void *owner, const struct found_record *found)
{
    struct rules_list *list = owner;
    const struct merge_register *reg =
        record_register(&found->record, RULEPACK_TEXT, bytes_of(NULL, 0));
    struct wire_in in = wire_open(reg ? reg->live[0].value : bytes_of(NULL, 0));
    struct rules *larger = realloc(list->packs, (list->count + 1) * sizeof *larger);
    char why[RULES_WHY_MAX];

    if (!larger)
        return false;
    list->packs = larger;
    if (reg && rules_parse(&larger[list->count], wire_text(&in, VALUE_MAX), why) == KITH_OK)
        list->count++;
    return true;
}

enum kith_err home_rules(struct kith *kith, const struct rules_list **rules)
{
    enum kith_err err = KITH_OK;

    *rules = &kith->rules;
    if (!kith->has_rules) {
        struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
        err = replica_each(&txn, RECORD_RULEPACK, NULL, take_rules, &kith->rules);
        store_abort(&txn);
        kith->has_rules = !err;
    }
    return err;
}

enum kith_err rulebook_payer(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                             struct bytes *payer)
{
    const struct schema_field *field = schema_field(schema_type("participant"), "payer_id");
    struct found_record found;
    bool is_unsettled;
    enum kith_err err = replica_find_in(txn, circle, RECORD_PARTICIPANT, circle, &found);

    *payer = bytes_of(NULL, 0);
    if (err)
        return err == KITH_NOT_FOUND ? KITH_OK : err;
    const struct live *live =
        merge_read(record_register(&found.record, field->number, bytes_of(NULL, 0)), field->class,
                   NULL, &is_unsettled);
    struct wire_in in = wire_open(live ? live->value : bytes_of(NULL, 0));
    if (live && !is_unsettled && wire_peek(&in) == WIRE_TEXT)
        *payer = wire_text(&in, VALUE_MAX);
    return KITH_OK;
}

enum kith_err rulebook_of(struct kith *kith, const struct visit *visit, const struct rules **rules)
{
    const struct rules_list *list;
    struct bytes day = visit_text(visit, RECORD_VISIT, VISIT_DATE);
    struct bytes payer = {NULL, 0};
    enum kith_err err = home_rules(kith, &list);

    *rules = err ? NULL : rules_on(list, payer, day);
    if (err || !rules_list_names_payers(list))
        return err;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    err = rulebook_payer(&txn, visit->place.circle, &payer);
    *rules = rules_on(list, payer, day);
    store_abort(&txn);
    return err;
}

static bool is_crisis(const struct visit *visit)
{
    const struct merge_register *reg = record_register(&visit->note, NOTE_RISK, bytes_of(NULL, 0));
    const struct schema_field *risk =
        schema_field_numbered(schema_type("visit"), RECORD_NOTE, NOTE_RISK);
    bool is_urgent = false;

    for (uint32_t i = 0; reg && i < reg->live_count; i++)
        is_urgent = is_urgent || schema_rank(risk, reg->live[i].value) >= RISK_CRISIS;
    return is_urgent;
}

bool rulebook_due(const struct rules *rules, const struct visit *visit, int64_t *due_ms)
{
    int64_t served_ms;
    int64_t end_ms;

    if (visit_span(visit, &served_ms, &end_ms))
        served_ms = end_ms;
    else if (!visit_day(visit, &served_ms))
        return false;
    unsigned hours = is_crisis(visit) ? rules->due_hours_crisis : rules->due_hours;
    *due_ms = served_ms + hours * MS_OF_HOUR;
    return true;
}

bool rulebook_needs_cosign(const struct rules *rules, const struct roster *roster,
                           const struct visit *visit)
{
    const struct note_step *sign = visit->life.sign;
    unsigned roles = sign ? roster_roles_at(roster, visit->specialist, sign->roster_seq) : 0;

    return rules->cosign == COSIGN_ALL ||
           (rules->cosign == COSIGN_TRAINEES && (roles & ROLE_TRAINEE));
}
