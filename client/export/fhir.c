/* SPDX-License-Identifier: Apache-2.0 */
/* Signed visits and what belongs to them as one FHIR R4 Bundle, for another system. */
#include "client/export/fhir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/export/part2.h"

#define REFERENCE_MAX 128
#define PURPOSE       "treatment"
#define RECIPIENT     "another system"

void fhir_coding(struct fhir *fhir, const char *name, const char *system, const char *code)
{
    json_out_object(&fhir->out, name);
    json_out_text(&fhir->out, "system", system);
    json_out_text(&fhir->out, "code", code);
    json_out_end(&fhir->out);
}

void fhir_concept(struct fhir *fhir, const char *name, const char *system, const char *code,
                  const char *text)
{
    json_out_object(&fhir->out, name);
    if (*code) {
        json_out_list(&fhir->out, "coding");
        fhir_coding(fhir, NULL, system, code);
        json_out_end(&fhir->out);
    }
    json_out_text(&fhir->out, "text", text);
    json_out_end(&fhir->out);
}

void fhir_concepts(struct fhir *fhir, const char *name, const char *system, const char *code,
                   const char *text)
{
    if (!*code && !*text)
        return;
    json_out_list(&fhir->out, name);
    fhir_concept(fhir, NULL, system, code, text);
    json_out_end(&fhir->out);
}

void fhir_reference(struct fhir *fhir, const char *name, const char *type, const char *id,
                    const char *display)
{
    char reference[REFERENCE_MAX] = "";

    if (*id)
        (void)snprintf(reference, sizeof reference, "%s/%s", type, id);
    json_out_object(&fhir->out, name);
    json_out_text(&fhir->out, "reference", reference);
    json_out_text(&fhir->out, "display", display);
    json_out_end(&fhir->out);
}

void fhir_patient_reference(struct fhir *fhir, const char *name)
{
    fhir_reference(fhir, name, "Patient", fhir->dossier.facts->id, fhir->dossier.facts->name);
}

static void remember(struct fhir *fhir, uint32_t number)
{
    for (size_t i = 0; i < fhir->person_count; i++)
        if (fhir->people[i] == number)
            return;
    if (fhir->person_count == fhir->person_room) {
        size_t room = fhir->person_room ? fhir->person_room * 2 : 16;
        uint32_t *larger = realloc(fhir->people, room * sizeof *larger);
        if (!larger) {
            fhir->made->err = KITH_MEMORY;
            return;
        }
        fhir->people = larger;
        fhir->person_room = room;
    }
    fhir->people[fhir->person_count++] = number;
}

static void person_id(char id[static FHIR_ID_MAX], uint32_t number)
{
    (void)snprintf(id, FHIR_ID_MAX, "person-%u", number);
}

void fhir_person(struct fhir *fhir, const char *name, uint32_t number)
{
    char id[FHIR_ID_MAX];

    if (number == 0)
        return;
    remember(fhir, number);
    person_id(id, number);
    fhir_reference(fhir, name, "Practitioner", id, home_person_name(fhir->made->kith, number));
}

void fhir_person_named(struct fhir *fhir, const char *name, const char *person)
{
    uint32_t number;

    if (!*person)
        return;
    if (home_person(fhir->made->kith, person, &number) == KITH_OK)
        fhir_person(fhir, name, number);
    else
        fhir_reference(fhir, name, "", "", person);
}

void fhir_date(struct fhir *fhir, const char *name, const char *text)
{
    char shown[MOMENT_TEXT_MAX];
    char whole[MOMENT_TEXT_MAX + 3];

    if (moment_read_date(text, 0, shown)) {
        json_out_text(&fhir->out, name, shown);
    } else if (strlen(text) > 16 && moment_read_time(text, 0, shown)) {
        (void)snprintf(whole, sizeof whole, "%.16s:00%s", shown, shown + 16);
        json_out_text(&fhir->out, name, whole);
    }
}

void fhir_moment(struct fhir *fhir, const char *name, uint64_t ms)
{
    char shown[MOMENT_TEXT_MAX];

    moment_write(ms, shown);
    json_out_text(&fhir->out, name, shown);
}

void fhir_period(struct fhir *fhir, const char *name, const char *start, const char *end)
{
    if (!*start && !*end)
        return;
    json_out_object(&fhir->out, name);
    fhir_date(fhir, "start", start);
    fhir_date(fhir, "end", end);
    json_out_end(&fhir->out);
}

