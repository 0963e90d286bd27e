/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One participant's record as a page for reading and printing.
 *
 * A note reads as it was signed; what was added or corrected later stands below it in its order,
 * with who did it and when, and a voided note says so. So nothing of the original is hidden.
 */
#include <stdio.h>
#include <string.h>

#include "client/export/dossier.h"
#include "client/export/html.h"
#include "client/export/part2.h"

#define RECIPIENT_OWN "the person"
#define PURPOSE_OWN   "own copy"

struct page {
    struct export_made *made;
    const struct kith_export_options *options;
    struct buffer *out;
    struct dossier dossier;
};

static const char style[] =
    "body{font:11pt/1.45 Georgia,serif;max-width:46em;margin:2em auto;padding:0 1em;color:#111}"
    "h1{font-size:1.6em;margin:0}h2{font-size:1.2em;border-bottom:2px solid #345;margin-top:2em}"
    "h3{font-size:1.05em;margin:.2em 0}dl{display:grid;grid-template-columns:max-content 1fr;"
    "gap:.15em 1em;margin:.4em 0}dt{color:#456}dd{margin:0;white-space:pre-wrap}"
    "dd,h1,h3,q,p span{unicode-bidi:isolate}article{border-left:3px solid #9ab;padding-left:1em;"
    "margin:1.2em 0}aside{background:#f2f4f6;padding:.5em 1em;margin:.5em 0}"
    ".notice{border:2px solid #a00;padding:.6em 1em;margin:1em 0}.void{color:#a00;"
    "font-weight:bold}.small{color:#456;font-size:.85em}code{overflow-wrap:anywhere}"
    ".practice{position:fixed;top:40%;left:0;right:0;text-align:center;font-size:3em;"
    "color:rgba(170,0,0,.25);transform:rotate(-30deg)}"
    "@media print{body{margin:0;max-width:none}article,aside{break-inside:avoid}}";

static void markup(const struct page *page, const char *text)
{
    html_markup(page->out, text);
}

static void text(const struct page *page, const char *said)
{
    html_text(page->out, said);
}

/* "plan_next" as a person reads it: "Plan next". */
static void label(const struct page *page, const char *name)
{
    char shown[64];

    (void)snprintf(shown, sizeof shown, "%s", name);
    for (char *at = shown; *at; at++)
        *at = (char)(*at == '_' ? ' ' : *at);
    if (shown[0] >= 'a' && shown[0] <= 'z')
        shown[0] = (char)(shown[0] - 'a' + 'A');
    text(page, shown);
}

static void moment(const struct page *page, uint64_t ms)
{
    char when[MOMENT_TEXT_MAX];

    moment_write(ms, when);
    text(page, when);
}

static void pair(const struct page *page, const char *name, const char *value)
{
    if (!*value)
        return;
    markup(page, "<dt>");
    label(page, name);
    markup(page, "</dt><dd>");
    text(page, value);
    markup(page, "</dd>\n");
}

/* A goal stands there in its own words. */
static void value_text_or_goal(const struct page *page, const char *name, const char *value)
{
    const char *goal = strcmp(name, "goals") == 0 ? dossier_goal(&page->dossier, value) : "";

    text(page, *goal ? goal : value);
}

static void field(const struct page *page, const struct kith_field *shown)
{
    markup(page, "<dt>");
    label(page, shown->name);
    markup(page, "</dt><dd>");
    for (size_t i = 0; i < shown->value_count; i++) {
        const struct kith_value *value = &shown->values[i];
        if (i > 0)
            markup(page, shown->is_conflict ? " / " : "; ");
        if (shown->is_keyed && value->key) {
            text(page, dossier_goal(&page->dossier, value->key));
            markup(page, ": ");
        }
        value_text_or_goal(page, shown->name, value->text);
    }
    if (shown->is_conflict)
        markup(page, " <em>(written twice, not decided)</em>");
    markup(page, "</dd>\n");
}

