/* SPDX-License-Identifier: Apache-2.0 */
/* What this device has noticed of a hub or a device that does not tell the truth, and of whom
 * nothing was heard: for `kith status`, and after a sync. */
#ifndef KITH_CLIENT_CLI_ALARMS_H
#define KITH_CLIENT_CLI_ALARMS_H

#include "client/cli/cli.h"
#include "client/cli/json.h"

/* What was known before a sync; then, on standard error, what it raised or found again. */
struct alarms_before {
    struct kith_alarm *alarms;
    size_t count;
};
struct alarms_before alarms_before(struct cli *cli);
void alarms_say(struct cli *cli, struct alarms_before *before);

/* Into the object of `kith status --json`, and as sentences. A code, as of the public calls. */
int alarms_json(struct cli *cli, struct json *json);
int alarms_show(struct cli *cli);

#endif
