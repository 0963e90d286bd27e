/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's own ledger: hours and earnings against the limits of a benefit, for nobody else's
 * eyes.
 *
 * Which limits there are is the worker's to say, as records; nothing is known of any programme.
 */
#ifndef KITH_CLIENT_LEDGER_H
#define KITH_CLIENT_LEDGER_H

#include "client/home.h"

#define LEDGER_NEAR_PERCENT 80 /* from here on the owner is warned */

/* Whether a field holds an amount of money. */
bool ledger_is_money(const struct schema_field *field);
/* "85", "85.5", "85.50" -> 8550. False if it is no amount below a thousand million. */
bool ledger_money(const char *text, int64_t *cents);

#endif
