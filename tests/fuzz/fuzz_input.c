/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person types or leaves in an editor, the first byte chooses: the words of a command line,
 * values of fields, and a template that was filled in. Nothing that was left as it was written is
 * taken for an input; what is taken stands in the text.
 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/arguments.h"
#include "client/cli/input.h"
#include "client/cli/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS_MAX 24

/* The text's lines, as a shell would hand over words. */
static int split(char *text, char **words)
{
    char *rest = text;
    int count = 0;

    while (count < WORDS_MAX && (words[count] = strsep(&rest, "\n")))
        count++;
    words[count] = NULL;
    return count;
}

static void read_words(char *text)
{
    static const char syntax[] = "ID [FIELD=VALUE...] [--since TIME] [--qr]";
    char *words[WORDS_MAX + 1];
    char why[ARGUMENTS_WHY_MAX] = "";
    struct arguments arguments;
    int count = split(text, words);

    if (arguments_read(syntax, count, words, &arguments, why)) {
        if (arguments.count < 1 || arguments.count > (size_t)count || arguments.option_count > 2)
            abort();
    } else if (!why[0]) {
        abort(); /* refused without a reason */
    }
}

static void read_values(char *text)
{
    char *words[WORDS_MAX + 1];
    char why[INPUT_WHY_MAX] = "";
    struct inputs inputs = {0};
    int count = split(text, words);
    size_t taken = 0;

    for (int i = 0; i < count; i++) {
        /* Files and standard input are not this fuzzer's to read. */
        const char *sign = strchr(words[i], '=');
        if (sign && (sign[1] == '@' || sign[1] == '-'))
            continue;
        taken += inputs_add_word(&inputs, words[i], why) == KITH_OK;
    }
    if (inputs.count != taken)
        abort();
    inputs_clear(&inputs);
}

static void read_template(const char *text)
{
    static const char *const types[] = {"visit", "participant", "goal", "concern"};
    size_t count;
    struct template template = {.type = types[strlen(text) % 4]};
    char why[INPUT_WHY_MAX] = "";
    struct inputs inputs = {0};

    template.fields = kith_schema_fields(template.type, &count);
    template.field_count = count;
    char *original = template_write(&template);
    if (!original || template_read(&template, original, original, &inputs, why) || inputs.count)
        abort();
    if (template_read(&template, original, text, &inputs, why) == KITH_OK)
        for (size_t i = 0; i < inputs.count; i++)
            if (!strstr(text, inputs.items[i].field))
                abort();
    inputs_clear(&inputs);
    free(original);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = malloc(size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] % 3 == 0)
        read_words(text);
    else if (data[0] % 3 == 1)
        read_values(text);
    else
        read_template(text);
    free(text);
    return 0;
}
