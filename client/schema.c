/* SPDX-License-Identifier: Apache-2.0 */
#include "client/schema.h"

#include <stdio.h>
#include <string.h>

#include "client/moment.h"
#include "protocol/invite.h"

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

/* record, number, name, class, kind, choices, required, help */
static const struct schema_field participant_fields[] = {
    {RECORD_PARTICIPANT, 1, "name", EXACT, TEXT, "", true, "Full name, as on the insurance card"},
    {RECORD_PARTICIPANT, 2, "preferred_name", LAST, TEXT, "", false,
     "What the person likes to be called"},
    {RECORD_PARTICIPANT, 3, "pronouns", LAST, TEXT, "", false, "The person's pronouns"},
    {RECORD_PARTICIPANT, 4, "dob", EXACT, DATE, "", false, "Date of birth"},
    {RECORD_PARTICIPANT, 5, "medicaid_id", EXACT, TEXT, "", false, "Medicaid number"},
    {RECORD_PARTICIPANT, 6, "payer_id", EXACT, TEXT, "", false, "Payer"},
    {RECORD_PARTICIPANT, 7, "phone", SET, TEXT, "", false, "Phone numbers"},
    {RECORD_PARTICIPANT, 8, "address", LAST, TEXT, "", false,
     "Where the person lives or can be found"},
    {RECORD_PARTICIPANT, 9, "do_not_contact", RESTRICT, FLAG, "", false,
     "Contact could put the person at risk"},
    {RECORD_PARTICIPANT, 10, "language", LAST, TEXT, "", false, "Preferred language"},
    {RECORD_PARTICIPANT, 11, "emergency_contacts", SET, TEXT, "", false, "Whom to call, and how"},
    {RECORD_PARTICIPANT, 12, "programme", EXACT, CHOICE, "MH SUD both", false, "Programme"},
    {RECORD_PARTICIPANT, 13, "part2", RESTRICT, FLAG, "", false,
     "42 CFR Part 2 protects this record"},
    {RECORD_PARTICIPANT, 14, "care_team", SET, TEXT, "", false, "Others who care for the person"},
    {RECORD_PARTICIPANT, 15, "preferences", SET, TEXT, "", false,
     "What the person prefers or declines"},
    {RECORD_PARTICIPANT, 16, "alerts", SET, TEXT, "", false, "Allergies and alerts"},
    {RECORD_PARTICIPANT, 17, "crisis_plan", NARRATIVE, PROSE, "", false,
     "The crisis plan, in the person's words"},
    {RECORD_PARTICIPANT, 18, "engagement", LAST, CHOICE,
     "engaged outreach treatment needs_treatment discharged", false,
     "Where the person stands with services"},
    {RECORD_PARTICIPANT, 19, "local_code", FIXED, TEXT, "", false,
     "The agency's own number for the person"},
};

static const struct schema_field plan_fields[] = {
    {RECORD_PLAN, 1, "kind", FIXED, CHOICE, "service wrap crisis", true, "Kind of plan"},
    {RECORD_PLAN, 2, "effective_from", EXACT, DATE, "", false, "First day"},
    {RECORD_PLAN, 3, "effective_to", EXACT, DATE, "", false, "Last day"},
    {RECORD_PLAN, 4, "strengths", NARRATIVE, PROSE, "", false, "The person's strengths"},
    {RECORD_PLAN, 5, "narrative", NARRATIVE, PROSE, "", false, "The plan, in words"},
    {RECORD_PLAN, 6, "authorization_no", EXACT, TEXT, "", false, "Payer's authorization number"},
    {RECORD_PLAN, 7, "authorized_units", EXACT, NUMBER, "", false, "Units authorized"},
    {RECORD_PLAN, 8, "auth_from", EXACT, DATE, "", false, "Authorized from"},
    {RECORD_PLAN, 9, "auth_to", EXACT, DATE, "", false, "Authorized to"},
};

static const struct schema_field goal_fields[] = {
    {RECORD_GOAL, 1, "plan", FIXED, RECORD, "", false, "The plan it belongs to"},
    {RECORD_GOAL, 2, "text", NARRATIVE, PROSE, "", true, "The goal in the person's own words"},
    {RECORD_GOAL, 3, "domain", LAST, CHOICE,
     "health home work school money relationships community spirituality recovery", false,
     "Area of life"},
    {RECORD_GOAL, 4, "objectives", NARRATIVE, PROSE, "", false, "Steps toward it"},
    {RECORD_GOAL, 5, "skills", SET, TEXT, "", false, "Skills that it needs"},
    {RECORD_GOAL, 6, "stage", LAST, CHOICE,
     "precontemplation contemplation preparation action maintenance", false, "Stage of change"},
    {RECORD_GOAL, 7, "status", LAST, CHOICE, "open met paused closed", false, "Status"},
    {RECORD_GOAL, 8, "closed_reason", LAST, TEXT, "", false, "Why it was closed"},
    {RECORD_GOAL, 9, "target_date", LAST, DATE, "", false, "Hoped-for date"},
    {RECORD_GOAL, 10, "progress", ENTRIES, PROSE, "", false, "Progress, one entry at a time"},
};

