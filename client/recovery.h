/* SPDX-License-Identifier: Apache-2.0 */
/* What a home keeps so that a custodian can open it once its passphrase is forgotten. */
#ifndef KITH_CLIENT_RECOVERY_H
#define KITH_CLIENT_RECOVERY_H

#include "client/home.h"

/* Seals the data key to the custodians as the roster has them now; nothing is written if they are
 * the same as before. */
MUST_USE enum kith_err recovery_refresh(struct kith *kith);

#endif
