/* SPDX-License-Identifier: Apache-2.0 */
/* The table of record types and fields. Everything else about records derives from it. */
#include "client/schema.h"

#define LAST      MERGE_LAST
#define SET       MERGE_SET
#define RESTRICT  MERGE_RESTRICT
#define NARRATIVE MERGE_NARRATIVE
#define EXACT     MERGE_EXACT
#define FIXED     MERGE_FIXED
#define ENTRIES   MERGE_ENTRIES

#define TEXT   FIELD_TEXT
#define PROSE  FIELD_PROSE
#define DATE   FIELD_DATE
#define TIME   FIELD_TIME
#define NUMBER FIELD_NUMBER
#define FLAG   FIELD_FLAG
#define CHOICE FIELD_CHOICE
#define PERSON FIELD_PERSON
#define RECORD FIELD_RECORD
#define CHART  FIELD_CHART

#define NONE 0
#define NEW  FIELD_IS_NEEDED
#define OWN  FIELD_IS_OWN
#define PAID FIELD_IS_BILLED

#define LEADERS (ROLE_SUPERVISOR | ROLE_ADMIN)
#define OFFICE  (LEADERS | ROLE_CUSTODIAN)

/* The last column: who may write it, when signing needs it, and how that is asked for. */
#define ANY                                                                                        \
    {                                                                                              \
        0, SIGN_WITHOUT, ""                                                                        \
    }
#define BY(roles)                                                                                  \
    {                                                                                              \
        (roles), SIGN_WITHOUT, ""                                                                  \
    }
#define SIGNED(asks)                                                                               \
    {                                                                                              \
        0, SIGN_ALWAYS, (asks)                                                                     \
    }
#define DONE(asks)                                                                                 \
    {                                                                                              \
        0, SIGN_WHEN_DONE, (asks)                                                                  \
    }
#define GROUP(asks)                                                                                \
    {                                                                                              \
        0, SIGN_WHEN_GROUP, (asks)                                                                 \
    }
#define GOALS(asks)                                                                                \
    {                                                                                              \
        0, SIGN_WHEN_GOALS, (asks)                                                                 \
    }

/* record, number, name, class, kind, choices, flags, help, rules */
static const struct schema_field participant_fields[] = {
    {RECORD_PARTICIPANT, 1, "name", EXACT, TEXT, "", NEW, "Full name, as on the insurance card",
     ANY},
    {RECORD_PARTICIPANT, 2, "preferred_name", LAST, TEXT, "", NONE,
     "What the person likes to be called", ANY},
    {RECORD_PARTICIPANT, 3, "pronouns", LAST, TEXT, "", NONE, "The person's pronouns", ANY},
    {RECORD_PARTICIPANT, 4, "dob", EXACT, DATE, "", NONE, "Date of birth", ANY},
    {RECORD_PARTICIPANT, 5, "medicaid_id", EXACT, TEXT, "", PAID, "Medicaid number", ANY},
    {RECORD_PARTICIPANT, 6, "payer_id", EXACT, TEXT, "", PAID, "Payer", ANY},
    {RECORD_PARTICIPANT, 7, "phone", SET, TEXT, "", NONE, "Phone numbers", ANY},
    {RECORD_PARTICIPANT, 8, "address", LAST, TEXT, "", NONE,
     "Where the person lives or can be found", ANY},
    {RECORD_PARTICIPANT, 9, "do_not_contact", RESTRICT, FLAG, "", NONE,
     "Contact could put the person at risk", ANY},
    {RECORD_PARTICIPANT, 10, "language", LAST, TEXT, "", NONE, "Preferred language", ANY},
    {RECORD_PARTICIPANT, 11, "emergency_contacts", SET, TEXT, "", NONE, "Whom to call, and how",
     ANY},
    {RECORD_PARTICIPANT, 12, "programme", EXACT, CHOICE, "MH SUD both", NONE, "Programme", ANY},
    {RECORD_PARTICIPANT, 13, "part2", RESTRICT, FLAG, "", NONE,
     "42 CFR Part 2 protects this record", BY(OFFICE)},
    {RECORD_PARTICIPANT, 14, "care_team", SET, TEXT, "", NONE, "Others who care for the person",
     ANY},
    {RECORD_PARTICIPANT, 15, "preferences", SET, TEXT, "", NONE,
     "What the person prefers or declines", ANY},
    {RECORD_PARTICIPANT, 16, "alerts", SET, TEXT, "", NONE, "Allergies and alerts", ANY},
    {RECORD_PARTICIPANT, 17, "crisis_plan", NARRATIVE, PROSE, "", NONE,
     "The crisis plan, in the person's words", ANY},
    {RECORD_PARTICIPANT, 18, "engagement", LAST, CHOICE,
     "engaged outreach treatment needs_treatment discharged", NONE,
     "Where the person stands with services", ANY},
    {RECORD_PARTICIPANT, 19, "local_code", FIXED, TEXT, "", NONE,
     "The agency's own number for the person", ANY},
    {RECORD_PARTICIPANT, 20, "diagnosis_codes", SET, TEXT, "", PAID,
     "Diagnosis codes, as the clinician gave them", BY(OFFICE)},
    {RECORD_PARTICIPANT, 21, "assigned_staff", SET, PERSON, "", NONE, "Who works with the person",
     ANY},
    {RECORD_PARTICIPANT, 22, "discharged_on", LAST, DATE, "", NONE, "When services ended", ANY},
    {RECORD_PARTICIPANT, 23, "legal_hold", RESTRICT, FLAG, "", NONE,
     "Must be kept whatever its age", BY(OFFICE)},
    {RECORD_PARTICIPANT, 24, "duplicate_of", LAST, CHART, "", NONE,
     "The same person as in this other chart", BY(OFFICE)},
    {RECORD_PARTICIPANT, 25, "sex", EXACT, CHOICE, "F M U", PAID, "As the payer has it", ANY},
};

