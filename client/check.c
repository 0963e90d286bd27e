/* SPDX-License-Identifier: Apache-2.0 */
#include "client/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/moment.h"
#include "client/rulebook.h"
#include "protocol/hlc.h"
#include "protocol/invite.h"

#define LACK_TEXT_MAX       320
#define VISIT_HOURS_MAX     24
#define MS_OF_HOUR          3600000
#define MS_OF_MINUTE        60000
#define CREDENTIAL_PART_MAX 80

static const char *copy_text(struct lacks *lacks, const char *text)
{
    char *copy = arena_take(lacks->arena, strlen(text) + 1);

    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    else
        lacks->err = KITH_MEMORY;
    return copy ? copy : "";
}

__attribute__((format(printf, 5, 6))) static void add(struct lacks *lacks, const char *kind,
                                                      const char *field, bool is_blocking,
                                                      const char *format, ...)
{
    char text[LACK_TEXT_MAX];
    va_list args;

    if (lacks->count == LACKS_MAX)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lacks->items[lacks->count++] =
        (struct kith_lack){kind, field, copy_text(lacks, text), is_blocking};
}

static const struct record *record_of(const struct visit *visit, const struct schema_field *field)
{
    return field->record == RECORD_VISIT ? &visit->facts : &visit->note;
}

static bool is_word(struct bytes text, const char *word)
{
    return bytes_equal(text, bytes_text(word));
}

/* Whether the contact took place, as far as the visit says. */
static bool is_done(const struct visit *visit)
{
    struct bytes result = visit_text(visit, RECORD_VISIT, VISIT_RESULT);

    return result.len == 0 || is_word(result, "done");
}

static bool note_goal(void *owner, const struct found_record *found)
{
    (void)found;
    *(bool *)owner = true;
    return false;
}

static bool has_goals(struct kith *kith, const struct visit *visit, enum kith_err *err)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    bool is_there = false;

    *err = replica_each(&txn, RECORD_GOAL, visit->place.circle, note_goal, &is_there);
    store_abort(&txn);
    return is_there;
}

/* What the signature of a visit is measured by. */
struct measure {
    const struct visit *visit;
    const struct rules *rules; /* may ask for more than the schema */
    bool has_goals;            /* the chart has */
    bool is_billed;            /* somebody pays */
};

static bool is_asked(const struct measure *measure, const struct schema_field *field)
{
    const struct visit *visit = measure->visit;

    if (field->flags & FIELD_IS_BILLED && !measure->is_billed)
        return false;
    if (rules_require(measure->rules, field->name) && is_done(visit))
        return true;
    switch (field->rules.need) {
    case SIGN_WITHOUT:
        return false;
    case SIGN_ALWAYS:
        return true;
    case SIGN_WHEN_DONE:
        return is_done(visit);
    case SIGN_WHEN_GROUP:
        return visit_text(visit, RECORD_VISIT, VISIT_GROUP).len > 0;
    case SIGN_WHEN_GOALS:
        return is_done(visit) && measure->has_goals;
    }
    return false;
}

/* Whether a value stands that says something. */
static bool is_said(const struct record *record, const struct schema_field *field)
{
    uint32_t count;
    const struct merge_register *regs = record_field(record, field->number, &count);
    bool is_list = field->class == MERGE_SET || field->class == MERGE_ENTRIES;

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < regs[i].live_count; k++) {
            struct wire_in in = wire_open(regs[i].live[k].value);
            enum wire_kind kind = wire_peek(&in);
            if (is_list ||
                (kind == WIRE_TEXT ? wire_text(&in, VALUE_MAX).len > 0 : kind != WIRE_NIL))
                return true;
        }
    return false;
}

static void check_field(const struct measure *measure, const struct schema_field *field,
                        struct lacks *lacks)
{
    const struct visit *visit = measure->visit;
    const struct record *record = record_of(visit, field);
    bool is_unsettled = false;
    bool is_single = field->class == MERGE_EXACT || field->class == MERGE_NARRATIVE ||
                     field->class == MERGE_FIXED;

    if (is_single)
        (void)merge_read(record_register(record, field->number, bytes_of(NULL, 0)), field->class,
                         NULL, &is_unsettled);
    if (is_unsettled)
        add(lacks, "conflict", field->name, true,
            "'%s' was written twice at the same time: decide with kith settle", field->name);
    else if (visit_is_amended_twice(visit, field->record, field->number))
        add(lacks, "conflict", field->name, true,
            "'%s' was corrected twice at the same time: correct it once more", field->name);
    else if (is_asked(measure, field) && !is_said(record, field))
        add(lacks, "missing", field->name, true, "still needed: %s",
            *field->rules.asks ? field->rules.asks : field->help);
}

