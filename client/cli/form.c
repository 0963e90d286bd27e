/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/form.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/editor.h"
#include "client/cli/template.h"

struct form {
    struct cli *cli;
    bool is_billed; /* somebody pays for what is written */
    struct template template;
    struct kith_schema_field *fields;
    struct kith_record *record; /* NULL for a new one */
    char *original;
    char *text; /* as the person left it */
    uint8_t key[KITH_KEY_BYTES];
    char why[INPUT_WHY_MAX]; /* what was wrong with it; "" if nothing */
};

bool form_is_possible(void)
{
    return editor_is_named() || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
}

static enum kith_err form_init(struct form *form)
{
    static const struct kith_schema_field whose = {
        .name = "participant",
        .kind = "text",
        .class = "fixed",
        .choices = "",
        .help = "Whose chart: the name, or the first characters of the id",
        .asks = "",
        .is_required = true,
    };
    size_t count;
    const struct kith_schema_field *fields = kith_schema_fields(form->cli->type, &count);
    size_t first = kith_schema_is_in_chart(form->cli->type);

    form->fields = calloc(count + 1, sizeof *form->fields);
    if (!form->fields || !fields)
        return KITH_MEMORY;
    form->fields[0] = whose;
    size_t taken = first;
    for (size_t i = 0; i < count; i++)
        if (form->is_billed || !fields[i].is_billed)
            form->fields[taken++] = fields[i];
    form->template = (struct template){
        .type = form->cli->type,
        .fields = form->fields,
        .field_count = taken,
        .record = form->record,
    };
    form->original = template_write(&form->template);
    form->text = form->original ? strdup(form->original) : NULL;
    return form->text ? KITH_OK : KITH_MEMORY;
}

static void form_clear(struct form *form)
{
    explicit_bzero(form->key, sizeof form->key);
    kith_record_free(&form->record);
    free(form->fields);
    free(form->original);
    free(form->text);
}

/* Puts the reason above the text. */
static bool form_complain(struct form *form)
{
    static const char head[] = "# This could not be saved: ";
    size_t size = sizeof head + strlen(form->why) + strlen(form->text) + 4;
    char *text = malloc(size);

    if (!text)
        return false;
    char *end = stpcpy(stpcpy(text, head), form->why);
    (void)stpcpy(stpcpy(end, "\n#\n"), form->text);
    free(form->text);
    form->text = text;
    return true;
}

static enum exit_code form_edit(struct form *form)
{
    char *edited;

    if (form->why[0] && !form_complain(form))
        return cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
    enum kith_err err = editor_run(form->cli->home, form->cli->type, form->text, &edited);
    if (err == KITH_NOT_FOUND)
        return cli_refuse(KITH_NOT_FOUND,
                          "the editor did not work: set $EDITOR, or give FIELD=VALUE");
    if (err)
        return cli_refuse((int)err, "the editor's text: %s", error_text(err));
    free(form->text);
    form->text = edited;
    form->why[0] = '\0';
    return EXIT_DONE;
}

static void form_blame(struct form *form, int code)
{
    const char *detail = form->cli->kith ? kith_detail(form->cli->kith) : "";

    (void)snprintf(form->why, sizeof form->why, "%s", *detail ? detail : kith_error_text(code));
}

/* The one way on after a refusal is the person's text again; without a terminal nobody could change
 * it. */
static void form_save(struct form *form, const struct inputs *inputs, char id[static KITH_ID_TEXT])
{
    struct cli *cli = form->cli;
    int code = kith_open_with_key(cli->home, form->key, &cli->kith);

    if (!code && form->record)
        code =
            kith_record_edit(cli->kith, cli->type, form->record->id, inputs->items, inputs->count);
    else if (!code)
        code = kith_record_add(cli->kith, cli->type, inputs->items, inputs->count, id);
    if (code)
        form_blame(form, code);
    else if (form->record)
        memcpy(id, form->record->id, KITH_ID_TEXT);
    kith_close(&cli->kith);
}

static bool wants_to_go_on(const struct form *form)
{
    char answer[16];

    cli_remark("kith: %s", form->why);
    if (!isatty(STDIN_FILENO))
        return false;
    (void)fputs("Press Enter to correct your text, or q and Enter to give it up: ", stderr);
    return fgets(answer, sizeof answer, stdin) && answer[0] != 'q';
}

static enum exit_code form_run(struct form *form, char id[static KITH_ID_TEXT])
{
    do {
        struct inputs inputs = {0};
        enum exit_code done = form_edit(form);
        if (done)
            return done;
        enum kith_err err =
            template_read(&form->template, form->original, form->text, &inputs, form->why);
        if (!err && inputs.count == 0) {
            inputs_clear(&inputs);
            return cli_refuse(KITH_INPUT, "nothing was written, so nothing was saved");
        }
        if (err && !form->why[0])
            form_blame(form, (int)err);
        if (!err)
            form_save(form, &inputs, id);
        inputs_clear(&inputs);
        if (!form->why[0])
            return EXIT_DONE;
    } while (wants_to_go_on(form));
    return EXIT_REFUSED;
}

enum exit_code form_fill(struct cli *cli, const char *edited_id, char id[static KITH_ID_TEXT])
{
    struct form form = {.cli = cli};
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    kith_data_key(cli->kith, form.key);
    form.is_billed = kith_agency_kind(cli->kith) != KITH_AGENCY_VOLUNTEERS;
    int code =
        edited_id ? kith_record_show(cli->kith, cli->type, edited_id, &form.record) : KITH_OK;
    if (code) {
        done = cli_fail(cli, code);
    } else {
        kith_close(&cli->kith);
        enum kith_err err = form_init(&form);
        done = err ? cli_refuse((int)err, "%s", error_text(err)) : form_run(&form, id);
    }
    form_clear(&form);
    return done;
}