static const struct schema_field plan_fields[] = {
    {RECORD_PLAN, 1, "kind", FIXED, CHOICE, "service wrap crisis", NEW, "Kind of plan", ANY},
    {RECORD_PLAN, 2, "effective_from", EXACT, DATE, "", NONE, "First day", ANY},
    {RECORD_PLAN, 3, "effective_to", EXACT, DATE, "", NONE, "Last day", ANY},
    {RECORD_PLAN, 4, "strengths", NARRATIVE, PROSE, "", NONE, "The person's strengths", ANY},
    {RECORD_PLAN, 5, "narrative", NARRATIVE, PROSE, "", NONE, "The plan, in words", ANY},
    {RECORD_PLAN, 6, "authorization_no", EXACT, TEXT, "", PAID, "Payer's authorization number",
     ANY},
    {RECORD_PLAN, 7, "authorized_units", EXACT, NUMBER, "", PAID, "Units authorized", ANY},
    {RECORD_PLAN, 8, "auth_from", EXACT, DATE, "", NONE, "Authorized from", ANY},
    {RECORD_PLAN, 9, "auth_to", EXACT, DATE, "", NONE, "Authorized to", ANY},
    {RECORD_PLAN, 10, "author", FIXED, PERSON, "", OWN, "Who wrote it (you, unless you say so)",
     ANY},
    {RECORD_PLAN, 11, "status", LAST, CHOICE, "draft active ended", NONE, "Status", ANY},
    {RECORD_PLAN, 12, "signatures", ENTRIES, TEXT, "", NONE, "Who signed on paper, and when", ANY},
    {RECORD_PLAN, 13, "ordering_npi", EXACT, TEXT, "", NONE, "NPI of the ordering provider", ANY},
};

