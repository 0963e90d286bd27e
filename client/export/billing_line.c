/* SPDX-License-Identifier: Apache-2.0 */
/* What a line of the billing export says of a visit. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/export/billing.h"
#include "client/fields.h"
#include "protocol/seal.h"

#define CELL_MAX           512
#define MODIFIERS_MAX      4
#define MODIFIERS_READ_MAX 16
#define GOAL_CHARS         10
#define CLOCK_PLACE        11 /* of HH:MM in a stored time */
#define CLOCK_CHARS        5
#define MS_OF_SECOND       1000

/* A line in the making. */
struct filler {
    const struct billing_source *source;
    struct billing_line *line;
    char warnings[CELL_MAX];
    enum kith_err err;
};

__attribute__((format(printf, 3, 4))) static void put(struct filler *filler,
                                                      enum billing_column column,
                                                      const char *format, ...)
{
    char text[CELL_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    filler->line->cells[column] = chart_text(filler->source->arena, bytes_text(text), &filler->err);
}

static void put_bytes(struct filler *filler, enum billing_column column, struct bytes text)
{
    filler->line->cells[column] = chart_text(filler->source->arena, text, &filler->err);
}

static void warn(struct filler *filler, const char *text)
{
    size_t len = strlen(filler->warnings);

    (void)snprintf(filler->warnings + len, sizeof filler->warnings - len, "%s%s", len ? "; " : "",
                   text);
}

static struct bytes fact(const struct filler *filler, uint32_t field)
{
    return visit_text(filler->source->visit, RECORD_VISIT, field);
}

const char *billing_tenths(struct arena *arena, int64_t tenths, enum kith_err *err)
{
    char text[32];

    (void)snprintf(text, sizeof text, tenths % 10 ? "%" PRId64 ".%" PRId64 : "%" PRId64,
                   tenths / 10, tenths % 10);
    return chart_text(arena, bytes_text(text), err);
}

/* Who was visited. */
static void fill_participant(struct filler *filler)
{
    const struct chart_facts *chart = filler->source->work->chart;
    const char **cells = filler->line->cells;

    put(filler, BILLING_participant_local_id, "%.*s", chart->local_code[0] ? CELL_MAX : GOAL_CHARS,
        chart->local_code[0] ? chart->local_code : chart->id);
    cells[BILLING_medicaid_id] = chart->medicaid_id;
    cells[BILLING_last_name] = chart->last_name;
    cells[BILLING_first_name] = chart->first_name;
    cells[BILLING_dob] = chart->dob;
    cells[BILLING_sex] = chart->sex;
    cells[BILLING_payer_id] = chart->payer_id;
    for (size_t i = 0; i < chart->diagnosis_count; i++)
        cells[BILLING_diagnosis_1 + i] = chart->diagnoses[i];
    put(filler, BILLING_diagnosis_pointer, "%.*s", (int)chart->diagnosis_count, "ABCD");
    if (!chart->medicaid_id[0])
        warn(filler, "no Medicaid number");
    if (chart->diagnosis_count == 0)
        warn(filler, "no diagnosis code");
}

static void fill_authorization(struct filler *filler)
{
    const struct unit_work *work = filler->source->work;
    const struct chart_plan *plan = chart_authorization(work->chart, work->shown.date);

    for (const struct chart_plan *any = work->chart->plans; any; any = any->next)
        if (any->ordering_npi[0] && strcmp(any->status, "ended") != 0)
            filler->line->cells[BILLING_ordering_npi] = any->ordering_npi;
    if (!plan)
        return;
    filler->line->cells[BILLING_prior_auth_no] = plan->authorization_no;
    if (plan->ordering_npi[0])
        filler->line->cells[BILLING_ordering_npi] = plan->ordering_npi;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_among(const char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

static bool is_word(struct bytes text, const char *word)
{
    return bytes_equal(text, bytes_text(word));
}

static bool is_group(const struct filler *filler)
{
    struct wire_in in =
        wire_open(visit_value(filler->source->visit, RECORD_VISIT, VISIT_GROUP_SIZE));

    return fact(filler, VISIT_GROUP).len > 0 ||
           (wire_peek(&in) == WIRE_INT && wire_uint(&in, UINT32_MAX) > 1);
}

static bool is_trainee(const struct filler *filler)
{
    const struct visit *visit = filler->source->visit;
    const struct roster *roster = replica_roster(filler->source->kith->replica);

    return (roster_roles_at(roster, visit->specialist, visit->life.sign->roster_seq) &
            ROLE_TRAINEE) != 0;
}

/* Modifiers that follow from what the visit was, as the rules name them. */
static size_t add_derived(const struct filler *filler, const char **modifiers, size_t count)
{
    const struct unit_work *work = filler->source->work;
    struct bytes mode = fact(filler, VISIT_MODE);
    const struct {
        const char *name;
        bool applies;
    } derived[] = {
        {"group", is_group(filler)},
        {"phone", is_word(mode, "phone")},
        {"video", is_word(mode, "video")},
        {"MH", strcmp(work->chart->programme, "MH") == 0},
        {"SUD", strcmp(work->chart->programme, "SUD") == 0},
        {"trainee", is_trainee(filler)},
    };

    for (size_t i = 0; i < sizeof derived / sizeof *derived; i++) {
        const char *code = rules_entry(work->rules, RULES_MODIFIER, bytes_text(derived[i].name));
        if (derived[i].applies && code && count < MODIFIERS_READ_MAX &&
            !is_among(modifiers, count, code))
            modifiers[count++] = code;
    }
    return count;
}

static void fill_modifiers(struct filler *filler)
{
    const char *modifiers[MODIFIERS_READ_MAX] = {NULL};
    size_t count = 0;
    uint32_t elements;
    const struct merge_register *regs =
        record_field(&filler->source->visit->facts, VISIT_MODIFIERS, &elements);

    for (uint32_t i = 0; i < elements && count < MODIFIERS_READ_MAX; i++)
        if (regs[i].live_count > 0)
            modifiers[count++] =
                chart_text(filler->source->arena, value_text(regs[i].element), &filler->err);
    qsort(modifiers, count, sizeof *modifiers, compare_texts);
    count = add_derived(filler, modifiers, count);
    for (size_t i = 0; i < count; i++) {
        if (i < MODIFIERS_MAX)
            filler->line->cells[BILLING_mod1 + i] = modifiers[i];
        if (!rules_list_has(filler->source->work->rules->modifiers, bytes_text(modifiers[i])))
            warn(filler, "a modifier that these rules do not know");
    }
    if (count > MODIFIERS_MAX)
        warn(filler, "more than four modifiers");
}

static void put_clock(struct filler *filler, enum billing_column column, struct bytes time)
{
    struct bytes clock = bytes_after(time, CLOCK_PLACE);

    clock.len = clock.len < CLOCK_CHARS ? clock.len : CLOCK_CHARS;
    put_bytes(filler, column, clock);
}

/* What was done, when and where. */
static void fill_service(struct filler *filler)
{
    const struct unit_work *work = filler->source->work;
    struct bytes mode = fact(filler, VISIT_MODE);
    const char *place = rules_place(work->rules, fact(filler, VISIT_PLACE));
    struct wire_in size =
        wire_open(visit_value(filler->source->visit, RECORD_VISIT, VISIT_GROUP_SIZE));
    uint64_t group_size = wire_peek(&size) == WIRE_INT ? wire_uint(&size, UINT32_MAX) : 0;

    filler->line->cells[BILLING_service_date] = work->shown.date;
    filler->line->cells[BILLING_procedure_code] = work->shown.code;
    filler->line->cells[BILLING_place_of_service] = place ? place : "";
    if (!place)
        warn(filler, "no code for this place");
    put_clock(filler, BILLING_start_time, fact(filler, VISIT_START));
    put_clock(filler, BILLING_end_time, bytes_text(work->line_end));
    put(filler, BILLING_telehealth_flag, "%s",
        is_word(mode, "phone") || is_word(mode, "video") ? "Y" : "N");
    if (group_size > 0)
        put(filler, BILLING_group_size, "%" PRIu64, group_size);
    if (work->rules->group_size_max > 0 && group_size > work->rules->group_size_max)
        warn(filler, "more in the group than these rules allow");
    fill_modifiers(filler);
}

static void fill_units(struct filler *filler)
{
    const struct unit_work *work = filler->source->work;
    int64_t tenths = work->shown.units_tenths;
    int64_t cents = rules_charge(work->rules, bytes_text(work->shown.code), tenths);

    put(filler, BILLING_minutes, "%" PRId64, work->line_minutes);
    filler->line->cells[BILLING_units] =
        billing_tenths(filler->source->arena, tenths, &filler->err);
    if (cents >= 0)
        put(filler, BILLING_charge, "%" PRId64 ".%02d", cents / 100, (int)(cents % 100));
    if (work->is_over_limit)
        warn(filler, "more units on this day than these rules allow");
    filler->line->cells[BILLING_rule_pack_version] = work->shown.rules;
    filler->line->cells[BILLING_agency_npi] = work->rules->agency_npi;
    filler->line->cells[BILLING_billing_tax_id] = work->rules->tax_id;
}

/* Who did it, and who answers for it. */
static void fill_staff(struct filler *filler)
{
    const struct billing_source *source = filler->source;
    const struct roster_person *author =
        roster_person(replica_roster(source->kith->replica), source->visit->specialist);
    uint32_t supervisor = author ? author->supervisor : 0;

    filler->line->cells[BILLING_rendering_name] = source->work->shown.person;
    filler->line->cells[BILLING_rendering_npi] =
        staff_npi(source->staff, source->visit->specialist);
    filler->line->cells[BILLING_supervisor_npi] = staff_npi(source->staff, supervisor);
    put_bytes(filler, BILLING_rendering_credential, source->visit->life.sign->credential);
    if (source->work->rules->credential == CREDENTIAL_WARN &&
        staff_knows(source->staff, source->visit->specialist) &&
        !staff_is_credentialed(source->staff, source->visit->specialist,
                               source->work->rules->credential_kinds, source->work->shown.date))
        warn(filler, "no valid credential on that day");
}

static void put_moment(struct filler *filler, enum billing_column column,
                       const struct note_step *step)
{
    time_t seconds = step ? (time_t)(step->time_ms / MS_OF_SECOND) : 0;
    char text[MOMENT_TEXT_MAX];
    struct tm moment;

    if (!step || !gmtime_r(&seconds, &moment))
        return;
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &moment);
    put(filler, column, "%s", text);
}

static void fill_goals(struct filler *filler)
{
    uint32_t count;
    const struct merge_register *regs =
        record_field(&filler->source->visit->note, NOTE_GOALS, &count);
    char text[CELL_MAX] = "";
    char id[KITH_ID_TEXT];

    for (uint32_t i = 0; i < count; i++) {
        struct wire_in in = wire_open(regs[i].element);
        struct bytes goal = wire_bin(&in, ID_BYTES);
        size_t len = strlen(text);
        if (regs[i].live_count == 0 || goal.len != ID_BYTES)
            continue;
        id_write(goal.ptr, id);
        (void)snprintf(text + len, sizeof text - len, "%s%.*s", len ? " " : "", GOAL_CHARS, id);
    }
    put(filler, BILLING_goal_codes, "%s", text);
}

/* What the note is, and what allows the line. */
static void fill_note(struct filler *filler)
{
    const struct billing_source *source = filler->source;
    const struct note_life *life = &source->visit->life;
    char hash[2 * HASH_BYTES + 1];

    filler->line->cells[BILLING_note_status] = note_state_word(life->state);
    put_moment(filler, BILLING_signed_at, life->sign);
    put_moment(filler, BILLING_cosigned_at, life->cosign);
    bytes_hex(bytes_of(life->version, HASH_BYTES), hash);
    put(filler, BILLING_note_hash, "%s", hash);
    filler->line->cells[BILLING_part2_flag] = source->work->chart->is_part2 ? "Y" : "N";
    filler->line->cells[BILLING_consent_id] = source->consent ? source->consent->id : "";
    if (!source->work->is_on_time)
        warn(filler, "late entry");
    fill_goals(filler);
}

enum kith_err billing_fill(const struct billing_source *source, struct billing_line *line)
{
    struct filler filler = {.source = source, .line = line};

    for (size_t i = 0; i < BILLING_COLUMN_COUNT; i++)
        line->cells[i] = "";
    line->cells[BILLING_export_version] = BILLING_VERSION;
    line->cells[BILLING_claim_line_id] = source->work->shown.id;
    if (home_is_practice(source->kith)) {
        line->cells[BILLING_export_version] = BILLING_PRACTICE;
        warn(&filler, "PRACTICE: this is no claim");
    }
    fill_participant(&filler);
    fill_authorization(&filler);
    fill_service(&filler);
    fill_units(&filler);
    fill_staff(&filler);
    fill_note(&filler);
    put(&filler, BILLING_warnings, "%s", filler.warnings);
    return filler.err;
}

void billing_print(const struct billing_line *line, char print[static CLAIM_PRINT_HEX + 1])
{
    static const bool is_claimed[] = {
#define BILLING_COLUMN(name, is_claimed) (is_claimed) != 0,
        BILLING_COLUMNS(BILLING_COLUMN)
#undef BILLING_COLUMN
    };
    struct bytes parts[2 * BILLING_COLUMN_COUNT];
    uint8_t hash[HASH_BYTES];
    size_t count = 0;

    /* The zero behind each text separates them. */
    for (size_t i = 0; i < BILLING_COLUMN_COUNT; i++)
        if (is_claimed[i])
            parts[count++] = bytes_of(line->cells[i], strlen(line->cells[i]) + 1);
    seal_hash(SEAL_CLAIM_PRINT, parts, count, hash);
    bytes_hex(bytes_of(hash, CLAIM_PRINT_HEX / 2), print);
}
