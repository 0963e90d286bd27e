/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another program as the last step of an export: it reads the content on its standard input and
 * writes the file on its standard output. Nothing is stored on the way.
 */
#ifndef KITH_CLIENT_EXPORT_FILTER_H
#define KITH_CLIENT_EXPORT_FILTER_H

#include "protocol/bytes.h"

/* `command` ends with NULL and is looked for in PATH. NOT_FOUND if there is no such program, IO if
 * it did not end well. */
MUST_USE enum kith_err filter_run(const char *const *command, struct bytes content, int out_fd);

#endif