static const struct schema_field visit_fields[] = {
    {RECORD_VISIT, 1, "specialist", FIXED, PERSON, "", false,
     "Who made the visit (you, unless you say otherwise)"},
    {RECORD_VISIT, 2, "date", EXACT, DATE, "", true, "Day of the visit"},
    {RECORD_VISIT, 3, "start", EXACT, TIME, "", false, "When it began"},
    {RECORD_VISIT, 4, "end", EXACT, TIME, "", false, "When it ended"},
    {RECORD_VISIT, 5, "interruptions", SET, TEXT, "", false, "Interruptions, as 14:20-14:35"},
    {RECORD_VISIT, 6, "code", EXACT, TEXT, "", false, "Service code"},
    {RECORD_VISIT, 7, "modifiers", SET, TEXT, "", false, "Code modifiers"},
    {RECORD_VISIT, 8, "place", EXACT, CHOICE,
     "home shelter clinic office community school jail hospital telehealth other", false,
     "Where it took place"},
    {RECORD_VISIT, 9, "mode", EXACT, CHOICE, "in_person phone video", false, "How you met"},
    {RECORD_VISIT, 10, "location_detail", LAST, TEXT, "", false, "More about the place"},
    {RECORD_VISIT, 11, "group_id", FIXED, TEXT, "", false,
     "Group session, the same for all who took part"},
    {RECORD_VISIT, 12, "group_size", EXACT, NUMBER, "", false, "How many took part"},
    {RECORD_VISIT, 13, "contact_result", EXACT, CHOICE, "done no_show refused cancelled", false,
     "How it went"},
    {RECORD_VISIT, 14, "participant_agreed", LAST, FLAG, "", false,
     "The person was there and agrees with the note"},
    {RECORD_NOTE, 1, "goals", SET, RECORD, "", false, "Goals that were worked on"},
    {RECORD_NOTE, 2, "interventions", SET, CHOICE,
     "shared_lived_experience motivational_interviewing problem_solving skills_practice linkage "
     "advocacy "
     "wellness_planning crisis_support engagement",
     false, "What kind of support you gave"},
    {RECORD_NOTE, 3, "skills_practised", SET, TEXT, "", false,
     "Skills practised, and whether they helped"},
    {RECORD_NOTE, 4, "purpose", NARRATIVE, PROSE, "", false, "Why you met"},
    {RECORD_NOTE, 5, "what_was_done", NARRATIVE, PROSE, "", false, "What you did together"},
    {RECORD_NOTE, 6, "response", NARRATIVE, PROSE, "", false, "How the person responded"},
    {RECORD_NOTE, 7, "barriers", NARRATIVE, PROSE, "", false, "What stood in the way"},
    {RECORD_NOTE, 8, "plan_next", NARRATIVE, PROSE, "", false, "What comes next"},
    {RECORD_NOTE, 9, "follow_up_due", LAST, DATE, "", false, "Follow up by"},
    {RECORD_NOTE, 10, "risk", RESTRICT, CHOICE, "none concern urgent", false,
     "Was there a safety concern?"},
    {RECORD_NOTE, 11, "self_rating", LAST, NUMBER, "", false, "The person's own rating, 0 to 10"},
    {RECORD_NOTE, 12, "language_used", LAST, TEXT, "", false, "Language you spoke"},
};

static const struct schema_field resource_fields[] = {
    {RECORD_RESOURCE, 1, "name", LAST, TEXT, "", true, "Name of the place or group"},
    {RECORD_RESOURCE, 2, "categories", SET, TEXT, "", false, "What it is for"},
    {RECORD_RESOURCE, 3, "address", LAST, TEXT, "", false, "Address"},
    {RECORD_RESOURCE, 4, "phone", LAST, TEXT, "", false, "Phone"},
    {RECORD_RESOURCE, 5, "times", SET, TEXT, "", false, "Opening or meeting times"},
    {RECORD_RESOURCE, 6, "eligibility", LAST, TEXT, "", false, "Who may come"},
    {RECORD_RESOURCE, 7, "last_verified", LAST, DATE, "", false, "When somebody last checked this"},
    {RECORD_RESOURCE, 8, "status", RESTRICT, CHOICE, "proposed approved closed", false, "Status"},
    {RECORD_RESOURCE, 9, "notes", NARRATIVE, PROSE, "", false, "What else is good to know"},
};

