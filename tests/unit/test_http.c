/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and responses, what of them counts, and what is refused; and the front of a connection
 * that reads a request and carries a session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/front.h"
#include "protocol/channel.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define UPGRADE                                                                                    \
    "GET /kith HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                 \
    "Sec-WebSocket-Protocol: kith.1\r\n\r\n"

/* Reads all of the text, and says how many bytes were left behind the message. */
static size_t read_text(struct http *http, bool is_request, const char *text)
{
    struct bytes in = bytes_text(text);

    http_init(http, is_request, 100);
    while (in.len > 0 && http->stage != HTTP_WHOLE && http->stage != HTTP_BROKEN)
        in = bytes_after(in, http_receive(http, in));
    return in.len;
}

static void a_list_names_what_stands_between_its_commas(void **state)
{
    static const struct {
        const char *list;
        const char *name;
        bool is_named;
    } rows[] = {
        {"upgrade", "upgrade", true},
        {"Upgrade", "upgrade", true},
        {"keep-alive, Upgrade", "upgrade", true},
        {" \tupgrade\t,x", "upgrade", true},
        {"x,,upgrade", "upgrade", true},
        {"", "upgrade", false},
        {",", "upgrade", false},
        {"upgrades", "upgrade", false},
        {"an upgrade", "upgrade", false},
        {"upgrad", "upgrade", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(http_list_names(rows[i].list, rows[i].name), rows[i].is_named);
}

static void what_counts_of_a_request_is_read(void **state)
{
    struct http http;

    (void)state;
    assert_int_equal(read_text(&http, true, UPGRADE "rest"), 4);
    assert_int_equal(http.stage, HTTP_WHOLE);
    assert_true(http.head.is_get && http.head.wants_websocket && http.head.has_host);
    assert_string_equal(http.head.path, "/kith");
    assert_string_equal(http.head.websocket_protocol, "kith.1");
    assert_int_equal(http.head.websocket_version, 13);
    http_clear(&http);

    assert_int_equal(read_text(&http, true,
                               "POST /sync HTTP/1.1\r\nContent-Length: 5\r\n"
                               "Expect: 100-continue\r\n\r\nhelloPOST"),
                     4);
    assert_int_equal(http.stage, HTTP_WHOLE);
    assert_true(http.head.is_post && http.head.has_length && http.head.waits_for_go);
    assert_false(http.head.has_host || http.head.is_coded || http.head.wants_websocket);
    assert_true(bytes_equal(buffer_view(&http.body), bytes_text("hello")));
    http_clear(&http);
}

static void a_head_is_told_before_its_body(void **state)
{
    struct bytes in = bytes_text("POST /sync HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
    struct http http;

    (void)state;
    http_init(&http, true, 100);
    size_t taken = http_receive(&http, in);
    assert_int_equal(taken, in.len - 5);
    assert_int_equal(http.stage, HTTP_IN_BODY);
    assert_int_equal(http.body.len, 0);
    assert_int_equal(http_receive(&http, bytes_after(in, taken)), 5);
    assert_int_equal(http.stage, HTTP_WHOLE);
    http_clear(&http);
}

static void what_counts_of_a_response_is_read(void **state)
{
    struct http http;

    (void)state;
    assert_int_equal(read_text(&http, false,
                               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: upgrade\r\nSec-WebSocket-Accept: abc\r\n\r\n\x82"),
                     1);
    assert_int_equal(http.head.status, 101);
    assert_true(http.head.wants_websocket);
    assert_string_equal(http.head.websocket_accept, "abc");
    http_clear(&http);

    (void)read_text(&http, false,
                    "HTTP/1.1 503 Busy\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(http.head.status, 503);
    assert_int_equal(http.head.retry_s, 17);
    http_clear(&http);
    (void)read_text(&http, false, "HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec\r\n\r\n");
    assert_int_equal(http.head.retry_s, 0);
    http_clear(&http);

    (void)read_text(&http, false,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    assert_int_equal(http.stage, HTTP_WHOLE);
    assert_true(bytes_equal(buffer_view(&http.body), bytes_text("hello")));
    http_clear(&http);

    (void)read_text(&http, false, "HTTP/1.0 200 OK\r\n\r\nhello");
    assert_int_equal(http.stage, HTTP_IN_BODY);
    http_end(&http);
    assert_int_equal(http.stage, HTTP_WHOLE);
    assert_true(bytes_equal(buffer_view(&http.body), bytes_text("hello")));
    http_clear(&http);

    (void)read_text(&http, false, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    http_end(&http);
    assert_int_equal(http.stage, HTTP_BROKEN);
    http_clear(&http);
}

static void what_could_mean_two_things_is_refused(void **state)
{
    static const struct {
        const char *text;
        unsigned refusal;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400},
        {"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nUpgrade: a\r\nUpgrade: websocket\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\n\r\n", 505},
        {"GET / HTTP/1.1\nHost\n\n", 400},
        {"\r\n\r\nnothing", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http http;
        (void)read_text(&http, true, rows[i].text);
        assert_int_equal(http.stage, HTTP_BROKEN);
        assert_int_equal(http.refusal, rows[i].refusal);
        http_clear(&http);
    }
}

static void a_head_is_bounded(void **state)
{
    char *text = malloc(2 * HTTP_HEAD_MAX);
    struct http http;

    (void)state;
    assert_non_null(text);
    for (int extra = -1; extra <= 1; extra++) {
        int padding = HTTP_HEAD_MAX + extra - (int)strlen("GET / HTTP/1.1\r\nX: \r\n\r\n");
        (void)snprintf(text, 2 * HTTP_HEAD_MAX, "GET / HTTP/1.1\r\nX: %0*d\r\n\r\n", padding, 0);
        (void)read_text(&http, true, text);
        assert_int_equal(http.stage, extra > 0 ? HTTP_BROKEN : HTTP_WHOLE);
        assert_int_equal(http.refusal, extra > 0 ? 431 : 0);
        http_clear(&http);
    }
    free(text);
}

static bool begins_with(const struct buffer *buffer, const char *text)
{
    return buffer->len >= strlen(text) && memcmp(buffer->ptr, text, strlen(text)) == 0;
}

/* What a front answers to all of this, given at once or a byte at a time. */
static void front_read(struct front *front, const char *text, size_t piece)
{
    struct bytes in = bytes_text(text);

    while (in.len > 0) {
        size_t count = in.len < piece ? in.len : piece;
        if (front_wants_bytes(front))
            front_receive(front, bytes_of(in.ptr, count));
        in = bytes_after(in, count);
    }
}

static void a_front_is_for_what_begins_like_http(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++)
        assert_int_equal(front_is_for((uint8_t)first),
                         first >= 'A' && first <= 'Z' && first != 'K');
}

static void a_front_pings_and_says_why_it_ends(void **state)
{
    static const struct {
        enum kith_err err;
        bool is_leaving;
        uint16_t code;
    } rows[] = {{KITH_OK, false, 1000},      {KITH_OK, true, 1001},
                {KITH_BUSY, false, 1001},    {KITH_HANDSHAKE, false, 1008},
                {KITH_DECRYPT, false, 1008}, {KITH_MEMORY, false, 1011},
                {KITH_EXPIRED, false, 1008}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct front *front = front_new();
        assert_non_null(front);
        front_read(front, UPGRADE, i + 1);
        assert_int_equal(front->stage, FRONT_WEBSOCKET);
        assert_true(begins_with(&front->out, "HTTP/1.1 101 "));
        buffer_reset(&front->out);
        front_ping(front);
        assert_true(front->out.len == 2 && memcmp(front->out.ptr, "\x89\0", 2) == 0);
        buffer_reset(&front->out);
        front_end(front, rows[i].err, rows[i].is_leaving);
        assert_int_equal(front->out.len, 4);
        assert_int_equal(get_u16(front->out.ptr + 2), rows[i].code);
        buffer_reset(&front->out);
        front_ping(front);
        front_end(front, KITH_OK, false);
        front_send(front, bytes_of("\0\020sixteen letters.", 18));
        assert_int_equal(front->out.len, 0); /* after the last word there is none */
        front_free(front);
    }
}

/* What is held is counted, byte by byte, and given away once. */
static void a_front_counts_what_it_holds(void **state)
{
    static const char post[] = "POST /sync HTTP/1.1\r\nContent-Length: 40\r\n\r\n";
    struct front *front = front_new();

    (void)state;
    assert_non_null(front);
    front_read(front, post, 1);
    assert_int_equal(front->stage, FRONT_POST);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(front_partial(front), i);
        assert_int_equal(front_stream(front).len, 0);
        assert_false(front_is_posted(front));
        front_receive(front, bytes_of("x", 1));
    }
    assert_int_equal(front_stream(front).len, 40);
    assert_true(front_is_posted(front));
    assert_int_equal(front_partial(front) + front_waiting(front), 0);
    assert_int_equal(front_stream(front).len, 0);
    front_send(front, bytes_of("\0\020sixteen letters.", 18));
    assert_true(begins_with(&front->out, "HTTP/1.1 200 OK\r\n"));
    front_free(front);
}

static void a_busy_hub_says_so_in_the_words_of_the_request(void **state)
{
    uint8_t refusal[CHANNEL_REFUSAL_BYTES];
    static const char *begun[] = {"G", "GET /kith HTTP/1.1\r\n",
                                  "POST /sync HTTP/1.1\r\nContent-Length: 40\r\n\r\nabc"};

    (void)state;
    channel_refusal_write(refusal, 21);
    for (size_t i = 0; i < COUNT_OF(begun); i++) {
        struct front *front = front_new();
        assert_non_null(front);
        front_read(front, begun[i], 100);
        front_send(front, bytes_of(refusal, sizeof refusal));
        assert_true(
            begins_with(&front->out, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 21\r\n"));
        assert_true(front_is_over(front));
        front_free(front);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_names_what_stands_between_its_commas),
        cmocka_unit_test(what_counts_of_a_request_is_read),
        cmocka_unit_test(a_head_is_told_before_its_body),
        cmocka_unit_test(what_counts_of_a_response_is_read),
        cmocka_unit_test(what_could_mean_two_things_is_refused),
        cmocka_unit_test(a_head_is_bounded),
        cmocka_unit_test(a_front_is_for_what_begins_like_http),
        cmocka_unit_test(a_front_pings_and_says_why_it_ends),
        cmocka_unit_test(a_front_counts_what_it_holds),
        cmocka_unit_test(a_busy_hub_says_so_in_the_words_of_the_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
