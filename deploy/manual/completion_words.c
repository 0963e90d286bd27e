/* SPDX-License-Identifier: Apache-2.0 */
/* bash and zsh: both look at the words before the cursor with `case`. */
#include <string.h>

#include "deploy/manual/completion.h"

struct target {
    const struct names *names;
    FILE *out;
};

static void stop_words(const struct stop *stop, void *to)
{
    const struct target *target = to;
    const char *blank = "";
    struct next_word word;

    (void)fprintf(target->out, "    \"%.*s\") next=\"", (int)stop->len, stop->path);
    for (size_t i = 0; i < target->names->count; i++)
        if (names_next(target->names, stop, i, &word)) {
            (void)fprintf(target->out, "%s%.*s", blank, (int)word.len, word.word);
            blank = " ";
        }
    (void)fputs("\" ;;\n", target->out);
}

static void field_names(const struct book *book, const char *type, FILE *out)
{
    struct book_field field;

    (void)fputs("; fields=\"", out);
    for (size_t i = 0; book->field(type, i, &field); i++)
        (void)fprintf(out, "%s%s=", i ? " " : "", field.name);
    (void)fputs("\"", out);
}

static void command_options(const struct book *book, const struct name *name, FILE *out)
{
    struct named_option options[NAMES_OPTIONS];
    size_t count = names_options(name->command->arguments, options);
    const char *syntax = name->command->arguments;
    /* "visit addend" is a command of its own, of the type that its first word names. */
    const char *type = name->type ? name->type : "visit";

    (void)fprintf(out, "    \"%s\"*) options=\"", name->words);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "%s%s", i ? " " : "", options[i].name);
    (void)fputs("\"", out);
    if (names_wants_fields(syntax))
        field_names(book, type, out);
    if (names_wants_file(syntax))
        (void)fputs("; kind=file", out);
    (void)fputs(" ;;\n", out);
}

static void choices(const struct book *book, FILE *out)
{
    struct book_field field;

    for (const char *const *type = book->types(); *type; type++)
        for (size_t i = 0; book->field(*type, i, &field); i++)
            if (*field.choices)
                (void)fprintf(out, "    \"%s %s\") values=\"%s\" ;;\n", *type, field.name,
                              field.choices);
}

static bool is_listed(const struct names *names, size_t before, const char *option)
{
    struct named_option options[NAMES_OPTIONS];

    for (size_t i = 0; i < before; i++) {
        size_t count = names_options(names->of[i].command->arguments, options);
        for (size_t k = 0; k < count; k++)
            if (strcmp(options[k].name, option) == 0)
                return true;
    }
    return false;
}

static void value_kind(const struct named_option *option, FILE *out)
{
    static const char *const kinds[] = {
        [VALUE_WORD] = "word", [VALUE_FILE] = "file", [VALUE_FOLDER] = "folder"};

    if (option->value != VALUE_NONE)
        (void)fprintf(out, "    %s) kind=%s ;;\n", option->name, kinds[option->value]);
}

/* What comes after an option, each once. */
static void value_kinds(const struct book *book, const struct names *names, FILE *out)
{
    struct named_option options[NAMES_OPTIONS];

    for (size_t i = 0; i < book->option_count; i++) {
        options[0] = names_common(&book->options[i]);
        value_kind(&options[0], out);
    }
    for (size_t i = 0; i < names->count; i++) {
        size_t count = names_options(names->of[i].command->arguments, options);
        for (size_t k = 0; k < count; k++)
            if (!is_listed(names, i, options[k].name))
                value_kind(&options[k], out);
    }
}

/* The functions that know the tables; they set next, options, fields, kind and values. */
static void tables(const struct book *book, const struct names *names, FILE *out)
{
    struct target target = {names, out};

    (void)fprintf(out, "_%s_command()\n{\n    case $1 in\n", book->program);
    names_each_stop(names, stop_words, &target);
    (void)fputs("    esac\n    case $1 in\n", out);
    for (size_t i = 0; i < names->count; i++)
        command_options(book, &names->of[i], out);
    (void)fprintf(out, "    esac\n}\n\n_%s_option()\n{\n    case $1 in\n", book->program);
    value_kinds(book, names, out);
    (void)fprintf(out, "    esac\n}\n\n_%s_choices()\n{\n    case $1 in\n", book->program);
    if (book->types)
        choices(book, out);
    (void)fputs("    *) values= ;;\n    esac\n}\n\n", out);
    (void)fprintf(out, "_%s_common=\"", book->program);
    for (size_t i = 0; i < book->option_count; i++)
        (void)fprintf(out, "%s%s", i ? " " : "", book->options[i].name);
    (void)fputs("\"\n\n", out);
}

