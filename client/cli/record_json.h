/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in JSON: numbers as numbers, flags as booleans, lists as lists, a cleared value as null.
 */
#ifndef KITH_CLIENT_CLI_RECORD_JSON_H
#define KITH_CLIENT_CLI_RECORD_JSON_H

#include "client/cli/json.h"
#include "client/kith.h"

void record_json(struct json *json, const struct kith_record *record);
/* A visit's id, state, and what it lacks. */
void check_json(struct json *json, const struct kith_record *record);
/* The member "values": the versions of a field, each with who wrote it, when and where. */
void versions_json(struct json *json, const struct kith_field *field);

#endif
