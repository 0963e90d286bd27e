/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "deploy/manual/completion.h"

struct target {
    const struct book *book;
    const struct names *names;
    FILE *out;
};

static void put_quoted(const char *text, FILE *out)
{
    (void)fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
    (void)fputc('\'', out);
}

static void stop_words(const struct stop *stop, void *to)
{
    const struct target *target = to;
    struct next_word word;

    for (size_t i = 0; i < target->names->count; i++) {
        if (!names_next(target->names, stop, i, &word))
            continue;
        (void)fprintf(target->out, "complete -c %s -n '__%s_at \"%.*s\"' -a '%.*s'",
                      target->book->program, target->book->program, (int)stop->len, stop->path,
                      (int)word.len, word.word);
        if (word.sentence) {
            (void)fputs(" -d ", target->out);
            put_quoted(word.sentence, target->out);
        }
        (void)fputc('\n', target->out);
    }
}

static void option(const struct named_option *option, FILE *out)
{
    static const char *const kinds[] = {[VALUE_NONE] = "",
                                        [VALUE_WORD] = " -x",
                                        [VALUE_FILE] = " -r -F",
                                        [VALUE_FOLDER] = " -x -a '(__fish_complete_directories)'"};

    (void)fprintf(out, " -l %s%s", option->name + 2, kinds[option->value]);
}

static void fields(const struct book *book, const char *type, FILE *out)
{
    struct book_field field;

    for (size_t i = 0; book->field(type, i, &field); i++) {
        (void)fprintf(out, "%s%s=", i ? " " : "", field.name);
        for (const char *at = field.choices; *at; at += strspn(at, " ")) {
            size_t len = strcspn(at, " ");
            (void)fprintf(out, " %s=%.*s", field.name, (int)len, at);
            at += len;
        }
    }
}

static void begin(const struct book *book, const char *words, FILE *out)
{
    (void)fprintf(out, "complete -c %s -n '__%s_in \"%s\"'", book->program, book->program, words);
}

static void command(const struct book *book, const struct name *name, FILE *out)
{
    struct named_option options[NAMES_OPTIONS];
    const char *syntax = name->command->arguments;
    size_t count = names_options(syntax, options);

    for (size_t i = 0; i < count; i++) {
        begin(book, name->words, out);
        option(&options[i], out);
        (void)fputc('\n', out);
    }
    if (names_wants_file(syntax)) {
        begin(book, name->words, out);
        (void)fputs(" -F\n", out);
    }
    if (names_wants_fields(syntax)) {
        begin(book, name->words, out);
        (void)fputs(" -a '", out);
        fields(book, name->type ? name->type : "visit", out);
        (void)fputs("'\n", out);
    }
}

static void functions(const struct book *book, FILE *out)
{
    const char *program = book->program;

    (void)fprintf(out, "# fish completion for %s: made from its table of commands\n\n", program);
    (void)fprintf(
        out,
        "# The words before the cursor that are no options, each with a blank behind it.\n"
        "function __%s_path\n"
        "    set -l path ''\n"
        "    set -l words (commandline -opc)\n"
        "    set -e words[1]\n"
        "    while set -q words[1]\n"
        "        switch $words[1]\n"
        "            case",
        program);
    for (size_t i = 0; i < book->option_count; i++)
        if (*book->options[i].value)
            (void)fprintf(out, " %s", book->options[i].name);
    (void)fprintf(out,
                  " ''\n"
                  "                set -e words[1]\n"
                  "            case '-*'\n"
                  "            case '*'\n"
                  "                set path \"$path$words[1] \"\n"
                  "        end\n"
                  "        set -e words[1]\n"
                  "    end\n"
                  "    echo $path\n"
                  "end\n\n"
                  "function __%s_at\n"
                  "    test (__%s_path)x = $argv[1]x\n"
                  "end\n\n"
                  "function __%s_in\n"
                  "    string match -q -- \"$argv[1]*\" (__%s_path)\n"
                  "end\n\n"
                  "complete -c %s -f\n",
                  program, program, program, program, program);
}

void completion_fish(const struct book *book, const struct names *names, FILE *out)
{
    struct target target = {book, names, out};

    functions(book, out);
    for (size_t i = 0; i < book->option_count; i++) {
        struct named_option named = names_common(&book->options[i]);
        (void)fprintf(out, "complete -c %s", book->program);
        option(&named, out);
        (void)fputs(" -d ", out);
        put_quoted(book->options[i].sentence, out);
        (void)fputc('\n', out);
    }
    names_each_stop(names, stop_words, &target);
    for (size_t i = 0; i < names->count; i++)
        command(book, &names->of[i], out);
}
