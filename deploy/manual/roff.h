/* SPDX-License-Identifier: Apache-2.0 */
/* Text as roff, for man: nothing in it is taken for an instruction. */
#ifndef DEPLOY_MANUAL_ROFF_H
#define DEPLOY_MANUAL_ROFF_H

#include <stdio.h>

void roff_text(FILE *out, const char *text);
/* The same in bold (B), italic (I), or as it is (R). */
void roff_font(FILE *out, char font, const char *text, size_t len);
/* A syntax as --help has it: options bold, words in capitals italic. */
void roff_syntax(FILE *out, const char *syntax);

#endif
