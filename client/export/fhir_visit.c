/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed visit as FHIR: the service is an Encounter, as corrections leave it; the note and each
 * addendum are DocumentReferences, which stay as they were signed; each signature is a Provenance.
 */
#include <stdio.h>
#include <string.h>

#include "client/export/fhir.h"
#include "client/export/part2.h"

#define TEXT_MAX (256u * 1024)
#define HCPCS    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"

static uint32_t step_person(const struct fhir *fhir, const struct kith_step *step)
{
    const struct roster_device *device =
        roster_device(replica_roster(fhir->made->kith->replica), step->device);

    return device ? device->person : 0;
}

static bool is_addendum(const struct kith_step *step)
{
    return strcmp(step->kind, "addend") == 0;
}

static bool is_voided(const struct kith_record *visit)
{
    return strcmp(visit->state, "voided") == 0;
}

/* What a field of the service says after all corrections. */
static const char *standing(const struct kith_record *visit, const char *field)
{
    const char *value = record_value(visit, field);

    for (size_t i = 0; i < visit->note->step_count; i++) {
        const struct kith_step *step = &visit->note->steps[i];
        for (size_t k = 0; k < step->change_count; k++)
            if (strcmp(step->changes[k].field, field) == 0)
                value = step->changes[k].value;
    }
    return value;
}

static const char *encounter_status(const struct kith_record *visit)
{
    const char *result = standing(visit, "contact_result");

    if (is_voided(visit))
        return "entered-in-error";
    return !*result || strcmp(result, "done") == 0 ? "finished" : "cancelled";
}

/* v3-ActCode: home, virtual, in the field, or on the premises. */
static const char *encounter_class(const struct kith_record *visit)
{
    const char *mode = standing(visit, "mode");
    const char *place = standing(visit, "place");

    if (strcmp(mode, "phone") == 0 || strcmp(mode, "video") == 0 ||
        strcmp(place, "telehealth") == 0)
        return "VR";
    if (strcmp(place, "home") == 0)
        return "HH";
    return strcmp(place, "clinic") == 0 || strcmp(place, "office") == 0 ? "AMB" : "FLD";
}