/* Writes a text in which @ stands for the program's name. */
static void put_for(const char *program, const char *text, FILE *out)
{
    for (; *text; text++)
        if (*text == '@')
            (void)fputs(program, out);
        else
            (void)fputc(*text, out);
}

static const char bash_head[] = "# bash completion for @: made from its table of commands\n\n";
static const char bash_body[] =
    "# The words before the cursor that are no options, each with a blank behind it.\n"
    "_@_path()\n"
    "{\n"
    "    local at kind word\n"
    "    path=\n"
    "    for ((at = 1; at < COMP_CWORD; at++)); do\n"
    "        word=${COMP_WORDS[at]} kind=\n"
    "        case $word in\n"
    "        -*)\n"
    "            _@_option \"$word\"\n"
    "            [[ ${COMP_WORDS[at + 1]} == \"=\" ]] && ((at++))\n"
    "            [[ -n $kind ]] && ((at++))\n"
    "            ;;\n"
    "        *) path=\"$path$word \" ;;\n"
    "        esac\n"
    "    done\n"
    "}\n\n"
    "_@()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local path kind= values= next= options= fields= name=\n"
    "    [[ $prev == \"=\" ]] && name=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    [[ $cur == \"=\" ]] && name=$prev cur=\n"
    "    [[ -z $name && $prev == -* ]] && name=$prev\n"
    "    _@_path\n"
    "    _@_option \"$name\"\n"
    "    if [[ -z $kind && $name == [a-z]* ]]; then\n"
    "        _@_choices \"${path%% *} $name\"\n"
    "        COMPREPLY=($(compgen -W \"$values\" -- \"$cur\"))\n"
    "        return\n"
    "    fi\n"
    "    if [[ -z $kind ]]; then\n"
    "        _@_command \"$path\"\n"
    "        [[ $cur == -* ]] && next=\"$options $_@_common\" fields= kind=\n"
    "        COMPREPLY=($(compgen -W \"$next $fields\" -- \"$cur\"))\n"
    "        [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
    "    fi\n"
    "    case $kind in\n"
    "    file) compopt -o filenames && COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
    "    folder) compopt -o filenames && COMPREPLY+=($(compgen -d -- \"$cur\")) ;;\n"
    "    esac\n"
    "}\n\n"
    "complete -F _@ @\n";

static const char zsh_head[] = "#compdef @\n# Made from its table of commands.\n\n";
static const char zsh_body[] =
    "# The words before the cursor that are no options, each with a blank behind it.\n"
    "_@_path()\n"
    "{\n"
    "    local at kind word\n"
    "    before=\n"
    "    for ((at = 2; at < CURRENT; at++)); do\n"
    "        word=$words[at] kind=\n"
    "        case $word in\n"
    "        -*=*) ;;\n"
    "        -*) _@_option \"$word\" && [[ -n $kind ]] && ((at++)) ;;\n"
    "        *) before=\"$before$word \" ;;\n"
    "        esac\n"
    "    done\n"
    "}\n\n"
    "_@()\n"
    "{\n"
    "    local before kind= values= next= options= fields= name=\n"
    "    local current=$words[CURRENT] previous=$words[CURRENT-1]\n"
    "    [[ $previous == -* ]] && name=$previous\n"
    "    _@_path\n"
    "    [[ $current == *=* ]] && name=${current%%=*} && compset -P '*='\n"
    "    _@_option \"$name\"\n"
    "    if [[ -z $kind && $name == [a-z]* ]]; then\n"
    "        _@_choices \"${before%% *} $name\"\n"
    "        compadd -- ${=values}\n"
    "        return\n"
    "    fi\n"
    "    if [[ -z $kind ]]; then\n"
    "        _@_command \"$before\"\n"
    "        if [[ $current == -* ]]; then\n"
    "            compadd -- ${=options} ${=_@_common}\n"
    "            return\n"
    "        fi\n"
    "        compadd -- ${=next}\n"
    "        compadd -S '' -- ${=fields}\n"
    "    fi\n"
    "    case $kind in\n"
    "    file) _files ;;\n"
    "    folder) _files -/ ;;\n"
    "    esac\n"
    "}\n\n"
    "_@ \"$@\"\n";

void completion_bash(const struct book *book, const struct names *names, FILE *out)
{
    put_for(book->program, bash_head, out);
    tables(book, names, out);
    put_for(book->program, bash_body, out);
}

void completion_zsh(const struct book *book, const struct names *names, FILE *out)
{
    put_for(book->program, zsh_head, out);
    tables(book, names, out);
    put_for(book->program, zsh_body, out);
}
