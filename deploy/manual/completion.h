/* SPDX-License-Identifier: Apache-2.0 */
/* The file from which a shell completes a program's command line. */
#ifndef DEPLOY_MANUAL_COMPLETION_H
#define DEPLOY_MANUAL_COMPLETION_H

#include "deploy/manual/names.h"

void completion_bash(const struct book *book, const struct names *names, FILE *out);
void completion_zsh(const struct book *book, const struct names *names, FILE *out);
void completion_fish(const struct book *book, const struct names *names, FILE *out);

#endif
