/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a visit's note: check, sign, submit, co-sign, return, void, addend. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/input.h"
#include "client/cli/record_json.h"

static bool is_blocked(const struct kith_note *note)
{
    for (size_t i = 0; i < note->lack_count; i++)
        if (note->lacks[i].is_blocking)
            return true;
    return false;
}

enum exit_code visit_check(struct cli *cli, const struct arguments *arguments)
{
    struct kith_record *record = NULL;
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_record_show(cli->kith, "visit", arguments->words[0], &record);
    if (code)
        return cli_fail(cli, code);
    if (is_blocked(record->note))
        done = EXIT_UNDECIDED;
    if (cli->is_json) {
        struct json json = json_to(stdout);
        check_json(&json, record);
    } else {
        show_lacks(&cli->show, record);
    }
    kith_record_free(&record);
    return done;
}

/* Says where the visit stands after the step. */
static enum exit_code stand_show(struct cli *cli, const char *id)
{
    struct kith_record *record = NULL;
    struct json json = json_to(stdout);
    int code = kith_record_show(cli->kith, "visit", id, &record);

    if (code)
        return cli_fail(cli, code);
    if (cli->is_json) {
        json_object(&json, NULL);
        json_text(&json, "id", record->id);
        json_text(&json, "state", record->state);
        json_text(&json, "hash", record->note->hash);
        json_end(&json);
    } else {
        (void)fprintf(cli->show.out, "visit %.10s  %s\n", record->id, record->state);
    }
    kith_record_free(&record);
    return EXIT_DONE;
}

static enum exit_code step_end(struct cli *cli, const char *id, int code)
{
    return code ? cli_fail(cli, code) : stand_show(cli, id);
}

enum exit_code visit_sign(struct cli *cli, const struct arguments *arguments)
{
    const char *id = arguments->words[0];
    unsigned options = arguments_option(arguments, "--clock-ok") ? KITH_CLOCK_OK : 0;
    enum exit_code done = cli_open(cli);

    return done ? done : step_end(cli, id, kith_visit_sign(cli->kith, id, options));
}

enum exit_code visit_submit(struct cli *cli, const struct arguments *arguments)
{
    const char *id = arguments->words[0];
    enum exit_code done = cli_open(cli);

    return done ? done : step_end(cli, id, kith_visit_submit(cli->kith, id));
}

enum exit_code visit_cosign(struct cli *cli, const struct arguments *arguments)
{
    const char *id = arguments->words[0];
    const char *hash = arguments_option(arguments, "--hash");
    enum exit_code done = cli_open(cli);

    return done ? done : step_end(cli, id, kith_visit_cosign(cli->kith, id, hash));
}

enum exit_code visit_return(struct cli *cli, const struct arguments *arguments)
{
    const char *id = arguments->words[0];
    const char *reason = arguments_option(arguments, "--reason");
    enum exit_code done = cli_open(cli);

    return done ? done : step_end(cli, id, kith_visit_return(cli->kith, id, reason));
}

enum exit_code visit_void(struct cli *cli, const struct arguments *arguments)
{
    const char *id = arguments->words[0];
    const char *reason = arguments_option(arguments, "--reason");
    enum exit_code done = cli_open(cli);

    return done ? done : step_end(cli, id, kith_visit_void(cli->kith, id, reason));
}

/* Whether a word of the command line is FIELD=VALUE of a visit. */
static bool is_change(const char *word)
{
    size_t count;
    size_t len = strcspn(word, "=");
    const struct kith_schema_field *fields = kith_schema_fields("visit", &count);

    for (size_t i = 0; i < count && word[len]; i++)
        if (strlen(fields[i].name) == len && strncmp(fields[i].name, word, len) == 0)
            return true;
    return false;
}

static enum exit_code word_fail(enum kith_err err, const char *why)
{
    return err == KITH_INPUT ? cli_misused("%s", why)
                             : cli_refuse((int)err, "%s", why[0] ? why : error_text(err));
}

/* The words after the id: corrections, and one text, which may be - or @FILE. */
static enum exit_code addendum_read(const struct arguments *arguments, struct inputs *changes,
                                    struct inputs *text)
{
    bool is_correction = strcmp(arguments_option(arguments, "--kind"), "correction") == 0;
    char why[INPUT_WHY_MAX];
    enum kith_err err = KITH_OK;

    for (size_t i = 1; i < arguments->count && !err; i++) {
        const char *word = arguments->words[i];
        char *typed = NULL;
        if (is_correction && is_change(word)) {
            err = inputs_add_word(changes, word, why);
        } else if (text->count > 0) {
            return cli_misused("'%s': put the text of the addendum in quotes", word);
        } else if (asprintf(&typed, "text=%s", word) < 0) {
            return cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
        } else {
            err = inputs_add_word(text, typed, why);
            free(typed);
        }
    }
    return err ? word_fail(err, why) : EXIT_DONE;
}

enum exit_code visit_addend(struct cli *cli, const struct arguments *arguments)
{
    const char *id = arguments->words[0];
    struct inputs changes = {0};
    struct inputs text = {0};
    struct kith_addendum addendum = {
        .kind = arguments_option(arguments, "--kind"),
        .takes_late = arguments_option(arguments, "--take-late") != NULL,
    };
    if (!addendum.kind)
        return cli_misused("what kind is it? --kind addendum, correction or late_entry");
    enum exit_code done = addendum_read(arguments, &changes, &text);

    addendum.text = text.count > 0 ? text.items[0].value : NULL;
    addendum.changes = changes.items;
    addendum.change_count = changes.count;
    if (!done)
        done = cli_open(cli);
    if (!done)
        done = step_end(cli, id, kith_visit_addend(cli->kith, id, &addendum));
    inputs_clear(&changes);
    inputs_clear(&text);
    return done;
}
