/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer of one JSON document (RFC 8259) on one line: objects and lists are opened and ended, the
 * rest is values.
 *
 * `name` is the member's name within an object and NULL within a list or at the top. Text that is
 * not UTF-8 gets U+FFFD where it is not. Write errors stay with the stream: ask ferror at the end.
 */
#ifndef KITH_CLIENT_CLI_JSON_H
#define KITH_CLIENT_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 32

struct json {
    FILE *out;
    unsigned depth;
    char closing[JSON_DEPTH_MAX]; /* the brackets that are open */
    bool has_item[JSON_DEPTH_MAX];
};

struct json json_to(FILE *out);
void json_object(struct json *json, const char *name);
void json_list(struct json *json, const char *name);
/* Ends the innermost object or list; after the outermost a line ends. */
void json_end(struct json *json);
/* NULL is null. */
void json_text(struct json *json, const char *name, const char *text);
void json_number(struct json *json, const char *name, int64_t number);
void json_count(struct json *json, const char *name, uint64_t count);
/* "4", "3.5"; null below 0. */
void json_tenths(struct json *json, const char *name, int64_t tenths);
void json_flag(struct json *json, const char *name, bool flag);

#endif