static void encounter_people(struct fhir *fhir, const struct kith_step *sign)
{
    json_out_list(&fhir->out, "participant");
    json_out_object(&fhir->out, NULL);
    fhir_concepts(fhir, "type", "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                  "PPRF", "");
    fhir_person(fhir, "individual", step_person(fhir, sign));
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
}

static void encounter_length(struct fhir *fhir, int64_t minutes)
{
    if (minutes < 0)
        return;
    json_out_object(&fhir->out, "length");
    json_out_number(&fhir->out, "value", minutes);
    json_out_text(&fhir->out, "unit", "min");
    json_out_text(&fhir->out, "system", "http://unitsofmeasure.org");
    json_out_text(&fhir->out, "code", "min");
    json_out_end(&fhir->out);
}

static void encounter(struct fhir *fhir, const struct kith_record *visit,
                      const struct kith_step *sign)
{
    const char *start = standing(visit, "start");
    const char *place = standing(visit, "place");
    const char *code = standing(visit, "code");
    bool is_code = !strpbrk(code, " \t");

    fhir_begin(fhir, "Encounter", visit->id);
    json_out_text(&fhir->out, "status", encounter_status(visit));
    fhir_coding(fhir, "class", FHIR_ACT_CODE, encounter_class(visit));
    if (*code)
        fhir_concept(fhir, "serviceType", HCPCS, is_code ? code : "", is_code ? "" : code);
    fhir_patient_reference(fhir, "subject");
    encounter_people(fhir, sign);
    fhir_period(fhir, "period", *start ? start : standing(visit, "date"), standing(visit, "end"));
    encounter_length(fhir, visit->note->minutes);
    if (*place) {
        json_out_list(&fhir->out, "location");
        json_out_object(&fhir->out, NULL);
        fhir_reference(fhir, "location", "", "", place);
        json_out_end(&fhir->out);
        json_out_end(&fhir->out);
    }
    fhir_reference(fhir, "serviceProvider", "Organization", fhir->organization, fhir->agency);
    fhir_end(fhir);
}

static void say(struct buffer *text, const char *words)
{
    buffer_add(text, words, strlen(words));
}

/* The note as lines "purpose: ...", as it was signed. */
static void note_text(const struct fhir *fhir, const struct kith_record *visit, struct buffer *text)
{
    for (size_t i = 0; i < visit->field_count; i++) {
        const struct kith_field *field = &visit->fields[i];
        if (strcmp(field->name, "participant") == 0)
            continue;
        say(text, field->name);
        for (size_t k = 0; k < field->value_count; k++) {
            const struct kith_value *value = &field->values[k];
            const char *goal = dossier_goal(&fhir->dossier, value->key ? value->key : value->text);
            say(text, k == 0 ? ": " : "; ");
            if (value->key) {
                say(text, goal);
                say(text, ": ");
            }
            say(text, !value->key && *goal ? goal : value->text);
        }
        say(text, "\n");
    }
}

static void addendum_text(const struct kith_step *step, struct buffer *text)
{
    say(text, step->addendum);
    say(text, ": ");
    say(text, step->text);
    say(text, "\n");
    for (size_t i = 0; i < step->change_count; i++) {
        say(text, step->changes[i].field);
        say(text, ": was ");
        say(text, step->changes[i].old);
        say(text, ", is ");
        say(text, step->changes[i].value);
        say(text, "\n");
    }
}

static void content(struct fhir *fhir, const struct buffer *text, uint64_t ms)
{
    json_out_list(&fhir->out, "content");
    json_out_object(&fhir->out, NULL);
    json_out_object(&fhir->out, "attachment");
    json_out_text(&fhir->out, "contentType", "text/plain; charset=utf-8");
    json_out_base64(&fhir->out, "data", buffer_view(text));
    fhir_moment(fhir, "creation", ms);
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
}

/* What all documents of a visit have, up to their author. */
static void document_begin(struct fhir *fhir, const struct kith_record *visit, const char *id,
                           const struct kith_step *step, const char *doc_status)
{
    bool is_wrong = is_voided(visit);

    fhir_begin(fhir, "DocumentReference", id);
    json_out_text(&fhir->out, "status", is_wrong ? "entered-in-error" : "current");
    json_out_text(&fhir->out, "docStatus", is_wrong ? "entered-in-error" : doc_status);
    fhir_concept(fhir, "type", FHIR_LOINC, "11506-3", "Progress note");
    fhir_patient_reference(fhir, "subject");
    fhir_moment(fhir, "date", step->time_ms);
    json_out_list(&fhir->out, "author");
    fhir_person(fhir, NULL, step_person(fhir, step));
    json_out_end(&fhir->out);
}

static void document_end(struct fhir *fhir, const struct kith_record *visit,
                         const struct kith_step *step, struct buffer *text)
{
    if (fhir->dossier.facts->is_part2)
        fhir_concepts(fhir, "securityLabel", FHIR_ACT_CODE, PART2_CODE, PART2_NOTICE);
    content(fhir, text, step->time_ms);
    fhir->made->err = fhir->made->err ? fhir->made->err : text->err;
    json_out_object(&fhir->out, "context");
    json_out_list(&fhir->out, "encounter");
    fhir_reference(fhir, NULL, "Encounter", visit->id, "");
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
    fhir_end(fhir);
}

static void note(struct fhir *fhir, const struct kith_record *visit, const struct kith_step *sign)
{
    const struct kith_step *cosign = record_step(visit, "cosign");
    struct buffer text;
    bool is_amended = false;

    for (size_t i = 0; i < visit->note->step_count; i++)
        is_amended = is_amended || is_addendum(&visit->note->steps[i]);
    buffer_init(&text, TEXT_MAX);
    note_text(fhir, visit, &text);
    document_begin(fhir, visit, visit->id, sign, is_amended ? "amended" : "final");
    if (cosign)
        fhir_person(fhir, "authenticator", step_person(fhir, cosign));
    fhir_reference(fhir, "custodian", "Organization", fhir->organization, fhir->agency);
    document_end(fhir, visit, sign, &text);
    buffer_clear(&text);
}

static void addendum(struct fhir *fhir, const struct kith_record *visit,
                     const struct kith_step *step, const char *id)
{
    struct buffer text;

    buffer_init(&text, TEXT_MAX);
    addendum_text(step, &text);
    document_begin(fhir, visit, id, step, "final");
    json_out_list(&fhir->out, "relatesTo");
    json_out_object(&fhir->out, NULL);
    json_out_text(&fhir->out, "code", "appends");
    fhir_reference(fhir, "target", "DocumentReference", visit->id, "");
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
    json_out_text(&fhir->out, "description", step->addendum);
    document_end(fhir, visit, step, &text);
    buffer_clear(&text);
}

/* What a step of a note's life is as a signature (ASTM E1762-95). */
struct signing {
    const char *kind;
    const char *agent;
    const char *purpose;
};

static void provenance_agent(struct fhir *fhir, const struct signing *signing,
                             const struct kith_step *step)
{
    json_out_list(&fhir->out, "agent");
    json_out_object(&fhir->out, NULL);
    fhir_concept(fhir, "type", "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                 signing->agent, "");
    fhir_person(fhir, "who", step_person(fhir, step));
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
}

/* The hash that was signed: who holds the record can find it there. */
static void provenance_entity(struct fhir *fhir, const struct kith_step *step, const char *original)
{
    json_out_list(&fhir->out, "entity");
    json_out_object(&fhir->out, NULL);
    json_out_text(&fhir->out, "role", original ? "revision" : "source");
    json_out_object(&fhir->out, "what");
    if (original) {
        char address[FHIR_ID_MAX + sizeof "DocumentReference/"];
        (void)snprintf(address, sizeof address, "DocumentReference/%s", original);
        json_out_text(&fhir->out, "reference", address);
    }
    json_out_object(&fhir->out, "identifier");
    json_out_text(&fhir->out, "value", step->covers);
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
}

static void provenance_signature(struct fhir *fhir, const struct signing *signing,
                                 const struct kith_step *step)
{
    json_out_list(&fhir->out, "signature");
    json_out_object(&fhir->out, NULL);
    json_out_list(&fhir->out, "type");
    fhir_coding(fhir, NULL, "urn:iso-astm:E1762-95:2013", signing->purpose);
    json_out_end(&fhir->out);
    fhir_moment(fhir, "when", step->time_ms);
    fhir_person(fhir, "who", step_person(fhir, step));
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
}

static void provenance(struct fhir *fhir, const struct kith_record *visit,
                       const struct kith_step *step, const char *id, const char *document)
{
    static const struct signing signings[] = {
        {"sign", "author", "1.2.840.10065.1.12.1.1"},
        {"addend", "author", "1.2.840.10065.1.12.1.16"},
        {"cosign", "attester", "1.2.840.10065.1.12.1.5"},
        {"void", "enterer", "1.2.840.10065.1.12.1.14"},
        {NULL, NULL, NULL},
    };
    const struct signing *signing = signings;

    while (signing->kind && strcmp(signing->kind, step->kind) != 0)
        signing++;
    if (!signing->kind)
        return;
    fhir_begin(fhir, "Provenance", id);
    json_out_list(&fhir->out, "target");
    fhir_reference(fhir, NULL, "DocumentReference", document, "");
    json_out_end(&fhir->out);
    fhir_moment(fhir, "recorded", step->time_ms);
    if (strcmp(step->kind, "void") == 0)
        fhir_concepts(fhir, "reason", "", "", step->text);
    provenance_agent(fhir, signing, step);
    provenance_entity(fhir, step, strcmp(document, visit->id) == 0 ? NULL : visit->id);
    provenance_signature(fhir, signing, step);
    fhir_end(fhir);
}

void fhir_visit(struct fhir *fhir, const struct kith_record *visit)
{
    const struct kith_step *sign = record_step(visit, "sign");
    unsigned addenda = 0;

    encounter(fhir, visit, sign);
    note(fhir, visit, sign);
    for (size_t i = 0; i < visit->note->step_count; i++) {
        const struct kith_step *step = &visit->note->steps[i];
        char document[FHIR_ID_MAX];
        char id[FHIR_ID_MAX];
        (void)snprintf(document, sizeof document, "%s", visit->id);
        if (is_addendum(step)) {
            (void)snprintf(document, sizeof document, "%s-%u", visit->id, ++addenda);
            addendum(fhir, visit, step, document);
        }
        (void)snprintf(id, sizeof id, "%s-step-%zu", visit->id, i + 1);
        provenance(fhir, visit, step, id, document);
    }
}
