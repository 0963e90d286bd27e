/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of both kinds of store share. */
#ifndef KITH_STORE_VERIFY_INTERNAL_H
#define KITH_STORE_VERIFY_INTERNAL_H

#include "protocol/change.h"
#include "store/txn.h"
#include "store/verify.h"

/* `key` may be empty. */
void verify_fault_add(struct verify_report *report, const char *what, struct bytes key,
                      enum kith_err reason);
/* What a step of a check found in `txn` goes into the report, and the next one begins anew. */
void verify_settle(struct verify_report *report, struct store_txn *txn, enum store_table table,
                   struct bytes key);
/* Pages and rows. False if nothing further can be believed. */
bool verify_rows(struct verify_report *report, struct store *store, enum store_kind kind);
/* Id and signature of one change that stands after `header->prev`. */
enum kith_err verify_change(const struct change_header *header, const struct change *change,
                            const uint8_t id[static HASH_BYTES],
                            const uint8_t sign_public[static KEY_BYTES]);

#endif