static void fields(const struct page *page, const struct kith_record *record)
{
    markup(page, "<dl>\n");
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].name, "participant") != 0)
            field(page, &record->fields[i]);
    markup(page, "</dl>\n");
}

/* All records of one type; no heading above nothing. */
static void section(const struct page *page, const char *title, const struct kith_list *list)
{
    if (list->count == 0)
        return;
    markup(page, "<section><h2>");
    markup(page, title);
    markup(page, "</h2>\n");
    for (size_t i = 0; i < list->count; i++) {
        markup(page, "<article>");
        fields(page, list->records[i]);
        markup(page, "</article>\n");
    }
    markup(page, "</section>\n");
}

static void credential(const struct page *page, const char *said)
{
    if (!*said)
        return;
    markup(page, ", <span>");
    text(page, said);
    markup(page, "</span>");
}

/* "Signed by Ana Silva, CPS 123, on 2026-03-02T10:00:00-05:00." */
static void step_line(const struct page *page, const char *did, const struct kith_step *step)
{
    markup(page, "<p>");
    markup(page, did);
    markup(page, " by <span>");
    text(page, step->person);
    markup(page, "</span>");
    credential(page, step->credential);
    markup(page, ", ");
    moment(page, step->time_ms);
    if (!step->is_verified)
        markup(page, " <strong>(the signature does not verify)</strong>");
    if (*step->text && strcmp(step->kind, "sign") != 0) {
        markup(page, ": <q>");
        text(page, step->text);
        markup(page, "</q>");
    }
    markup(page, "</p>\n");
}

static void addendum(const struct page *page, const struct kith_step *step)
{
    markup(page, "<aside><h3>");
    label(page, step->addendum);
    markup(page, "</h3>");
    step_line(page, "Added", step);
    markup(page, "<dl>\n");
    for (size_t i = 0; i < step->change_count; i++) {
        const struct kith_change *change = &step->changes[i];
        markup(page, "<dt>");
        label(page, change->field);
        markup(page, "</dt><dd>was <del>");
        text(page, change->old);
        markup(page, "</del>, is <ins>");
        text(page, change->value);
        markup(page, "</ins></dd>\n");
    }
    markup(page, "</dl></aside>\n");
}

static void step(const struct page *page, const struct kith_step *done)
{
    static const struct {
        const char *kind;
        const char *did;
    } lines[] = {{"sign", "Signed"},
                 {"submit", "Submitted"},
                 {"cosign", "Co-signed"},
                 {"return", "Returned"},
                 {"void", "Voided"}};

    if (strcmp(done->kind, "addend") == 0)
        addendum(page, done);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (strcmp(done->kind, lines[i].kind) == 0)
            step_line(page, lines[i].did, done);
}

static void visit(const struct page *page, const struct kith_record *record)
{
    const struct kith_note *note = record->note;

    markup(page, "<article><h3>Visit of ");
    text(page, record_value(record, "date"));
    markup(page, "</h3>\n");
    if (strcmp(record->state, "voided") == 0)
        markup(page, "<p class=\"void\">Voided: it does not count. It stays readable.</p>\n");
    fields(page, record);
    for (size_t i = 0; i < note->step_count; i++)
        step(page, &note->steps[i]);
    markup(page, "<p class=\"small\">Entered ");
    moment(page, record->created_ms);
    for (size_t i = 0; i < note->label_count; i++) {
        markup(page, "; ");
        text(page, note->labels[i]);
    }
    markup(page, ". State: ");
    text(page, record->state);
    markup(page, ". Version <code>");
    text(page, note->hash);
    markup(page, "</code></p></article>\n");
}