static const struct schema_field goal_fields[] = {
    {RECORD_GOAL, 1, "plan", FIXED, RECORD, "", NONE, "The plan it belongs to", ANY},
    {RECORD_GOAL, 2, "text", NARRATIVE, PROSE, "", NEW, "The goal in the person's own words", ANY},
    {RECORD_GOAL, 3, "domain", LAST, CHOICE,
     "health home work school money relationships community spirituality recovery", NONE,
     "Area of life", ANY},
    {RECORD_GOAL, 4, "objectives", NARRATIVE, PROSE, "", NONE, "Steps toward it", ANY},
    {RECORD_GOAL, 5, "skills", SET, TEXT, "", NONE, "Skills that it needs", ANY},
    {RECORD_GOAL, 6, "stage", LAST, CHOICE,
     "precontemplation contemplation preparation action maintenance", NONE, "Stage of change", ANY},
    {RECORD_GOAL, 7, "status", LAST, CHOICE, "open met paused closed", NONE, "Status", ANY},
    {RECORD_GOAL, 8, "closed_reason", LAST, TEXT, "", NONE, "Why it was closed", ANY},
    {RECORD_GOAL, 9, "target_date", LAST, DATE, "", NONE, "Hoped-for date", ANY},
    {RECORD_GOAL, 10, "progress", ENTRIES, PROSE, "", NONE, "Progress, one entry at a time", ANY},
};

static const struct schema_field visit_fields[] = {
    {RECORD_VISIT, 1, "specialist", FIXED, PERSON, "", OWN,
     "Who made the visit (you, unless you say otherwise)", ANY},
    {RECORD_VISIT, 2, "date", EXACT, DATE, "", NEW, "Day of the visit",
     SIGNED("the day of the visit")},
    {RECORD_VISIT, 3, "start", EXACT, TIME, "", NONE, "When it began",
     DONE("when the visit began")},
    {RECORD_VISIT, 4, "end", EXACT, TIME, "", NONE, "When it ended", DONE("when the visit ended")},
    {RECORD_VISIT, 5, "interruptions", SET, TEXT, "", NONE, "Interruptions, as 14:20-14:35", ANY},
    {RECORD_VISIT, 6, "code", EXACT, TEXT, "", PAID, "Service code", DONE("the service code")},
    {RECORD_VISIT, 7, "modifiers", SET, TEXT, "", PAID, "Code modifiers", ANY},
    {RECORD_VISIT, 8, "place", EXACT, CHOICE,
     "home shelter clinic office community school jail hospital telehealth other", NONE,
     "Where it took place", DONE("where the visit took place")},
    {RECORD_VISIT, 9, "mode", EXACT, CHOICE, "in_person phone video", NONE, "How you met", ANY},
    {RECORD_VISIT, 10, "location_detail", LAST, TEXT, "", NONE, "More about the place", ANY},
    {RECORD_VISIT, 11, "group_id", FIXED, TEXT, "", NONE,
     "Group session, the same for all who took part", ANY},
    {RECORD_VISIT, 12, "group_size", EXACT, NUMBER, "", NONE, "How many took part",
     GROUP("how many took part in the group")},
    {RECORD_VISIT, 13, "contact_result", EXACT, CHOICE, "done no_show refused cancelled", NONE,
     "How it went", ANY},
    {RECORD_VISIT, 14, "participant_agreed", LAST, FLAG, "", NONE,
     "The person was there and agrees with the note", ANY},
    {RECORD_VISIT, 15, "replaces", FIXED, RECORD, "", NONE, "The voided visit that it replaces",
     ANY},
    {RECORD_NOTE, 1, "goals", SET, RECORD, "", NONE, "Goals that were worked on",
     GOALS("which goal you worked on")},
    {RECORD_NOTE, 2, "interventions", SET, CHOICE,
     "shared_lived_experience motivational_interviewing problem_solving skills_practice linkage "
     "advocacy "
     "wellness_planning crisis_support engagement",
     NONE, "What kind of support you gave", DONE("what kind of support you gave")},
    {RECORD_NOTE, 3, "skills_practised", SET, TEXT, "", NONE,
     "Skills practised, and whether they helped", ANY},
    {RECORD_NOTE, 4, "purpose", NARRATIVE, PROSE, "", NONE, "Why you met", DONE("why you met")},
    {RECORD_NOTE, 5, "what_was_done", NARRATIVE, PROSE, "", NONE, "What you did together",
     SIGNED("what you did")},
    {RECORD_NOTE, 6, "response", NARRATIVE, PROSE, "", NONE, "How the person responded",
     DONE("how the person responded")},
    {RECORD_NOTE, 7, "barriers", NARRATIVE, PROSE, "", NONE, "What stood in the way", ANY},
    {RECORD_NOTE, 8, "plan_next", NARRATIVE, PROSE, "", NONE, "What comes next",
     DONE("what comes next")},
    {RECORD_NOTE, 9, "follow_up_due", LAST, DATE, "", NONE, "Follow up by", ANY},
    {RECORD_NOTE, 10, "risk", RESTRICT, CHOICE, "none concern urgent", NONE,
     "Was there a safety concern?", ANY},
    {RECORD_NOTE, 11, "self_rating", LAST, NUMBER, "", NONE, "The person's own rating, 0 to 10",
     ANY},
    {RECORD_NOTE, 12, "language_used", LAST, TEXT, "", NONE, "Language you spoke", ANY},
    {RECORD_NOTE, 13, "progress", LAST, CHOICE, "worse same better reached", FIELD_IS_KEYED,
     "Progress toward each goal, as progress.GOAL=better", ANY},
};

