/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's own secrets in one file, beside the store and never in it: mode 0600, checked when
 * read, written by rename.
 */
#ifndef KITH_DAEMON_KEYS_H
#define KITH_DAEMON_KEYS_H

#include "store/ledger.h"

void keys_make(struct ledger_keys *keys);
/* EXISTS if there is one, FULL, IO, PERMISSION. */
MUST_USE enum kith_err keys_write(const char *folder, const struct ledger_keys *keys);
/* NOT_FOUND, PERMISSION if others may read it or it is not ours, DAMAGED. */
MUST_USE enum kith_err keys_read(const char *folder, struct ledger_keys *keys);

#endif