static const struct schema_field referral_fields[] = {
    {RECORD_REFERRAL, 1, "resource", FIXED, TEXT, "", true, "Where to"},
    {RECORD_REFERRAL, 2, "reason", NARRATIVE, PROSE, "", false, "Why"},
    {RECORD_REFERRAL, 3, "steps", ENTRIES, CHOICE, "offered accepted scheduled attended declined",
     false, "What has happened so far"},
    {RECORD_REFERRAL, 4, "outcome", NARRATIVE, PROSE, "", false, "How it turned out"},
    {RECORD_REFERRAL, 5, "due", LAST, DATE, "", false, "Follow up by"},
};

static const struct schema_field consent_fields[] = {
    {RECORD_CONSENT, 1, "scope", FIXED, TEXT, "", true, "What may be shared"},
    {RECORD_CONSENT, 2, "purpose", FIXED, TEXT, "", true, "What for"},
    {RECORD_CONSENT, 3, "recipients", FIXED, TEXT, "", true, "With whom"},
    {RECORD_CONSENT, 4, "expires", FIXED, DATE, "", false, "Until when"},
    {RECORD_CONSENT, 5, "signed_on", FIXED, DATE, "", true, "When the person signed"},
    {RECORD_CONSENT, 6, "revoked", RESTRICT, FLAG, "", false, "The person took it back"},
    {RECORD_CONSENT, 7, "revoked_text", ENTRIES, PROSE, "", false,
     "How and when it was taken back"},
};

/* People and devices get their records from invite and join, the agency from found: no command adds
 * them. */
static const struct schema_field person_fields[] = {
    {RECORD_PERSON, 1, "number", FIXED, NUMBER, "", true, "The person's number in the roster"},
    {RECORD_PERSON, 2, "name", LAST, TEXT, "", true, "The person's name"},
};
static const struct schema_field device_fields[] = {
    {RECORD_DEVICE, 1, "number", FIXED, NUMBER, "", true, "The device's number in the roster"},
    {RECORD_DEVICE, 2, "name", LAST, TEXT, "", true, "The device's name"},
};
static const struct schema_field agency_fields[] = {
    {RECORD_AGENCY, 1, "name", LAST, TEXT, "", true, "The agency's name"},
};

#define FIELDS(name) name##_fields, sizeof name##_fields / sizeof *name##_fields

static const struct schema_type types[] = {
    {"participant", RECORD_PARTICIPANT, CIRCLE_CHART, FIELDS(participant)},
    {"plan", RECORD_PLAN, CIRCLE_CHART, FIELDS(plan)},
    {"goal", RECORD_GOAL, CIRCLE_CHART, FIELDS(goal)},
    {"visit", RECORD_VISIT, CIRCLE_CHART, FIELDS(visit)},
    {"resource", RECORD_RESOURCE, CIRCLE_AGENCY, FIELDS(resource)},
    {"referral", RECORD_REFERRAL, CIRCLE_CHART, FIELDS(referral)},
    {"consent", RECORD_CONSENT, CIRCLE_CHART, FIELDS(consent)},
};
#define TYPE_COUNT (sizeof types / sizeof *types)

static const struct schema_type inner_types[] = {
    {"person", RECORD_PERSON, CIRCLE_AGENCY, FIELDS(person)},
    {"device", RECORD_DEVICE, CIRCLE_AGENCY, FIELDS(device)},
    {"agency", RECORD_AGENCY, CIRCLE_AGENCY, FIELDS(agency)},
};

const struct schema_type *schema_type(const char *word)
{
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (strcmp(types[i].word, word) == 0)
            return &types[i];
    for (size_t i = 0; i < sizeof inner_types / sizeof *inner_types; i++)
        if (strcmp(inner_types[i].word, word) == 0)
            return &inner_types[i];
    return NULL;
}

const struct schema_field *schema_field(const struct schema_type *type, const char *name)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (strcmp(type->fields[i].name, name) == 0)
            return &type->fields[i];
    return NULL;
}

const struct schema_field *schema_field_numbered(const struct schema_type *type, uint32_t record,
                                                 uint32_t number)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (type->fields[i].record == record && type->fields[i].number == number)
            return &type->fields[i];
    return NULL;
}

