/* SPDX-License-Identifier: Apache-2.0 */
/* Who could read a chart once, for `circle show`. */
#ifndef KITH_CLIENT_CLI_LEAVING_H
#define KITH_CLIENT_CLI_LEAVING_H

#include "client/cli/cli.h"
#include "client/cli/json.h"

/* The member "left": devices that could read the chart, and until when. */
void left_json(struct json *json, const struct kith_circle *circle);
void left_show(const struct cli *cli, const struct kith_circle *circle);

#endif
