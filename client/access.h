/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who looked at what on this device: one device, one person, so what and when.
 *
 * Each entry is linked to the one before (store/audit.h). Reading is never refused because its
 * entry could not be written: somebody may need that note now.
 */
#ifndef KITH_CLIENT_ACCESS_H
#define KITH_CLIENT_ACCESS_H

#include "client/home.h"
#include "store/audit.h"

/* One record was opened. */
void access_opened(struct kith *kith, const struct schema_type *type,
                   const uint8_t record[static ID_BYTES]);
/* Many were listed, of a type or, NULL, of several. */
void access_listed(struct kith *kith, const struct schema_type *type, uint64_t records);
/* Something left this device in the clear. */
void access_exported(struct kith *kith, enum audit_export_did form, uint64_t records);

#endif
