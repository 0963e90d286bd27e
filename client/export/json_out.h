/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer of one JSON document (RFC 8259) into a buffer, for exports in which an empty member may
 * not stand: text that is empty or NULL is left out.
 *
 * `name` is the member's name within an object and NULL within a list or at the top. Text that is
 * not UTF-8, and control characters but line ends and tabs, become U+FFFD. The buffer carries its
 * first failure along.
 */
#ifndef KITH_CLIENT_EXPORT_JSON_OUT_H
#define KITH_CLIENT_EXPORT_JSON_OUT_H

#include "protocol/bytes.h"

#define JSON_OUT_DEPTH_MAX 32

struct json_out {
    struct buffer *buffer;
    unsigned depth;
    char closing[JSON_OUT_DEPTH_MAX];
    bool has_item[JSON_OUT_DEPTH_MAX];
};

struct json_out json_out_to(struct buffer *buffer);
void json_out_object(struct json_out *out, const char *name);
void json_out_list(struct json_out *out, const char *name);
/* Ends the innermost object or list. */
void json_out_end(struct json_out *out);
void json_out_text(struct json_out *out, const char *name, const char *text);
void json_out_number(struct json_out *out, const char *name, int64_t number);
/* Bytes as base64 (RFC 4648, section 4). */
void json_out_base64(struct json_out *out, const char *name, struct bytes content);

#endif
