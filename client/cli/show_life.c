/* SPDX-License-Identifier: Apache-2.0 */
/* A visit's life for people: what it lacks, what was done to it, what came too late. */
#include <string.h>

#include "client/cli/show.h"
#include "client/cli/when.h"

#define INDENT 4

static size_t lacks_put(const struct show *show, const struct kith_note *note, bool is_blocking)
{
    size_t count = 0;

    for (size_t i = 0; i < note->lack_count; i++) {
        if (note->lacks[i].is_blocking != is_blocking)
            continue;
        show_text(show, is_blocking ? SHOW_WARNING : SHOW_PLAIN, is_blocking ? "  - " : "  note: ");
        show_paragraph(show, is_blocking ? 4 : 8, note->lacks[i].text);
        count++;
    }
    return count;
}

void show_lacks(const struct show *show, const struct kith_record *record)
{
    size_t blocking = lacks_put(show, record->note, true);

    (void)lacks_put(show, record->note, false);
    if (blocking == 0 && record->note->hash)
        (void)fprintf(show->out, "It is signed.\n");
    else if (blocking == 0)
        (void)fprintf(show->out, "Nothing is missing: kith visit sign %.10s\n", record->id);
}

static void labels_put(const struct show *show, const struct kith_note *note)
{
    for (size_t i = 0; i < note->label_count; i++) {
        (void)fputs(i ? ", " : "\n", show->out);
        show_text(show, SHOW_WARNING, note->labels[i]);
    }
    if (note->label_count > 0)
        (void)fputc('\n', show->out);
}

static void step_put(const struct show *show, const struct kith_step *step)
{
    char when[WHEN_TEXT_MAX];

    show_text(show, SHOW_FAINT, when_short(step->time_ms, when));
    (void)fputs("  ", show->out);
    show_text(show, SHOW_STRONG, *step->addendum ? step->addendum : step->kind);
    (void)fputs("  ", show->out);
    show_text(show, SHOW_PLAIN, step->person);
    if (*step->credential) {
        (void)fputs(", ", show->out);
        show_text(show, SHOW_PLAIN, step->credential);
    }
    if (!step->counts)
        show_text(show, SHOW_WARNING, "  (of another version)");
    if (!step->is_verified)
        show_text(show, SHOW_WARNING, "  (the signature does not verify)");
    (void)fputc('\n', show->out);
    if (*step->text) {
        (void)fprintf(show->out, "%*s", INDENT, "");
        show_paragraph(show, INDENT, step->text);
    }
    for (size_t i = 0; i < step->change_count; i++) {
        (void)fprintf(show->out, "%*s", INDENT, "");
        show_text(show, SHOW_PLAIN, step->changes[i].field);
        (void)fputs(": ", show->out);
        show_text(show, SHOW_FAINT, step->changes[i].old);
        (void)fputs(" -> ", show->out);
        show_text(show, SHOW_PLAIN, step->changes[i].value);
        (void)fputc('\n', show->out);
    }
}

static void late_put(const struct show *show, const struct kith_record *record)
{
    const struct kith_note *note = record->note;
    bool is_open = false;

    for (size_t i = 0; i < note->late_count; i++) {
        const struct kith_late_edit *late = &note->late[i];
        char when[WHEN_TEXT_MAX];
        if (late->is_taken)
            continue;
        if (!is_open)
            (void)fputs(
                "\nWritten elsewhere before the signature was known there; not part of what "
                "was signed:\n",
                show->out);
        is_open = true;
        (void)fprintf(show->out, "  %s, device %u, %s\n%*s", late->person, late->device,
                      when_short(late->time_ms, when), INDENT, "");
        show_text(show, SHOW_STRONG, late->field);
        (void)fputs(": ", show->out);
        show_paragraph(show, INDENT + (unsigned)strlen(late->field) + 2, late->value);
    }
    if (is_open)
        (void)fprintf(show->out,
                      "make it an addendum with:  kith visit addend %.10s --kind late_entry "
                      "--take-late\n",
                      record->id);
}

void show_life(const struct show *show, const struct kith_record *record)
{
    const struct kith_note *note = record->note;

    if (!note)
        return;
    if (note->minutes >= 0)
        (void)fprintf(show->out, "\n%lld minutes, %lld.%lld units by %s\n",
                      (long long)note->minutes, (long long)(note->units_tenths / 10),
                      (long long)(note->units_tenths % 10), note->rules);
    if (note->hash)
        (void)fprintf(show->out, "\nversion %s\n", note->hash);
    labels_put(show, note);
    if (note->step_count > 0)
        (void)fputc('\n', show->out);
    for (size_t i = 0; i < note->step_count; i++)
        step_put(show, &note->steps[i]);
    late_put(show, record);
    if (!note->hash && note->lack_count > 0) {
        (void)fputs("\nBefore it can be signed:\n", show->out);
        show_lacks(show, record);
    }
}
