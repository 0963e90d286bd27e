/* SPDX-License-Identifier: Apache-2.0 */
/* A laptop that was copied, or set back to an earlier image: it goes on as a new device. */
#ifndef KITH_CLIENT_RENEW_H
#define KITH_CLIENT_RENEW_H

#include "client/home.h"

/* Renews this device if an exchange has proven that it must be, or goes on with what was begun:
 * `is_renewed` says that it now has another number and is to sync again. */
MUST_USE enum kith_err home_renew(struct kith *kith, struct kith_sync_report *report,
                                  bool *is_renewed);
/* Whether this device ended its number itself and has not taken over the new one yet. */
MUST_USE enum kith_err home_is_renewing(struct kith *kith, bool *is_renewing);

#endif
