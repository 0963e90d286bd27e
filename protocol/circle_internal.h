/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make up the circle share. */
#ifndef KITH_PROTOCOL_CIRCLE_INTERNAL_H
#define KITH_PROTOCOL_CIRCLE_INTERNAL_H

#include "protocol/circle.h"

bool circle_kind_is_known(uint64_t kind);
/* What belongs to everybody or to one worker alone has none. */
bool circle_has_custodians(const struct circle *circle);
/* Whether the author may write that entry, as of the roster that it names: circle_append's verdict
 * but for place and room. */
MUST_USE enum kith_err circle_entry_check(const struct circle *circle, const struct roster *roster,
                                          const struct circle_entry *entry);

#endif
