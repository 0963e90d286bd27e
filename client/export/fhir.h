/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the FHIR export share. Source: HL7 FHIR R4 (4.0.1); docs/exports.md says which
 * record becomes which resource.
 *
 * A resource's id is the record's; it is addressed below a base of the agency's that nobody can
 * resolve (RFC 2606), so references within the bundle hold and point nowhere else.
 */
#ifndef KITH_CLIENT_EXPORT_FHIR_H
#define KITH_CLIENT_EXPORT_FHIR_H

#include "client/export/dossier.h"
#include "client/export/json_out.h"
#include "client/export/staff.h"

#define FHIR_ACT_CODE "http://terminology.hl7.org/CodeSystem/v3-ActCode"
#define FHIR_LOINC    "http://loinc.org"
#define FHIR_NPI      "http://hl7.org/fhir/sid/us-npi"
#define FHIR_ID_MAX   64

struct fhir {
    struct export_made *made;
    const struct kith_export_options *options;
    struct json_out out;
    struct dossier dossier; /* of the chart that is being written */
    struct staff_credential *staff;
    const char *agency; /* its name */
    char base[128];     /* of addresses, with a final slash */
    char organization[KITH_ID_TEXT];
    uint32_t *people; /* who is referred to */
    size_t person_count;
    size_t person_room;
};

/* An entry of the bundle up to the resource's own members, and its end. */
void fhir_begin(struct fhir *fhir, const char *type, const char *id);
void fhir_end(struct fhir *fhir);
/* {"reference": "Patient/...", "display": ...} */
void fhir_reference(struct fhir *fhir, const char *name, const char *type, const char *id,
                    const char *display);
void fhir_patient_reference(struct fhir *fhir, const char *name);
/* A worker, who is then in the bundle; nothing for number 0. */
void fhir_person(struct fhir *fhir, const char *name, uint32_t number);
/* Likewise, by the name that a record shows. */
void fhir_person_named(struct fhir *fhir, const char *name, const char *person);
/* {"system": ..., "code": ...} */
void fhir_coding(struct fhir *fhir, const char *name, const char *system, const char *code);
/* A CodeableConcept of one code, of text alone, or of both; either may be "". */
void fhir_concept(struct fhir *fhir, const char *name, const char *system, const char *code,
                  const char *text);
void fhir_concepts(struct fhir *fhir, const char *name, const char *system, const char *code,
                   const char *text); /* a list of that one */
/* A date, or a moment with its seconds; nothing for text that is neither. */
void fhir_date(struct fhir *fhir, const char *name, const char *text);
void fhir_moment(struct fhir *fhir, const char *name, uint64_t ms);
void fhir_period(struct fhir *fhir, const char *name, const char *start, const char *end);
/* What a field says, also while it waits for a decision: then all of it. In the arena. */
const char *fhir_text(struct fhir *fhir, const struct kith_record *record, const char *name);

/* Patient, CarePlan, Goal and Consent: client/export/fhir_chart.c. */
void fhir_chart(struct fhir *fhir);
/* Encounter, DocumentReference and Provenance: client/export/fhir_visit.c. */
void fhir_visit(struct fhir *fhir, const struct kith_record *visit);

#endif
