/* SPDX-License-Identifier: Apache-2.0 */
/* What a chart says beside its visits, as FHIR: Patient, CarePlan, Goal, Consent. */
#include <string.h>

#include "client/export/fhir.h"
#include "client/export/part2.h"

/* A word of ours and the code that stands for it; the last row is for any other word. */
struct code_row {
    const char *word;
    const char *code;
};

static const char *code_of(const struct code_row *rows, const char *word)
{
    while (rows->word && strcmp(rows->word, word) != 0)
        rows++;
    return rows->code;
}

static const struct kith_record *participant(const struct fhir *fhir)
{
    const struct kith_list *list = fhir->dossier.participants;

    return list->count > 0 ? list->records[0] : NULL;
}

static void identifier(struct fhir *fhir, const char *type, const char *system, const char *value)
{
    if (!*value)
        return;
    json_out_object(&fhir->out, NULL);
    if (*type)
        fhir_concept(fhir, "type", "http://terminology.hl7.org/CodeSystem/v2-0203", type, "");
    json_out_text(&fhir->out, "system", system);
    json_out_text(&fhir->out, "value", value);
    json_out_end(&fhir->out);
}

static void names(struct fhir *fhir, const struct kith_record *record)
{
    const struct chart_facts *facts = fhir->dossier.facts;
    const char *preferred = record ? record_value(record, "preferred_name") : "";

    json_out_list(&fhir->out, "name");
    json_out_object(&fhir->out, NULL);
    json_out_text(&fhir->out, "use", "official");
    json_out_text(&fhir->out, "text", *facts->name ? facts->name : "not known");
    json_out_text(&fhir->out, "family", facts->last_name);
    if (*facts->first_name) {
        json_out_list(&fhir->out, "given");
        json_out_text(&fhir->out, NULL, facts->first_name);
        json_out_end(&fhir->out);
    }
    json_out_end(&fhir->out);
    if (*preferred) {
        json_out_object(&fhir->out, NULL);
        json_out_text(&fhir->out, "use", "usual");
        json_out_text(&fhir->out, "text", preferred);
        json_out_end(&fhir->out);
    }
    json_out_end(&fhir->out);
}

static void phones(struct fhir *fhir, const struct kith_record *record)
{
    const struct kith_field *phone = record_field_named(record, "phone");

    if (!phone || phone->value_count == 0)
        return;
    json_out_list(&fhir->out, "telecom");
    for (size_t i = 0; i < phone->value_count; i++) {
        json_out_object(&fhir->out, NULL);
        json_out_text(&fhir->out, "system", "phone");
        json_out_text(&fhir->out, "value", phone->values[i].text);
        json_out_end(&fhir->out);
    }
    json_out_end(&fhir->out);
}

/* A list of one object with one member. */
static void listed(struct fhir *fhir, const char *list, const char *name, const char *text)
{
    if (!*text)
        return;
    json_out_list(&fhir->out, list);
    json_out_object(&fhir->out, NULL);
    json_out_text(&fhir->out, name, text);
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
}

static void patient(struct fhir *fhir)
{
    static const struct code_row genders[] = {{"F", "female"}, {"M", "male"}, {NULL, "unknown"}};
    const struct chart_facts *facts = fhir->dossier.facts;
    const struct kith_record *record = participant(fhir);

    fhir_begin(fhir, "Patient", facts->id);
    if (*facts->local_code || *facts->medicaid_id) {
        json_out_list(&fhir->out, "identifier");
        identifier(fhir, "MR", "", facts->local_code);
        identifier(fhir, "MA", "", facts->medicaid_id);
        json_out_end(&fhir->out);
    }
    names(fhir, record);
    if (record)
        phones(fhir, record);
    if (*facts->sex)
        json_out_text(&fhir->out, "gender", code_of(genders, facts->sex));
    fhir_date(fhir, "birthDate", facts->dob);
    if (record)
        listed(fhir, "address", "text", record_value(record, "address"));
    fhir_reference(fhir, "managingOrganization", "Organization", fhir->organization, fhir->agency);
    fhir_end(fhir);
}

static void plan_goals(struct fhir *fhir, const char *plan)
{
    const struct kith_list *goals = fhir->dossier.goals;
    bool has_one = false;

    for (size_t i = 0; i < goals->count; i++) {
        if (strcmp(record_value(goals->records[i], "plan"), plan) != 0)
            continue;
        if (!has_one)
            json_out_list(&fhir->out, "goal");
        has_one = true;
        fhir_reference(fhir, NULL, "Goal", goals->records[i]->id, "");
    }
    if (has_one)
        json_out_end(&fhir->out);
}