const char *merge_class_word(enum merge_class class)
{
    static const char *const words[] = {
        [MERGE_LAST] = "last",           [MERGE_SET] = "set",     [MERGE_RESTRICT] = "restrict",
        [MERGE_NARRATIVE] = "narrative", [MERGE_EXACT] = "exact", [MERGE_FIXED] = "fixed",
        [MERGE_ENTRIES] = "entries",
    };
    return words[class];
}

const char *field_kind_word(enum field_kind kind)
{
    static const char *const words[] = {
        [FIELD_TEXT] = "text",     [FIELD_PROSE] = "prose",   [FIELD_DATE] = "date",
        [FIELD_TIME] = "time",     [FIELD_NUMBER] = "number", [FIELD_FLAG] = "flag",
        [FIELD_CHOICE] = "choice", [FIELD_PERSON] = "person", [FIELD_RECORD] = "record",
    };
    return words[kind];
}

/* The place of a word in a list of words; -1 if it is not there. */
static int choice_index(const char *choices, struct bytes word)
{
    int index = 0;

    for (const char *at = choices; *at; index++) {
        size_t len = strcspn(at, " ");
        if (bytes_equal(word, bytes_of(at, len)))
            return index;
        at += len + (at[len] == ' ');
    }
    return -1;
}

static bool parse_number(const char *text, uint64_t *number)
{
    *number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || *number > UINT32_MAX)
            return false;
        *number = *number * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

static enum kith_err refuse(char why[static SCHEMA_WHY_MAX], const struct schema_field *field,
                            const char *expected)
{
    (void)snprintf(why, SCHEMA_WHY_MAX, "%s: expected %s", field->name, expected);
    return KITH_INPUT;
}

static enum kith_err encode_text(const struct schema_field *field, const char *text,
                                 struct buffer *out, char *why)
{
    struct bytes bytes = bytes_text(text);

    if (!wire_is_utf8(bytes))
        return refuse(why, field, "text in UTF-8");
    if (field->kind == FIELD_TEXT && strpbrk(text, "\r\n"))
        return refuse(why, field, "one line of text");
    if (bytes.len > NARRATIVE_MAX)
        return refuse(why, field, "at most 16 KiB of text");
    wire_put_text(out, bytes);
    return out->err;
}

static enum kith_err encode_flag(const struct schema_field *field, const char *text,
                                 struct buffer *out, char *why)
{
    bool is_yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    bool is_no = strcmp(text, "no") == 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;

    if (!is_yes && !is_no)
        return refuse(why, field, "yes or no");
    wire_put_bool(out, is_yes);
    return out->err;
}

static enum kith_err encode_choice(const struct schema_field *field, const char *text,
                                   struct buffer *out, char *why)
{
    if (choice_index(field->choices, bytes_text(text)) < 0) {
        (void)snprintf(why, SCHEMA_WHY_MAX, "%s: expected one of: %s", field->name, field->choices);
        return KITH_INPUT;
    }
    wire_put_text(out, bytes_text(text));
    return out->err;
}

static enum kith_err encode_record(const struct schema_field *field, const char *text,
                                   struct buffer *out, char *why)
{
    uint8_t id[ID_BYTES];
    unsigned bits;

    if (id_read_prefix(text, id, &bits) || bits < ID_BYTES * 8)
        return refuse(why, field, "a record's whole id");
    wire_put_bin(out, bytes_of(id, ID_BYTES));
    return out->err;
}

enum kith_err schema_encode(const struct schema_field *field, const char *text,
                            const struct schema_names *names, uint64_t now_ms, struct buffer *out,
                            char why[static SCHEMA_WHY_MAX])
{
    char moment[MOMENT_TEXT_MAX];
    uint32_t person;
    uint64_t number;

    if (!*text) {
        wire_put_nil(out);
        return out->err;
    }
    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_PROSE:
        return encode_text(field, text, out, why);
    case FIELD_DATE:
        if (!moment_read_date(text, now_ms, moment))
            return refuse(why, field, "a date like 2026-03-02, today or yesterday");
        wire_put_text(out, bytes_text(moment));
        return out->err;
    case FIELD_TIME:
        if (!moment_read_time(text, now_ms, moment))
            return refuse(why, field,
                          "a time like 14:05, yesterday 14:05 or 2026-03-02T14:05-05:00");
        wire_put_text(out, bytes_text(moment));
        return out->err;
    case FIELD_NUMBER:
        if (!parse_number(text, &number))
            return refuse(why, field, "a whole number");
        wire_put_uint(out, number);
        return out->err;
    case FIELD_FLAG:
        return encode_flag(field, text, out, why);
    case FIELD_CHOICE:
        return encode_choice(field, text, out, why);
    case FIELD_PERSON:
        if (!names->person_number(names->owner, text, &person))
            return refuse(why, field, "a person's name or number");
        wire_put_uint(out, person);
        return out->err;
    case FIELD_RECORD:
        return encode_record(field, text, out, why);
    }
    return KITH_INPUT;
}

