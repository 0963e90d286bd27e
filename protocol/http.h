/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1 message, a request or a response: what its head says that matters here, then its body.
 * Without I/O.
 *
 * What could mean two things is refused: a header of ours that comes twice or is too long, two
 * lengths, a head over HTTP_HEAD_MAX bytes. After one message nothing more is read.
 */
#ifndef KITH_PROTOCOL_HTTP_H
#define KITH_PROTOCOL_HTTP_H

#include <http_parser.h>

#include "protocol/bytes.h"

#define HTTP_HEAD_MAX  8192
#define HTTP_NAME_MAX  32 /* no name that matters is longer */
#define HTTP_VALUE_MAX 256
#define HTTP_PATH_MAX  128

enum http_stage { HTTP_IN_HEAD, HTTP_IN_BODY, HTTP_WHOLE, HTTP_BROKEN };

struct http_head {
    char path[HTTP_PATH_MAX]; /* a request's */
    bool is_get;
    bool is_post;
    unsigned status; /* a response's */
    bool has_host;
    bool wants_websocket; /* Upgrade names it, Connection names Upgrade */
    bool is_coded;        /* has a Transfer-Encoding */
    bool has_length;
    bool waits_for_go; /* Expect: 100-continue */
    uint64_t length;
    uint32_t retry_s; /* Retry-After, in seconds; 0: not said, or as a date */
    unsigned websocket_version;
    char websocket_key[HTTP_VALUE_MAX];
    char websocket_accept[HTTP_VALUE_MAX];
    char websocket_protocol[HTTP_VALUE_MAX];
};

struct http {
    struct http_parser parser;
    enum http_stage stage;
    unsigned refusal; /* with HTTP_BROKEN: the status that says why */
    size_t head_bytes;
    struct http_head head;
    struct buffer body; /* what came of it and was not taken */
    bool names_upgrade; /* in Connection */
    bool names_websocket;
    uint32_t seen; /* headers of ours, by their place in the table */
    bool is_value; /* the last piece was of a value */
    size_t path_len;
    size_t name_len;
    size_t value_len;
    char name[HTTP_NAME_MAX];
    char value[HTTP_VALUE_MAX];
};

/* `body_max`: what a request may bring at all, what of a response may wait at once. */
void http_init(struct http *http, bool is_request, size_t body_max);
void http_clear(struct http *http);
/* Takes up to `in.len` bytes and returns how many; what is behind the message is left. It stops
 * once the head is whole: call it again for the body. */
size_t http_receive(struct http *http, struct bytes in);
/* The stream ended: that may be the end of a response. */
void http_end(struct http *http);
/* Whether a list like "a, b" names it, case aside. */
bool http_list_names(const char *list, const char *name);

#endif
