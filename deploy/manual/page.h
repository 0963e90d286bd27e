/* SPDX-License-Identifier: Apache-2.0 */
/* A manual page of a program, and the one of the hub's settings. */
#ifndef DEPLOY_MANUAL_PAGE_H
#define DEPLOY_MANUAL_PAGE_H

#include "deploy/manual/book.h"

/* `date`: what stands at the foot of the page. */
void page_of_program(const struct book *book, const char *date, FILE *out);
void page_of_settings(const char *date, FILE *out);

#endif