static const char *arena_text(struct arena *arena, struct bytes text)
{
    char *copy = arena_take(arena, text.len + 1);

    if (copy && text.len)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

static const char *show_hex(struct arena *arena, struct bytes value)
{
    char *text = arena_take(arena, value.len * 2 + 1);

    for (size_t i = 0; text && i < value.len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", value.ptr[i]);
    return text;
}

static const char *show_number(struct arena *arena, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    return arena_text(arena, bytes_text(text));
}

static const char *show_bin(struct arena *arena, struct bytes bin, struct bytes value)
{
    char text[ID_TEXT_CHARS + 1];

    if (bin.len != ID_BYTES)
        return show_hex(arena, value);
    id_write(bin.ptr, text);
    return arena_text(arena, bytes_text(text));
}

enum kith_err schema_show(const struct schema_field *field, struct bytes value,
                          const struct schema_names *names, struct arena *arena,
                          struct kith_value *shown)
{
    struct wire_in in = wire_open(value);

    shown->kind = KITH_TEXT;
    switch (wire_peek(&in)) {
    case WIRE_TEXT:
        shown->text = arena_text(arena, wire_text(&in, VALUE_MAX));
        break;
    case WIRE_INT:
        shown->number = wire_int(&in);
        shown->kind = KITH_NUMBER;
        if (field->kind == FIELD_PERSON && shown->number >= 0 && shown->number <= PERSON_MAX) {
            shown->kind = KITH_TEXT;
            shown->text = arena_text(
                arena, bytes_text(names->person_name(names->owner, (uint32_t)shown->number)));
        } else {
            shown->text = show_number(arena, shown->number);
        }
        break;
    case WIRE_BOOL:
        shown->number = wire_bool(&in);
        shown->kind = KITH_FLAG;
        shown->text = shown->number ? "yes" : "no";
        break;
    case WIRE_NIL:
        shown->text = "";
        break;
    case WIRE_BIN:
        shown->text = show_bin(arena, wire_bin(&in, VALUE_MAX), value);
        break;
    case WIRE_NONE:
    case WIRE_ARRAY:
    case WIRE_MAP:
        shown->text = show_hex(arena, value);
        break;
    }
    return shown->text ? KITH_OK : KITH_MEMORY;
}

int schema_rank(const struct schema_field *field, struct bytes value)
{
    struct wire_in in = wire_open(value);

    switch (wire_peek(&in)) {
    case WIRE_BOOL:
        return wire_bool(&in);
    case WIRE_TEXT:
        return choice_index(field->choices, wire_text(&in, VALUE_MAX));
    case WIRE_NIL:
    case WIRE_INT:
    case WIRE_BIN:
    case WIRE_ARRAY:
    case WIRE_MAP:
    case WIRE_NONE:
        break;
    }
    return -1;
}

const char *const *kith_schema_types(void)
{
    static const char *const words[] = {"participant", "plan",     "goal",    "visit",
                                        "resource",    "referral", "consent", NULL};
    _Static_assert(sizeof words / sizeof *words == TYPE_COUNT + 1, "every type is listed");
    return words;
}

const struct kith_schema_field *kith_schema_fields(const char *word, size_t *count)
{
    /* Filled on first use from the table above; the content never changes. */
    static struct kith_schema_field shown[TYPE_COUNT][64];
    const struct schema_type *type = schema_type(word);

    *count = 0;
    if (!type || type < types || type >= types + TYPE_COUNT)
        return NULL;
    struct kith_schema_field *fields = shown[type - types];
    for (size_t i = 0; i < type->field_count; i++)
        fields[i] = (struct kith_schema_field){
            .name = type->fields[i].name,
            .record = type->fields[i].record,
            .number = type->fields[i].number,
            .kind = field_kind_word(type->fields[i].kind),
            .class = merge_class_word(type->fields[i].class),
            .choices = type->fields[i].choices,
            .help = type->fields[i].help,
            .is_required = type->fields[i].is_required,
        };
    *count = type->field_count;
    return fields;
}