static const struct schema_field resource_fields[] = {
    {RECORD_RESOURCE, 1, "name", LAST, TEXT, "", NEW, "Name of the place or group", ANY},
    {RECORD_RESOURCE, 2, "categories", SET, TEXT, "", NONE, "What it is for", ANY},
    {RECORD_RESOURCE, 3, "address", LAST, TEXT, "", NONE, "Address", ANY},
    {RECORD_RESOURCE, 4, "phone", LAST, TEXT, "", NONE, "Phone", ANY},
    {RECORD_RESOURCE, 5, "times", SET, TEXT, "", NONE, "Opening or meeting times", ANY},
    {RECORD_RESOURCE, 6, "eligibility", LAST, TEXT, "", NONE, "Who may come", ANY},
    {RECORD_RESOURCE, 7, "last_verified", RESTRICT, DATE, "", NONE,
     "When somebody last checked this", ANY},
    {RECORD_RESOURCE, 8, "status", RESTRICT, CHOICE, "proposed approved closed", NONE, "Status",
     ANY},
    {RECORD_RESOURCE, 9, "notes", NARRATIVE, PROSE, "", NONE, "What else is good to know", ANY},
};

static const struct schema_field referral_fields[] = {
    {RECORD_REFERRAL, 1, "resource", FIXED, TEXT, "", NEW, "Where to", ANY},
    {RECORD_REFERRAL, 2, "reason", NARRATIVE, PROSE, "", NONE, "Why", ANY},
    {RECORD_REFERRAL, 3, "steps", ENTRIES, CHOICE, "offered accepted scheduled attended declined",
     NONE, "What has happened so far", ANY},
    {RECORD_REFERRAL, 4, "outcome", NARRATIVE, PROSE, "", NONE, "How it turned out", ANY},
    {RECORD_REFERRAL, 5, "due", LAST, DATE, "", NONE, "Follow up by", ANY},
};

static const struct schema_field consent_fields[] = {
    {RECORD_CONSENT, 1, "scope", FIXED, TEXT, "", NEW, "What may be shared", ANY},
    {RECORD_CONSENT, 2, "purpose", FIXED, TEXT, "", NEW, "What for", ANY},
    {RECORD_CONSENT, 3, "recipients", FIXED, TEXT, "", NEW, "With whom", ANY},
    {RECORD_CONSENT, 4, "expires", FIXED, DATE, "", NONE, "Until when", ANY},
    {RECORD_CONSENT, 5, "signed_on", FIXED, DATE, "", NEW, "When the person signed", ANY},
    {RECORD_CONSENT, 6, "revoked", RESTRICT, FLAG, "", NONE, "The person took it back", BY(OFFICE)},
    {RECORD_CONSENT, 7, "revoked_text", ENTRIES, PROSE, "", NONE, "How and when it was taken back",
     ANY},
};

