/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's own secrets in one file, beside the store and never in it: mode 0600, whole or not
 * there, checked when read.
 */
#ifndef KITH_DAEMON_KEYS_H
#define KITH_DAEMON_KEYS_H

#include "store/ledger.h"

#define KEYS_FILE "hub.keys"

/* All of them fresh and random. */
void keys_make(struct ledger_keys *keys);
/* EXISTS if there is a file, FULL, IO, PERMISSION. */
MUST_USE enum kith_err keys_write(const char *folder, const struct ledger_keys *keys);
/* NOT_FOUND, PERMISSION if others may read it or it is not ours, DAMAGED, NEWER_STORE. `keys` is
 * zero on failure. */
MUST_USE enum kith_err keys_read(const char *folder, struct ledger_keys *keys);

#endif
