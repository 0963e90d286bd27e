/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/manual/roff.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static void put(FILE *out, char letter, bool is_first)
{
    static const struct {
        char letter;
        const char *roff;
    } special[] = {{'\\', "\\e"},  {'-', "\\-"},   {'~', "\\(ti"},
                   {'^', "\\(ha"}, {'`', "\\(ga"}, {'\'', "\\(aq"}};

    if (is_first && letter == '.')
        (void)fputs("\\&", out);
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (special[i].letter == letter) {
            (void)fputs(special[i].roff, out);
            return;
        }
    (void)fputc(letter, out);
}

void roff_text(FILE *out, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        put(out, text[i], i == 0 || text[i - 1] == '\n');
}

void roff_font(FILE *out, char font, const char *text, size_t len)
{
    (void)fprintf(out, "\\f%c", font);
    for (size_t i = 0; i < len; i++)
        put(out, text[i], i == 0);
    (void)fputs("\\fR", out);
}

static char font_of(const char *word)
{
    if (strncmp(word, "--", 2) == 0)
        return 'B';
    return isupper((unsigned char)*word) ? 'I' : 'R';
}

void roff_syntax(FILE *out, const char *syntax)
{
    while (*syntax) {
        size_t len = strcspn(syntax, " []");
        if (len)
            roff_font(out, font_of(syntax), syntax, len);
        else
            put(out, *syntax, false);
        syntax += len ? len : 1;
    }
}