static const struct schema_field concern_fields[] = {
    {RECORD_CONCERN, 1, "participant", FIXED, CHART, "", NONE, "Whom it is about", ANY},
    {RECORD_CONCERN, 2, "reporter", FIXED, PERSON, "", OWN, "Who reports it", ANY},
    {RECORD_CONCERN, 3, "subject_staff", FIXED, PERSON, "", NONE,
     "A worker whom it is about: will not read it", ANY},
    {RECORD_CONCERN, 4, "supervisor", FIXED, PERSON, "", NONE,
     "Who must know (your supervisor, unless you say otherwise)", ANY},
    {RECORD_CONCERN, 5, "urgency", RESTRICT, CHOICE, "low high urgent", NEW, "How urgent it is",
     BY(OFFICE)},
    {RECORD_CONCERN, 6, "category", SET, TEXT, "", NONE, "What kind of concern", ANY},
    {RECORD_CONCERN, 7, "facts", NARRATIVE, PROSE, "", NEW, "What you saw or heard", ANY},
    {RECORD_CONCERN, 8, "actions", ENTRIES, PROSE, "", NONE, "What was done, one at a time", ANY},
    {RECORD_CONCERN, 9, "notified", ENTRIES, TEXT, "", NONE, "Who was told, and when", ANY},
    {RECORD_CONCERN, 10, "status", RESTRICT, CHOICE, "closed open escalated", NONE,
     "Where it stands; status=open also says that something is not resolved", BY(OFFICE)},
};

static const struct schema_field credential_fields[] = {
    {RECORD_CREDENTIAL, 1, "holder", FIXED, PERSON, "", OWN, "Whose it is", ANY},
    {RECORD_CREDENTIAL, 2, "kind", FIXED, TEXT, "", NEW, "What it is, like CPS", ANY},
    {RECORD_CREDENTIAL, 3, "jurisdiction", FIXED, TEXT, "", NONE, "State or body that gave it",
     ANY},
    {RECORD_CREDENTIAL, 4, "number", LAST, TEXT, "", NONE, "Its number", ANY},
    {RECORD_CREDENTIAL, 5, "issued", LAST, DATE, "", NONE, "Issued on", ANY},
    {RECORD_CREDENTIAL, 6, "expires", LAST, DATE, "", NONE, "Valid through", ANY},
    {RECORD_CREDENTIAL, 7, "status", RESTRICT, CHOICE, "active applied expired suspended", NONE,
     "Status", BY(OFFICE)},
    {RECORD_CREDENTIAL, 8, "evidence", SET, TEXT, "", NONE, "What shows it", ANY},
    {RECORD_CREDENTIAL, 9, "verified_by", LAST, PERSON, "", NONE, "Who checked it", BY(OFFICE)},
    {RECORD_CREDENTIAL, 10, "npi", LAST, TEXT, "", NONE, "The holder's NPI, for claims", ANY},
};

static const struct schema_field training_fields[] = {
    {RECORD_TRAINING, 1, "holder", FIXED, PERSON, "", OWN, "Who took it", ANY},
    {RECORD_TRAINING, 2, "title", LAST, TEXT, "", NEW, "What it was", ANY},
    {RECORD_TRAINING, 3, "category", LAST, TEXT, "", NONE, "Kind, like ethics or peer", ANY},
    {RECORD_TRAINING, 4, "hours", EXACT, NUMBER, "", NONE, "Hours", ANY},
    {RECORD_TRAINING, 5, "date", LAST, DATE, "", NONE, "When", ANY},
    {RECORD_TRAINING, 6, "certificate", LAST, TEXT, "", NONE, "Certificate", ANY},
};

static const struct schema_field supervision_fields[] = {
    {RECORD_SUPERVISION, 1, "supervisor", FIXED, PERSON, "", OWN, "Who supervised", ANY},
    {RECORD_SUPERVISION, 2, "specialist", FIXED, PERSON, "", NEW, "Who was supervised", ANY},
    {RECORD_SUPERVISION, 3, "date", EXACT, DATE, "", NEW, "Day of the session", ANY},
    {RECORD_SUPERVISION, 4, "start", EXACT, TIME, "", NONE, "When it began", ANY},
    {RECORD_SUPERVISION, 5, "end", EXACT, TIME, "", NONE, "When it ended", ANY},
    {RECORD_SUPERVISION, 6, "mode", LAST, CHOICE, "in_person phone video", NONE, "How you met",
     ANY},
    {RECORD_SUPERVISION, 7, "topics", SET, TEXT, "", NONE, "What you spoke about", ANY},
    {RECORD_SUPERVISION, 8, "notes_reviewed", SET, RECORD, "", NONE, "Visits that you looked at",
     ANY},
    {RECORD_SUPERVISION, 9, "summary", NARRATIVE, PROSE, "", NONE, "In short", ANY},
    {RECORD_SUPERVISION, 10, "actions", ENTRIES, PROSE, "", NONE, "What was agreed", ANY},
    {RECORD_SUPERVISION, 11, "signatures", ENTRIES, TEXT, "", NONE, "Who signed, and when", ANY},
};