const char *fhir_text(struct fhir *fhir, const struct kith_record *record, const char *name)
{
    const struct kith_field *field = record_field_named(record, name);
    struct buffer all;

    if (!field || !field->is_conflict)
        return record_value(record, name);
    buffer_init(&all, EXPORT_BYTES_MAX);
    for (size_t i = 0; i < field->value_count; i++) {
        const char *text = field->values[i].text;
        if (i > 0)
            buffer_add(&all, " / ", 3);
        buffer_add(&all, text, strlen(text));
    }
    const char *copy = chart_text(&fhir->made->arena, buffer_view(&all), &fhir->made->err);
    fhir->made->err = fhir->made->err ? fhir->made->err : all.err;
    buffer_clear(&all);
    return copy;
}

static bool is_of_chart(const char *type)
{
    return strcmp(type, "Organization") != 0 && strcmp(type, "Practitioner") != 0;
}

/* What each reader has to know of a resource: that a law protects it, that it is for practice. */
static void meta(struct fhir *fhir, bool is_part2)
{
    bool is_practice = home_is_practice(fhir->made->kith);

    if (!is_part2 && !is_practice)
        return;
    json_out_object(&fhir->out, "meta");
    if (is_part2) {
        json_out_list(&fhir->out, "security");
        fhir_coding(fhir, NULL, "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R");
        fhir_coding(fhir, NULL, FHIR_ACT_CODE, PART2_CODE);
        json_out_end(&fhir->out);
    }
    if (is_practice) {
        json_out_list(&fhir->out, "tag");
        fhir_coding(fhir, NULL, "http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST");
        json_out_end(&fhir->out);
    }
    json_out_end(&fhir->out);
}

void fhir_begin(struct fhir *fhir, const char *type, const char *id)
{
    char url[REFERENCE_MAX + sizeof fhir->base];

    (void)snprintf(url, sizeof url, "%s%s/%s", fhir->base, type, id);
    json_out_object(&fhir->out, NULL);
    json_out_text(&fhir->out, "fullUrl", url);
    json_out_object(&fhir->out, "resource");
    json_out_text(&fhir->out, "resourceType", type);
    json_out_text(&fhir->out, "id", id);
    meta(fhir, is_of_chart(type) && fhir->dossier.facts->is_part2);
}

void fhir_end(struct fhir *fhir)
{
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
}

static void qualifications(struct fhir *fhir, uint32_t number)
{
    bool has_one = false;

    for (const struct staff_credential *one = fhir->staff; one; one = one->next) {
        if (one->holder != number || !*one->kind)
            continue;
        if (!has_one)
            json_out_list(&fhir->out, "qualification");
        has_one = true;
        json_out_object(&fhir->out, NULL);
        fhir_concept(fhir, "code", "", "", one->kind);
        fhir_period(fhir, "period", one->issued, one->expires);
        json_out_end(&fhir->out);
    }
    if (has_one)
        json_out_end(&fhir->out);
}

static void practitioner(struct fhir *fhir, uint32_t number)
{
    const char *npi = staff_npi(fhir->staff, number);
    char id[FHIR_ID_MAX];

    person_id(id, number);
    fhir_begin(fhir, "Practitioner", id);
    if (*npi) {
        json_out_list(&fhir->out, "identifier");
        json_out_object(&fhir->out, NULL);
        json_out_text(&fhir->out, "system", FHIR_NPI);
        json_out_text(&fhir->out, "value", npi);
        json_out_end(&fhir->out);
        json_out_end(&fhir->out);
    }
    json_out_list(&fhir->out, "name");
    json_out_object(&fhir->out, NULL);
    json_out_text(&fhir->out, "text", home_person_name(fhir->made->kith, number));
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
    qualifications(fhir, number);
    fhir_end(fhir);
}

static void organization(struct fhir *fhir)
{
    fhir_begin(fhir, "Organization", fhir->organization);
    json_out_text(&fhir->out, "name", *fhir->agency ? fhir->agency : "not known");
    fhir_end(fhir);
}

static void write_chart(struct fhir *fhir)
{
    struct dossier *dossier = &fhir->dossier;

    fhir_chart(fhir);
    for (size_t i = 0; i < dossier->visits->count; i++) {
        fhir_visit(fhir, dossier->visits->records[i]);
        export_share(fhir->made, dossier->facts, dossier->consent, fhir->options->recipient);
        fhir->made->public.lines++;
    }
}