static void check_times(const struct visit *visit, struct lacks *lacks)
{
    struct bytes date = visit_text(visit, RECORD_VISIT, VISIT_DATE);
    struct bytes start = visit_text(visit, RECORD_VISIT, VISIT_START);
    int64_t start_ms;
    int64_t end_ms;

    if (date.len > 0 && start.len > date.len && memcmp(date.ptr, start.ptr, date.len) != 0)
        add(lacks, "order", "start", true,
            "the visit is dated %.*s but began on %.*s: one of them is wrong", (int)date.len,
            (const char *)date.ptr, (int)date.len, (const char *)start.ptr);
    if (!visit_span(visit, &start_ms, &end_ms))
        return;
    if (end_ms <= start_ms)
        add(lacks, "order", "end", true, "the visit ends before it begins");
    else if (end_ms - start_ms > (int64_t)VISIT_HOURS_MAX * MS_OF_HOUR)
        add(lacks, "order", "end", true, "the visit lasts longer than a day");
}

enum kith_err check_visit(struct kith *kith, const struct visit *visit, struct lacks *lacks)
{
    const struct schema_type *type = schema_type("visit");
    struct measure measure = {.visit = visit, .is_billed = !home_is_volunteers(kith)};
    enum kith_err err = rulebook_of(kith, visit, &measure.rules);

    if (!err)
        measure.has_goals = has_goals(kith, visit, &err);
    if (err)
        return err;
    for (size_t i = 0; i < type->field_count; i++)
        check_field(&measure, &type->fields[i], lacks);
    check_times(visit, lacks);
    if (visit->life.is_sign_unsettled)
        add(lacks, "conflict", "signature", true,
            "two different versions were signed at the same time: decide with kith settle");
    return lacks->err;
}

/* Visits at the same time as one. */
struct overlap_search {
    struct kith *kith;
    struct store_txn *txn;
    const struct visit *visit;
    int64_t start_ms;
    int64_t end_ms;
    struct lacks *lacks;
    enum kith_err err;
};

/* Reads no more of the record than it needs: most visits are on another day. */
static bool may_overlap(const struct overlap_search *search, const struct record *facts)
{
    struct visit bare = {.facts = *facts};
    int64_t start_ms;
    int64_t end_ms;

    /* Corrections may move a visit: those with any step are looked at closely. */
    if (record_field(facts, NOTE_STEPS, &(uint32_t){0}))
        return true;
    return visit_span(&bare, &start_ms, &end_ms) && start_ms < search->end_ms &&
           end_ms > search->start_ms;
}

static bool is_same_group(const struct visit *a, const struct visit *b)
{
    struct bytes group = visit_text(a, RECORD_VISIT, VISIT_GROUP);

    return group.len > 0 && bytes_equal(group, visit_text(b, RECORD_VISIT, VISIT_GROUP));
}

static bool search_overlap(void *owner, const struct found_record *found)
{
    struct overlap_search *search = owner;
    const struct visit *visit = search->visit;
    struct visit other;
    char id[KITH_ID_TEXT];
    int64_t start_ms;
    int64_t end_ms;

    if (memcmp(found->record.id, visit->place.record, ID_BYTES) == 0 ||
        !may_overlap(search, &found->record))
        return true;
    search->err = visit_read(search->txn, replica_roster(search->kith->replica), found, &other);
    if (search->err)
        return false;
    bool is_own = other.specialist == visit->specialist;
    bool is_same_person = memcmp(found->circle, visit->place.circle, ID_BYTES) == 0;
    if (other.life.voided || (!is_own && !is_same_person) || is_same_group(visit, &other) ||
        !visit_span(&other, &start_ms, &end_ms) || start_ms >= search->end_ms ||
        end_ms <= search->start_ms)
        return true;
    id_write(found->record.id, id);
    if (is_own)
        add(search->lacks, "overlap", "start", !visit->life.sign,
            "it overlaps visit %.10s of the same specialist: correct one of them", id);
    else
        add(search->lacks, "overlap", "start", false,
            "it overlaps visit %.10s, which %s made to the same person", id,
            home_person_name(search->kith, other.specialist));
    return true;
}

static enum kith_err check_overlap(struct kith *kith, const struct visit *visit,
                                   struct lacks *lacks)
{
    struct overlap_search search = {.kith = kith, .visit = visit, .lacks = lacks};

    if (!visit_span(visit, &search.start_ms, &search.end_ms) || visit->life.voided)
        return KITH_OK;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    search.txn = &txn;
    enum kith_err err = replica_each(&txn, RECORD_VISIT, NULL, search_overlap, &search);
    store_abort(&txn);
    return err ? err : search.err;
}

