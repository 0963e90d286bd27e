/* SPDX-License-Identifier: Apache-2.0 */
/* What a visit says when corrections are taken in, and what follows from it. */
#include <string.h>

#include "client/fields.h"
#include "client/moment.h"
#include "client/visit.h"

static bool is_correction(const struct visit *visit, const struct note_step *step, uint32_t type,
                          uint32_t field)
{
    return step->kind == NOTE_ADDEND && visit->life.sign &&
           note_step_amends(step, type, field).len > 0;
}

/* The next addendum about the field that no later one about it has seen. */
static const struct note_step *next_correction(const struct visit *visit, uint32_t type,
                                               uint32_t field, const struct note_step *last)
{
    const struct note_step *end = visit->steps + visit->step_count;

    for (const struct note_step *step = last ? last + 1 : visit->steps; step < end; step++) {
        bool is_amended = false;
        if (!is_correction(visit, step, type, field))
            continue;
        for (const struct note_step *later = visit->steps; later < end && !is_amended; later++)
            is_amended = later != step && is_correction(visit, later, type, field) &&
                         note_step_knows(later, step->dot);
        if (!is_amended)
            return step;
    }
    return NULL;
}

bool visit_is_amended_twice(const struct visit *visit, uint32_t type, uint32_t field)
{
    const struct note_step *first = next_correction(visit, type, field, NULL);

    for (const struct note_step *other = first;
         other && (other = next_correction(visit, type, field, other));)
        if (!bytes_equal(note_step_amends(first, type, field),
                         note_step_amends(other, type, field)))
            return true;
    return false;
}

struct bytes visit_value(const struct visit *visit, uint32_t type, uint32_t field)
{
    const struct record *record = type == RECORD_VISIT ? &visit->facts : &visit->note;
    const struct note_step *correction = next_correction(visit, type, field, NULL);
    bool is_unsettled;

    if (correction)
        return visit_is_amended_twice(visit, type, field)
                   ? bytes_of(NULL, 0)
                   : note_step_amends(correction, type, field);
    const struct live *live = merge_read(record_register(record, field, bytes_of(NULL, 0)),
                                         MERGE_EXACT, NULL, &is_unsettled);
    return live && !is_unsettled ? live->value : bytes_of(NULL, 0);
}

struct bytes visit_text(const struct visit *visit, uint32_t type, uint32_t field)
{
    return value_text(visit_value(visit, type, field));
}

static bool text_ms(struct bytes text, int64_t *ms)
{
    char copy[MOMENT_TEXT_MAX];

    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return moment_ms(copy, ms);
}

bool visit_span(const struct visit *visit, int64_t *start_ms, int64_t *end_ms)
{
    return text_ms(visit_text(visit, RECORD_VISIT, VISIT_START), start_ms) &&
           text_ms(visit_text(visit, RECORD_VISIT, VISIT_END), end_ms);
}

static bool take_clock(struct bytes *text, int64_t *minutes)
{
    const uint8_t *at = text->ptr;

    if (text->len < 5 || at[2] != ':')
        return false;
    for (size_t i = 0; i < 5; i++)
        if (i != 2 && (at[i] < '0' || at[i] > '9'))
            return false;
    *minutes = ((at[0] - '0') * 10 + (at[1] - '0')) * 60 + (at[3] - '0') * 10 + (at[4] - '0');
    *text = bytes_after(*text, 5);
    return true;
}

/* "14:20-14:35" -> 15; 0 if it is not of that form. */
static int64_t interruption_minutes(struct bytes element)
{
    struct bytes text = value_text(element);
    int64_t from;
    int64_t to;

    if (!take_clock(&text, &from) || text.len == 0 || *text.ptr != '-')
        return 0;
    text = bytes_after(text, 1);
    return take_clock(&text, &to) && text.len == 0 && to > from ? to - from : 0;
}

int64_t visit_minutes(const struct visit *visit)
{
    int64_t start;
    int64_t end;
    uint32_t count;
    const struct merge_register *regs = record_field(&visit->facts, VISIT_INTERRUPTIONS, &count);

    if (!visit_span(visit, &start, &end) || end < start)
        return -1;
    int64_t minutes = (end - start) / 60000;
    for (uint32_t i = 0; i < count; i++)
        if (regs[i].live_count > 0)
            minutes -= interruption_minutes(regs[i].element);
    return minutes > 0 ? minutes : 0;
}

bool visit_day(const struct visit *visit, int64_t *ms)
{
    return text_ms(visit_text(visit, RECORD_VISIT, VISIT_DATE), ms);
}

const struct note_step *visit_rival(const struct visit *visit, size_t place)
{
    for (uint32_t i = 0; i < visit->step_count; i++)
        if (visit->steps[i].kind == NOTE_SIGN && --place == 0)
            return &visit->steps[i];
    return NULL;
}