static enum kith_err take_chart(struct fhir *fhir, const uint8_t circle[static ID_BYTES],
                                const struct dossier_days *days)
{
    const struct kith_export_options *options = fhir->options;
    enum kith_err err = dossier_read(fhir->made, circle, days, &fhir->dossier);

    if (!err && fhir->dossier.visits->count > 0 &&
        dossier_is_allowed(fhir->made, &fhir->dossier, options->recipient ? options->recipient : "",
                           options->purpose ? options->purpose : PURPOSE))
        write_chart(fhir);
    dossier_clear(&fhir->dossier);
    return err ? err : fhir->made->err ? fhir->made->err : fhir->made->out.err;
}

/* The charts that are asked for. */
struct chart_list {
    uint8_t (*circles)[ID_BYTES];
    size_t count;
    size_t room;
};

static bool take_circle(void *owner, const struct found_record *found)
{
    struct chart_list *list = owner;

    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        uint8_t(*larger)[ID_BYTES] = realloc(list->circles, room * sizeof *larger);
        if (!larger)
            return false;
        list->circles = larger;
        list->room = room;
    }
    memcpy(list->circles[list->count++], found->circle, ID_BYTES);
    return true;
}

static enum kith_err find_charts(struct fhir *fhir, struct chart_list *list)
{
    struct kith *kith = fhir->made->kith;
    struct found_record asked = {0};

    if (fhir->options->participant) {
        enum kith_err err = home_participant(kith, fhir->options->participant, asked.circle);
        return err ? err : take_circle(list, &asked) ? KITH_OK : KITH_MEMORY;
    }
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    enum kith_err err = replica_each(&txn, RECORD_PARTICIPANT, NULL, take_circle, list);
    store_abort(&txn);
    return err;
}

static void begin(struct fhir *fhir)
{
    const struct replica *replica = fhir->made->kith->replica;

    id_write(replica_roster(replica)->agency, fhir->organization);
    (void)snprintf(fhir->base, sizeof fhir->base, "https://%s.kith.invalid/fhir/",
                   fhir->organization);
    fhir->agency = export_agency(fhir->made);
    json_out_object(&fhir->out, NULL);
    json_out_text(&fhir->out, "resourceType", "Bundle");
    meta(fhir, false);
    json_out_text(&fhir->out, "type", "collection");
    fhir_moment(fhir, "timestamp", home_now_ms(fhir->made->kith));
    json_out_list(&fhir->out, "entry");
    organization(fhir);
}

static enum kith_err finish(struct fhir *fhir)
{
    struct export_made *made = fhir->made;
    const struct kith_export_options *options = fhir->options;
    const struct export_event event = {"fhir", options->recipient ? options->recipient : RECIPIENT,
                                       options->purpose ? options->purpose : PURPOSE};

    for (size_t i = 0; i < fhir->person_count; i++)
        practitioner(fhir, fhir->people[i]);
    json_out_end(&fhir->out);
    json_out_end(&fhir->out);
    if (made->public.lines == 0 && made->public.refused > 0)
        return home_fail(made->kith, KITH_NOT_ALLOWED,
                         "42 CFR Part 2 protects this, and no consent names the recipient (--for) "
                         "and the purpose (--purpose)");
    if (made->public.lines == 0)
        return home_fail(made->kith, KITH_NOT_FOUND, "no visit between these days is signed");
    made->public.charts = made->share_count;
    enum kith_err err = export_write(made, AUDIT_FHIR, options->path);
    return err ? err : export_done(made, &event);
}

static enum kith_err run(struct fhir *fhir, struct chart_list *list)
{
    struct kith *kith = fhir->made->kith;
    const struct kith_export_options *options = fhir->options;
    struct dossier_days days;
    enum kith_err err = dossier_days(kith, options->from, options->to, &days);

    if (!err)
        err = home_read_names(kith);
    if (!err)
        err = staff_read(kith, &fhir->made->arena, &fhir->staff);
    if (!err)
        err = find_charts(fhir, list);
    if (err)
        return err;
    begin(fhir);
    for (size_t i = 0; i < list->count && !err; i++) {
        err = take_chart(fhir, list->circles[i], &days);
        if (options->progress)
            options->progress(options->owner, i + 1, list->count);
    }
    return err ? err : finish(fhir);
}

int kith_export_fhir(struct kith *kith, const struct kith_export_options *options,
                     struct kith_export **made)
{
    struct fhir fhir = {.made = export_new(kith), .options = options};
    struct chart_list list = {0};

    *made = NULL;
    if (!fhir.made)
        return KITH_MEMORY;
    *made = &fhir.made->public;
    fhir.out = json_out_to(&fhir.made->out);
    enum kith_err err = run(&fhir, &list);
    free(list.circles);
    free(fhir.people);
    return err;
}