/* The clock was off when the hub last compared it, or when the visit was written. */
static enum kith_err check_clock(struct kith *kith, const struct visit *visit, struct lacks *lacks)
{
    int64_t off = kith->clock_offset_ms < 0 ? -kith->clock_offset_ms : kith->clock_offset_ms;
    int64_t written_off;
    enum kith_err err = clock_offset_of(kith, visit, &written_off);

    if (off > CLOCK_OFF_MS && !visit->life.sign)
        add(lacks, "clock", "clock", true,
            "the clock of this device is off by %lld minutes: set it, or sign with --clock-ok",
            (long long)(off / MS_OF_MINUTE));
    if (written_off != 0)
        add(lacks, "clock", "clock", !visit->life.sign,
            "it was written while a clock was %s by %lld minutes: look at the times%s",
            written_off < 0 ? "ahead" : "behind",
            (long long)((written_off < 0 ? -written_off : written_off) / MS_OF_MINUTE),
            visit->life.sign ? "" : ", then sign with --clock-ok");
    return err;
}

/* The credential that says most about a day. */
struct credential_search {
    uint32_t holder;
    struct bytes day;
    char *text;
    char expires[MOMENT_TEXT_MAX];
    bool is_valid;
    bool is_found;
};

static void field_text(const struct record *record, uint32_t field, char *text, size_t size)
{
    bool is_unsettled;
    const struct live *live = merge_read(record_register(record, field, bytes_of(NULL, 0)),
                                         MERGE_LAST, NULL, &is_unsettled);
    struct wire_in in = wire_open(live ? live->value : bytes_of(NULL, 0));
    struct bytes value =
        wire_peek(&in) == WIRE_TEXT ? wire_text(&in, VALUE_MAX) : bytes_of(NULL, 0);

    (void)snprintf(text, size, "%.*s", (int)(value.len < size ? value.len : size - 1),
                   value.len ? (const char *)value.ptr : "");
}

/* The fields of a credential, by number. */
enum credential_field {
    HOLDER = 1,
    KIND = 2,
    JURISDICTION = 3,
    NUMBER = 4,
    EXPIRES = 6,
    STATUS = 7
};

static bool is_active(const struct record *record)
{
    const struct schema_field *field =
        schema_field_numbered(schema_type("credential"), RECORD_CREDENTIAL, STATUS);
    const struct merge_register *reg = record_register(record, STATUS, bytes_of(NULL, 0));
    bool is_active = true;

    for (uint32_t i = 0; reg && i < reg->live_count; i++)
        is_active = is_active && schema_rank(field, reg->live[i].value) <= 0;
    return is_active;
}

static bool search_credential(void *owner, const struct found_record *found)
{
    struct credential_search *search = owner;
    const struct record *record = &found->record;
    const struct merge_register *holder = record_register(record, HOLDER, bytes_of(NULL, 0));
    char kind[CREDENTIAL_PART_MAX];
    char number[CREDENTIAL_PART_MAX];
    char body[CREDENTIAL_PART_MAX];
    char expires[MOMENT_TEXT_MAX];
    struct wire_in in = wire_open(holder ? holder->live[0].value : bytes_of(NULL, 0));

    if (wire_uint(&in, PERSON_MAX) != search->holder)
        return true;
    field_text(record, EXPIRES, expires, sizeof expires);
    bool is_in_time = expires[0] == '\0' || search->day.len == 0 ||
                      (search->day.len == strlen(expires) &&
                       memcmp(search->day.ptr, expires, search->day.len) <= 0);
    bool is_valid = is_in_time && is_active(record);
    bool is_better = !search->is_found || (is_valid && !search->is_valid) ||
                     (is_valid == search->is_valid && strcmp(expires, search->expires) > 0);
    if (!is_better)
        return true;
    field_text(record, KIND, kind, sizeof kind);
    field_text(record, JURISDICTION, body, sizeof body);
    field_text(record, NUMBER, number, sizeof number);
    (void)snprintf(search->text, NOTE_CREDENTIAL_MAX, "%s%s%s%s%s%s%s", kind, *body ? ", " : "",
                   body, *number ? ", " : "", number, *expires ? ", through " : "", expires);
    memcpy(search->expires, expires, sizeof expires);
    search->is_found = true;
    search->is_valid = is_valid;
    return true;
}