static void care_plan(struct fhir *fhir, const struct kith_record *plan)
{
    static const struct code_row statuses[] = {
        {"draft", "draft"}, {"active", "active"}, {"ended", "completed"}, {NULL, "unknown"}};

    fhir_begin(fhir, "CarePlan", plan->id);
    json_out_text(&fhir->out, "status", code_of(statuses, record_value(plan, "status")));
    json_out_text(&fhir->out, "intent", "plan");
    fhir_concepts(fhir, "category", "", "", record_value(plan, "kind"));
    json_out_text(&fhir->out, "description", fhir_text(fhir, plan, "narrative"));
    fhir_patient_reference(fhir, "subject");
    fhir_period(fhir, "period", record_value(plan, "effective_from"),
                record_value(plan, "effective_to"));
    fhir_person_named(fhir, "author", record_value(plan, "author"));
    plan_goals(fhir, plan->id);
    listed(fhir, "note", "text", fhir_text(fhir, plan, "strengths"));
    fhir_end(fhir);
}

/* How it went when somebody last said so in a signed note. */
static const char *last_progress(const struct fhir *fhir, const char *goal)
{
    const struct kith_list *visits = fhir->dossier.visits;

    for (size_t i = visits->count; i-- > 0;) {
        const struct kith_field *progress = record_field_named(visits->records[i], "progress");
        if (strcmp(visits->records[i]->state, "voided") == 0)
            continue;
        for (size_t k = 0; progress && k < progress->value_count; k++)
            if (strcmp(progress->values[k].key, goal) == 0)
                return progress->values[k].text;
    }
    return "";
}

static void goal(struct fhir *fhir, const struct kith_record *record)
{
    static const struct code_row statuses[] = {
        {"met", "completed"}, {"paused", "on-hold"}, {"closed", "cancelled"}, {NULL, "active"}};
    static const struct code_row achievements[] = {{"worse", "worsening"},
                                                   {"same", "no-change"},
                                                   {"better", "improving"},
                                                   {"reached", "achieved"},
                                                   {NULL, "in-progress"}};
    const char *progress = last_progress(fhir, record->id);
    const char *said = fhir_text(fhir, record, "text");

    fhir_begin(fhir, "Goal", record->id);
    json_out_text(&fhir->out, "lifecycleStatus", code_of(statuses, record_value(record, "status")));
    if (*progress)
        fhir_concept(fhir, "achievementStatus",
                     "http://terminology.hl7.org/CodeSystem/goal-achievement",
                     code_of(achievements, progress), "");
    fhir_concepts(fhir, "category", "", "", record_value(record, "domain"));
    fhir_concept(fhir, "description", "", "", *said ? said : "not said");
    fhir_patient_reference(fhir, "subject");
    if (*record_value(record, "target_date")) {
        json_out_list(&fhir->out, "target");
        json_out_object(&fhir->out, NULL);
        fhir_date(fhir, "dueDate", record_value(record, "target_date"));
        json_out_end(&fhir->out);
        json_out_end(&fhir->out);
    }
    json_out_text(&fhir->out, "statusReason", record_value(record, "closed_reason"));
    listed(fhir, "note", "text", fhir_text(fhir, record, "objectives"));
    fhir_end(fhir);
}

static void provision(struct fhir *fhir, const struct kith_record *record)
{
    json_out_object(&fhir->out, "provision");
    json_out_text(&fhir->out, "type", "permit");
    fhir_period(fhir, "period", "", record_value(record, "expires"));
    if (*record_value(record, "recipients")) {
        json_out_list(&fhir->out, "actor");
        json_out_object(&fhir->out, NULL);
        fhir_concept(fhir, "role", "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                     "IRCP", "");
        fhir_reference(fhir, "reference", "", "", record_value(record, "recipients"));
        json_out_end(&fhir->out);
        json_out_end(&fhir->out);
    }
    listed(fhir, "purpose", "display", record_value(record, "purpose"));
    fhir_concepts(fhir, "code", "", "", record_value(record, "scope"));
    json_out_end(&fhir->out);
}

static void consent(struct fhir *fhir, const struct kith_record *record)
{
    const char *expires = record_value(record, "expires");
    bool is_over = strcmp(record_value(record, "revoked"), "yes") == 0 ||
                   (*expires && strcmp(expires, fhir->made->today) < 0);

    fhir_begin(fhir, "Consent", record->id);
    json_out_text(&fhir->out, "status", is_over ? "inactive" : "active");
    fhir_concept(fhir, "scope", "http://terminology.hl7.org/CodeSystem/consentscope",
                 "patient-privacy", "");
    fhir_concepts(fhir, "category", FHIR_LOINC, "59284-0", "");
    fhir_patient_reference(fhir, "patient");
    fhir_date(fhir, "dateTime", record_value(record, "signed_on"));
    fhir_concept(fhir, "policyRule", FHIR_ACT_CODE,
                 fhir->dossier.facts->is_part2 ? PART2_CODE : "OPTIN", "");
    provision(fhir, record);
    fhir_end(fhir);
}

static void each(struct fhir *fhir, const struct kith_list *list,
                 void (*write)(struct fhir *, const struct kith_record *))
{
    for (size_t i = 0; i < list->count; i++)
        write(fhir, list->records[i]);
}

void fhir_chart(struct fhir *fhir)
{
    patient(fhir);
    each(fhir, fhir->dossier.plans, care_plan);
    each(fhir, fhir->dossier.goals, goal);
    each(fhir, fhir->dossier.consents, consent);
}
