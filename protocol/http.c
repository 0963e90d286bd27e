/* SPDX-License-Identifier: Apache-2.0 */
/* http_parser reads the lines and the lengths; the headers that matter are a table. */
#include "protocol/http.h"

#include <string.h>
#include <strings.h>

#define BAD_REQUEST      400
#define BODY_TOO_LARGE   413
#define HEAD_TOO_LARGE   431
#define OTHER_VERSION    505
#define RETRY_DIGITS_MAX 6

static int refuse(struct http *http, unsigned status)
{
    http->stage = HTTP_BROKEN;
    if (!http->refusal)
        http->refusal = status;
    return -1;
}

bool http_list_names(const char *list, const char *name)
{
    size_t len = strlen(name);

    while (*list) {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, " \t,");
        if (item == len && strncasecmp(list, name, len) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

static void read_host(struct http *http, const char *value)
{
    http->head.has_host = *value != '\0';
}

static void read_connection(struct http *http, const char *value)
{
    http->names_upgrade = http->names_upgrade || http_list_names(value, "upgrade");
}

static void read_upgrade(struct http *http, const char *value)
{
    http->names_websocket = http_list_names(value, "websocket");
}

static void read_version(struct http *http, const char *value)
{
    http->head.websocket_version = strcmp(value, "13") == 0 ? 13 : 0;
}

static void read_key(struct http *http, const char *value)
{
    memcpy(http->head.websocket_key, value, strlen(value) + 1);
}

static void read_accept(struct http *http, const char *value)
{
    memcpy(http->head.websocket_accept, value, strlen(value) + 1);
}

static void read_protocol(struct http *http, const char *value)
{
    memcpy(http->head.websocket_protocol, value, strlen(value) + 1);
}

static void read_coding(struct http *http, const char *value)
{
    (void)value;
    http->head.is_coded = true;
}

static void read_length(struct http *http, const char *value)
{
    (void)value; /* http_parser has read it, and refuses two */
    http->head.has_length = true;
}

static void read_expect(struct http *http, const char *value)
{
    http->head.waits_for_go = strcasecmp(value, "100-continue") == 0;
}

static void read_retry(struct http *http, const char *value)
{
    uint32_t seconds = 0;

    if (strlen(value) > RETRY_DIGITS_MAX)
        return;
    for (; *value >= '0' && *value <= '9'; value++)
        seconds = seconds * 10 + (uint32_t)(*value - '0');
    http->head.retry_s = *value ? 0 : seconds;
}

static const struct header {
    const char *name;
    void (*read)(struct http *http, const char *value);
    bool may_repeat;
} headers[] = {
    {"Host", read_host, false},
    {"Connection", read_connection, true},
    {"Upgrade", read_upgrade, false},
    {"Sec-WebSocket-Version", read_version, false},
    {"Sec-WebSocket-Key", read_key, false},
    {"Sec-WebSocket-Accept", read_accept, false},
    {"Sec-WebSocket-Protocol", read_protocol, false},
    {"Transfer-Encoding", read_coding, true},
    {"Content-Length", read_length, false},
    {"Expect", read_expect, false},
    {"Retry-After", read_retry, false},
};
#define HEADER_COUNT (sizeof headers / sizeof *headers)
_Static_assert(HEADER_COUNT <= 32, "`seen` has a bit for each");

/* A header is whole. Names that are too long are nobody's we know. */
static int end_header(struct http *http)
{
    size_t i = 0;

    if (http->name_len == 0 || http->name_len >= HTTP_NAME_MAX)
        return 0;
    http->name[http->name_len] = '\0';
    while (i < HEADER_COUNT && strcasecmp(http->name, headers[i].name) != 0)
        i++;
    if (i == HEADER_COUNT)
        return 0;
    if (http->value_len >= HTTP_VALUE_MAX || strlen(http->name) != http->name_len ||
        ((http->seen & (1u << i)) && !headers[i].may_repeat))
        return refuse(http, BAD_REQUEST);
    http->seen |= 1u << i;
    http->value[http->value_len] = '\0';
    headers[i].read(http, http->value);
    return 0;
}

/* Keeps counting beyond the room, so that the end knows it was too long. */
static void append(char *to, size_t *len, size_t room, const char *from, size_t count)
{
    if (*len + count < room)
        memcpy(to + *len, from, count);
    *len = *len + count < room ? *len + count : room;
}

static int on_name(http_parser *parser, const char *at, size_t len)
{
    struct http *http = parser->data;

    if (http->is_value) {
        if (end_header(http))
            return -1;
        http->name_len = 0;
        http->value_len = 0;
        http->is_value = false;
    }
    if (memchr(at, ' ', len))
        return refuse(http, BAD_REQUEST); /* it could be one name to us and another to a proxy */
    append(http->name, &http->name_len, sizeof http->name, at, len);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct http *http = parser->data;

    http->is_value = true;
    append(http->value, &http->value_len, sizeof http->value, at, len);
    return 0;
}

static int on_path(http_parser *parser, const char *at, size_t len)
{
    struct http *http = parser->data;

    append(http->head.path, &http->path_len, sizeof http->head.path, at, len);
    return 0;
}

/* What follows is a body, or nothing, or no HTTP at all. */
static int on_head(http_parser *parser)
{
    struct http *http = parser->data;
    struct http_head *head = &http->head;

    if (end_header(http))
        return -1;
    if (parser->http_major != 1)
        return refuse(http, OTHER_VERSION);
    if (http->path_len >= sizeof head->path)
        memset(head->path, 0, sizeof head->path); /* none of ours is that long */
    head->is_get = parser->method == HTTP_GET && parser->type == HTTP_REQUEST;
    head->is_post = parser->method == HTTP_POST && parser->type == HTTP_REQUEST;
    head->status = parser->type == HTTP_RESPONSE ? parser->status_code : 0;
    head->wants_websocket = http->names_upgrade && http->names_websocket;
    head->length = head->has_length ? parser->content_length : 0;
    http->stage = HTTP_IN_BODY;
    http_parser_pause(parser, 1); /* before its last byte: the owner looks first */
    if (parser->type == HTTP_REQUEST && head->length > http->body.max)
        return refuse(http, BODY_TOO_LARGE);
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    struct http *http = parser->data;

    buffer_add(&http->body, at, len);
    return http->body.err ? refuse(http, BODY_TOO_LARGE) : 0;
}

static int on_whole(http_parser *parser)
{
    struct http *http = parser->data;

    http->stage = HTTP_WHOLE;
    http_parser_pause(parser, 1);
    return 0;
}

void http_init(struct http *http, bool is_request, size_t body_max)
{
    memset(http, 0, sizeof *http);
    http_parser_init(&http->parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE);
    http->parser.data = http;
    buffer_init(&http->body, body_max);
}

void http_clear(struct http *http)
{
    buffer_clear(&http->body);
}

static size_t parse(struct http *http, struct bytes in)
{
    static const http_parser_settings settings = {.on_url = on_path,
                                                  .on_header_field = on_name,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_head,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_whole};
    size_t taken = http_parser_execute(&http->parser, &settings, (const char *)in.ptr, in.len);
    enum http_errno failed = HTTP_PARSER_ERRNO(&http->parser);

    if (failed != HPE_OK && failed != HPE_PAUSED)
        (void)refuse(http, failed == HPE_HEADER_OVERFLOW ? HEAD_TOO_LARGE : BAD_REQUEST);
    return taken < in.len ? taken : in.len;
}

size_t http_receive(struct http *http, struct bytes in)
{
    size_t taken = 0;

    if (http->stage == HTTP_IN_BODY) {
        taken = parse(http, in);
    } else if (http->stage == HTTP_IN_HEAD) {
        size_t room = HTTP_HEAD_MAX - http->head_bytes;
        taken = parse(http, bytes_of(in.ptr, in.len < room ? in.len : room));
        if (http->stage == HTTP_IN_BODY && taken < in.len) {
            http_parser_pause(&http->parser, 0);
            taken += parse(http, bytes_of(in.ptr + taken, 1));
        }
        http->head_bytes += taken;
        if (http->stage == HTTP_IN_HEAD && http->head_bytes >= HTTP_HEAD_MAX)
            (void)refuse(http, HEAD_TOO_LARGE);
    }
    return taken;
}

void http_end(struct http *http)
{
    if (http->stage == HTTP_IN_BODY)
        (void)parse(http, bytes_of(NULL, 0));
    if (http->stage != HTTP_WHOLE)
        (void)refuse(http, BAD_REQUEST);
}