enum kith_err check_credential(struct kith *kith, uint32_t holder, struct bytes day,
                               char text[static NOTE_CREDENTIAL_MAX], bool *is_valid)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    struct credential_search search = {.holder = holder, .day = day, .text = text};

    text[0] = '\0';
    enum kith_err err = replica_each(&txn, RECORD_CREDENTIAL, NULL, search_credential, &search);
    store_abort(&txn);
    *is_valid = search.is_valid;
    return err;
}

static enum kith_err check_holder(struct kith *kith, const struct visit *visit, struct lacks *lacks)
{
    char text[NOTE_CREDENTIAL_MAX];
    bool is_valid;
    enum kith_err err = check_credential(
        kith, visit->specialist, visit_text(visit, RECORD_VISIT, VISIT_DATE), text, &is_valid);

    if (!err && text[0] && !is_valid)
        add(lacks, "credential", "specialist", false,
            "no valid credential on the day of the visit (%s): it may not be billable", text);
    return err;
}

/* The live value of a goal's status if it says that the goal is done with; NULL if not. */
static const struct live *goal_end(const struct record *goal)
{
    const struct schema_field *field = schema_field(schema_type("goal"), "status");
    bool is_unsettled;
    const struct live *live = merge_read(record_register(goal, field->number, bytes_of(NULL, 0)),
                                         field->class, NULL, &is_unsettled);
    struct wire_in in = wire_open(live ? live->value : bytes_of(NULL, 0));
    struct bytes status = live ? wire_text(&in, VALUE_MAX) : bytes_of(NULL, 0);

    return is_word(status, "closed") || is_word(status, "met") ? live : NULL;
}

static void check_goal(struct store_txn *txn, const struct visit *visit, struct bytes id,
                       struct lacks *lacks)
{
    struct found_record goal;
    char shown[KITH_ID_TEXT];
    int64_t start_ms;
    int64_t end_ms;
    enum kith_err err = replica_find_in(txn, visit->place.circle, RECORD_GOAL, id.ptr, &goal);

    if (err && err != KITH_NOT_FOUND)
        lacks->err = err;
    const struct live *end = err ? NULL : goal_end(&goal.record);
    if (!end)
        return;
    bool was_open = visit_span(visit, &start_ms, &end_ms) && (int64_t)hlc_ms(end->hlc) > start_ms;
    id_write(id.ptr, shown);
    add(lacks, "goal", "goals", false,
        was_open ? "goal %.10s has been closed since: it was open when you met"
                 : "goal %.10s was closed before this visit: it may not count toward the plan",
        shown);
}

/* A visit stays valid when somebody closes its goal: it is said, not refused. */
static enum kith_err check_goals(struct kith *kith, const struct visit *visit, struct lacks *lacks)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    uint32_t count;
    const struct merge_register *regs = record_field(&visit->note, NOTE_GOALS, &count);

    for (uint32_t i = 0; i < count && !lacks->err; i++) {
        struct wire_in in = wire_open(regs[i].element);
        struct bytes id = wire_bin(&in, ID_BYTES);
        if (regs[i].live_count > 0 && id.len == ID_BYTES)
            check_goal(&txn, visit, id, lacks);
    }
    store_abort(&txn);
    return lacks->err;
}

/* A code that the rules of the day do not know is written all the same: the rules may be behind. */
static enum kith_err check_code(struct kith *kith, const struct visit *visit, struct lacks *lacks)
{
    struct bytes code = visit_text(visit, RECORD_VISIT, VISIT_CODE);
    const struct rules *rules;
    enum kith_err err = rulebook_of(kith, visit, &rules);

    if (err || code.len == 0)
        return err;
    if (!rules_know_code(rules, code))
        add(lacks, "code", "code", false, "the rules %s %s do not know the code %.*s", rules->name,
            rules->version, (int)code.len, (const char *)code.ptr);
    return KITH_OK;
}

enum kith_err check_around(struct kith *kith, const struct visit *visit, struct lacks *lacks)
{
    enum kith_err err = check_overlap(kith, visit, lacks);

    if (!err)
        err = check_holder(kith, visit, lacks);
    if (!err)
        err = check_goals(kith, visit, lacks);
    if (!err)
        err = check_code(kith, visit, lacks);
    if (!err)
        err = check_clock(kith, visit, lacks);
    return err ? err : lacks->err;
}

bool check_blocks(const struct lacks *lacks, bool *only_clock)
{
    bool is_blocked = false;

    *only_clock = false;
    for (size_t i = 0; i < lacks->count; i++) {
        if (!lacks->items[i].is_blocking)
            continue;
        bool is_clock = strcmp(lacks->items[i].kind, "clock") == 0;
        *only_clock = is_clock && (!is_blocked || *only_clock);
        is_blocked = true;
    }
    return is_blocked;
}