static const struct schema_field task_fields[] = {
    {RECORD_TASK, 1, "title", LAST, TEXT, "", NEW, "What is to be done", ANY},
    {RECORD_TASK, 2, "due", LAST, DATE, "", NONE, "By when", ANY},
    {RECORD_TASK, 3, "owner", LAST, PERSON, "", NONE, "Who does it", ANY},
    {RECORD_TASK, 4, "target", FIXED, RECORD, "", NONE, "The record it is about", ANY},
    {RECORD_TASK, 5, "done", RESTRICT, FLAG, "", NONE, "It is done", ANY},
};

/* What left the agency about a participant: each export writes one, and a person what was told. */
static const struct schema_field disclosure_fields[] = {
    {RECORD_DISCLOSURE, 1, "what", FIXED, TEXT, "", NEW, "What was given out", ANY},
    {RECORD_DISCLOSURE, 2, "recipient", FIXED, TEXT, "", NEW, "To whom", ANY},
    {RECORD_DISCLOSURE, 3, "purpose", FIXED, TEXT, "", NONE, "What for", ANY},
    {RECORD_DISCLOSURE, 4, "consent", FIXED, RECORD, "", NONE, "The consent that allows it", ANY},
    {RECORD_DISCLOSURE, 5, "on", FIXED, DATE, "", NEW, "When", ANY},
    {RECORD_DISCLOSURE, 6, "by", FIXED, PERSON, "", OWN, "Who gave it out", ANY},
    {RECORD_DISCLOSURE, 7, "visits", FIXED, NUMBER, "", NONE, "How many visits it covers", ANY},
};

/* A worker's own: what was worked and earned, and what a benefit allows. */
static const struct schema_field ledger_fields[] = {
    {RECORD_LEDGER, 1, "date", EXACT, DATE, "", NEW, "Day of the work, or of the pay", ANY},
    {RECORD_LEDGER, 2, "minutes", EXACT, NUMBER, "", NONE, "Minutes worked", ANY},
    {RECORD_LEDGER, 3, "earned", EXACT, TEXT, "", NONE, "What you earned, like 85.50", ANY},
    {RECORD_LEDGER, 4, "source", LAST, TEXT, "", NONE, "Who paid", ANY},
    {RECORD_LEDGER, 5, "remark", LAST, TEXT, "", NONE, "What else you want to remember", ANY},
};

static const struct schema_field limit_fields[] = {
    {RECORD_LIMIT, 1, "name", LAST, TEXT, "", NEW, "Which limit, in your words", ANY},
    {RECORD_LIMIT, 2, "per", EXACT, CHOICE, "month year", NEW, "What it is counted over", ANY},
    {RECORD_LIMIT, 3, "earned", EXACT, TEXT, "", NONE, "Most that may be earned, like 1210.00",
     ANY},
    {RECORD_LIMIT, 4, "hours", EXACT, NUMBER, "", NONE, "Most hours that may be worked", ANY},
    {RECORD_LIMIT, 5, "from", EXACT, DATE, "", NONE, "In force from", ANY},
    {RECORD_LIMIT, 6, "until", EXACT, DATE, "", NONE, "In force until", ANY},
};

/* The text says the rest: the first three are read out of it. */
static const struct schema_field rulepack_fields[] = {
    {RECORD_RULEPACK, 1, "name", FIXED, TEXT, "", NONE, "Whose rules", ANY},
    {RECORD_RULEPACK, 2, "version", FIXED, TEXT, "", NONE, "Their version", ANY},
    {RECORD_RULEPACK, 3, "effective", FIXED, DATE, "", NONE, "In force from", ANY},
    {RECORD_RULEPACK, 4, "text", FIXED, PROSE, "", NEW, "The rules, as in deploy/rules", ANY},
};

