/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few small files beside the store: written whole or not at all, and never read through a link
 * or from others.
 */
#ifndef KITH_STORE_FILE_H
#define KITH_STORE_FILE_H

#include "protocol/bytes.h"

/* What errno says, as an error of ours. */
enum kith_err file_error(int code);

/* Makes the folder, mode 0700, or checks the one that is there: PERMISSION if it is not ours or
 * open to others. */
MUST_USE enum kith_err folder_make(const char *path);
MUST_USE enum kith_err folder_check(const char *path);

/* Whether there is something of this name in the folder. */
bool file_is_there(const char *folder, const char *name);

/* KITH_OK also if there is none. */
MUST_USE enum kith_err file_remove(const char *folder, const char *name);

/* Replaces or makes a file, mode 0600: after a crash it is there as it was before or as it is now.
 */
MUST_USE enum kith_err file_write(const char *folder, const char *name, struct bytes content);

/* Reads a file of at most `max` bytes into `content`, which is initialized here. NOT_FOUND;
 * PERMISSION if it is a link, not ours or wider than mode 0600; TOO_LARGE. */
MUST_USE enum kith_err file_read(const char *folder, const char *name, size_t max,
                                 struct buffer *content);

#endif