static void notice(const struct page *page)
{
    const struct chart_consent *consent = page->dossier.consent;

    if (!page->dossier.facts->is_part2)
        return;
    markup(page, "<div class=\"notice\"><p>" PART2_NOTICE "</p>\n");
    if (consent) {
        markup(page, "<dl>\n");
        pair(page, "consent", consent->id);
        pair(page, "scope", consent->scope);
        pair(page, "purpose", consent->purpose);
        pair(page, "recipients", consent->recipients);
        pair(page, "signed_on", consent->signed_on);
        pair(page, "expires", consent->expires);
        markup(page, "</dl>");
    }
    markup(page, "</div>\n");
}

static void head(const struct page *page, const char *recipient, const char *purpose)
{
    const struct chart_facts *facts = page->dossier.facts;

    markup(page,
           "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Record of ");
    text(page, facts->name);
    markup(page, "</title><style>");
    markup(page, style);
    markup(page, "</style></head><body>\n<header><h1>");
    text(page, facts->name);
    markup(page, "</h1><dl>\n");
    pair(page, "from", export_agency(page->made));
    pair(page, "for", recipient);
    pair(page, "purpose", purpose);
    pair(page, "as_of", page->made->today);
    pair(page, "chart", facts->id);
    markup(page, "</dl></header>\n");
    if (home_is_practice(page->made->kith))
        markup(page, "<p class=\"practice\">PRACTICE: these people are made up</p>\n");
    notice(page);
}

static void write_page(struct page *page, const char *recipient, const char *purpose)
{
    struct dossier *dossier = &page->dossier;

    head(page, recipient, purpose);
    section(page, "The person", dossier->participants);
    section(page, "Plans", dossier->plans);
    section(page, "Goals", dossier->goals);
    section(page, "Referrals", dossier->referrals);
    section(page, "Consents", dossier->consents);
    if (dossier->visits->count > 0)
        markup(page, "<section><h2>Visits</h2>\n");
    for (size_t i = 0; i < dossier->visits->count; i++) {
        visit(page, dossier->visits->records[i]);
        export_share(page->made, dossier->facts, dossier->consent, recipient);
        if (page->options->progress)
            page->options->progress(page->options->owner, i + 1, dossier->visits->count);
    }
    if (dossier->visits->count > 0)
        markup(page, "</section>\n");
    markup(page, "</body></html>\n");
}

static enum kith_err run(struct page *page)
{
    struct export_made *made = page->made;
    const struct kith_export_options *options = page->options;
    const char *recipient = options->recipient ? options->recipient : RECIPIENT_OWN;
    const char *purpose = options->purpose     ? options->purpose
                          : options->recipient ? ""
                                               : PURPOSE_OWN;
    const struct export_event event = {"chart", recipient, purpose};
    struct dossier_days days;
    uint8_t circle[ID_BYTES];

    if (!options->participant)
        return home_fail(made->kith, KITH_INPUT, "whose record?");
    enum kith_err err = dossier_days(made->kith, options->from, options->to, &days);
    if (!err)
        err = home_participant(made->kith, options->participant, circle);
    if (!err)
        err = dossier_read(made, circle, &days, &page->dossier);
    if (err)
        return err;
    if (options->recipient && !dossier_is_allowed(made, &page->dossier, recipient, purpose))
        return home_fail(made->kith, KITH_NOT_ALLOWED,
                         "42 CFR Part 2 protects this chart and no consent names '%s' and '%s'",
                         recipient, purpose);
    write_page(page, recipient, purpose);
    made->public.lines = page->dossier.visits->count;
    if (made->share_count == 0)
        export_share_chart(made, page->dossier.facts, page->dossier.consent, recipient);
    made->public.charts = made->share_count;
    made->through = options->through;
    err = export_write(made, AUDIT_CHART, options->path);
    return err ? err : export_done(made, &event);
}

int kith_export_chart(struct kith *kith, const struct kith_export_options *options,
                      struct kith_export **made)
{
    struct page page = {.made = export_new(kith), .options = options};

    *made = NULL;
    if (!page.made)
        return KITH_MEMORY;
    *made = &page.made->public;
    page.out = &page.made->out;
    enum kith_err err = run(&page);
    dossier_clear(&page.dossier);
    return err;
}