/* What was exported of a visit for billing, under the visit's id: see client/export/claim.h. */
static const struct schema_field claim_fields[] = {
    {RECORD_CLAIM, 1, "lines", ENTRIES, TEXT, "", NONE, "Each line as it was exported", ANY},
};

/* People and devices get their records from invite and join, the agency from found: no command adds
 * them. */
static const struct schema_field person_fields[] = {
    {RECORD_PERSON, 1, "number", FIXED, NUMBER, "", NEW, "The person's number in the roster", ANY},
    {RECORD_PERSON, 2, "name", LAST, TEXT, "", NEW, "The person's name", ANY},
};
static const struct schema_field device_fields[] = {
    {RECORD_DEVICE, 1, "number", FIXED, NUMBER, "", NEW, "The device's number in the roster", ANY},
    {RECORD_DEVICE, 2, "name", LAST, TEXT, "", NEW, "The device's name", ANY},
};
static const struct schema_field agency_fields[] = {
    {RECORD_AGENCY, 1, "name", LAST, TEXT, "", NEW, "The agency's name", ANY},
    {RECORD_AGENCY, AGENCY_ALIVE, "alive", LAST, NUMBER, "", NONE,
     "When an admin's device signed last, in ms since 1970", ANY},
};

#define FIELDS(name) name##_fields, sizeof name##_fields / sizeof *name##_fields

const struct schema_type schema_types[] = {
    {"participant", RECORD_PARTICIPANT, CIRCLE_CHART, 0, FIELDS(participant)},
    {"plan", RECORD_PLAN, CIRCLE_CHART, 0, FIELDS(plan)},
    {"goal", RECORD_GOAL, CIRCLE_CHART, 0, FIELDS(goal)},
    {"visit", RECORD_VISIT, CIRCLE_CHART, 0, FIELDS(visit)},
    {"resource", RECORD_RESOURCE, CIRCLE_AGENCY, 0, FIELDS(resource)},
    {"referral", RECORD_REFERRAL, CIRCLE_CHART, 0, FIELDS(referral)},
    {"concern", RECORD_CONCERN, CIRCLE_CONCERN, 0, FIELDS(concern)},
    {"consent", RECORD_CONSENT, CIRCLE_CHART, 0, FIELDS(consent)},
    {"credential", RECORD_CREDENTIAL, CIRCLE_WORK, 0, FIELDS(credential)},
    {"training", RECORD_TRAINING, CIRCLE_WORK, 0, FIELDS(training)},
    {"supervision", RECORD_SUPERVISION, CIRCLE_WORK, LEADERS, FIELDS(supervision)},
    {"task", RECORD_TASK, CIRCLE_CHART, 0, FIELDS(task)},
    {"rulepack", RECORD_RULEPACK, CIRCLE_AGENCY, LEADERS, FIELDS(rulepack)},
    {"disclosure", RECORD_DISCLOSURE, CIRCLE_CHART, 0, FIELDS(disclosure)},
    {"ledger", RECORD_LEDGER, CIRCLE_PERSON, 0, FIELDS(ledger)},
    {"limit", RECORD_LIMIT, CIRCLE_PERSON, 0, FIELDS(limit)},
};
const size_t schema_type_count = sizeof schema_types / sizeof *schema_types;

const struct schema_type schema_inner_types[] = {
    {"person", RECORD_PERSON, CIRCLE_AGENCY, 0, FIELDS(person)},
    {"device", RECORD_DEVICE, CIRCLE_AGENCY, 0, FIELDS(device)},
    {"agency", RECORD_AGENCY, CIRCLE_AGENCY, 0, FIELDS(agency)},
    {"claim", RECORD_CLAIM, CIRCLE_CHART, 0, FIELDS(claim)},
};
const size_t schema_inner_type_count = sizeof schema_inner_types / sizeof *schema_inner_types;
