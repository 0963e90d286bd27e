/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an image opens as the programs would open it, without anything being repaired by hand,
 * is sound, holds what was promised, and can be written to. */
#ifndef KITH_TESTS_FAULTS_CHECK_H
#define KITH_TESTS_FAULTS_CHECK_H

#include "tests/faults/promise.h"

#define FINDING_TEXT 200

/* False, and why. */
bool check_hub(const char *folder, const struct promises *promises, char finding[FINDING_TEXT]);
bool check_laptop(const char *folder, const uint8_t key[static KEY_BYTES],
                  const struct promises *promises, char finding[FINDING_TEXT]);

#endif
