/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of each type, the receipt's signature, and the digest. */
#include <string.h>

#include "tests/vectors/vectors.h"

static struct json *begin_frame(struct vectors *vectors, const char *name, struct buffer *frame)
{
    struct json *json = vector_begin(vectors, name);

    assert_int_equal(frame->err, KITH_OK);
    vector_hex(json, "bytes", buffer_view(frame));
    buffer_reset(frame);
    return json;
}

static void tell_hello(struct vectors *vectors, struct buffer *out)
{
    struct hello hello = {.version = 1, .device = 70000, .clock_ms = UINT64_C(1700000000123)};

    hello_write(out, &hello);
    struct json *json = begin_frame(vectors, "HELLO", out);
    json_count(json, "version", hello.version);
    json_count(json, "device", hello.device);
    vector_u64(json, "clock_ms", hello.clock_ms);
    vector_end(vectors);
}

static void tell_welcome(struct vectors *vectors, struct buffer *out, bool is_founding)
{
    struct welcome welcome = {
        .version = 1, .clock_ms = UINT64_C(1700000000456), .has_sign_key = is_founding};

    seal_random(welcome.incarnation, INCARNATION_BYTES);
    seal_random(welcome.sign_key, KEY_BYTES);
    welcome_write(out, &welcome);
    struct json *json = begin_frame(vectors, "WELCOME", out);
    json_count(json, "version", welcome.version);
    vector_hex(json, "incarnation", bytes_of(welcome.incarnation, INCARNATION_BYTES));
    vector_u64(json, "clock_ms", welcome.clock_ms);
    if (is_founding)
        vector_key(json, "hub_sign_key", welcome.sign_key);
    vector_end(vectors);
}

static void tell_pull(struct vectors *vectors, struct buffer *out, struct bytes cursor)
{
    struct pull pull = {.cursor = cursor, .own = 300};

    seal_random(pull.incarnation, INCARNATION_BYTES);
    seal_random(pull.digest, DIGEST_BYTES);
    pull_write(out, &pull);
    struct json *json = begin_frame(vectors, "PULL", out);
    vector_hex(json, "incarnation", bytes_of(pull.incarnation, INCARNATION_BYTES));
    vector_hex(json, "cursor", cursor);
    vector_hex(json, "digest", bytes_of(pull.digest, DIGEST_BYTES));
    vector_u64(json, "own", pull.own);
    vector_end(vectors);

    struct cursor_frame ends = {.cursor = cursor, .is_up_to_date = cursor.len == 0};
    cursor_write(out, &ends);
    json = begin_frame(vectors, "CURSOR", out);
    vector_hex(json, "cursor", cursor);
    json_flag(json, "up_to_date", ends.is_up_to_date);
    vector_end(vectors);
}

static void tell_run(struct vectors *vectors, const char *name, struct buffer *out,
                     enum frame_type type)
{
    struct frame frame;
    struct run run;
    struct change change;
    uint8_t text[256];

    made_run(out, type, 3, 5, 2);
    assert_true(out->len <= sizeof text * 4);
    struct wire_in batch = wire_open(buffer_view(out));
    assert_true(frame_next(&batch, &frame));
    assert_int_equal(run_read(&run, &frame), KITH_OK);
    struct json *json = vector_begin(vectors, name);
    vector_hex(json, "bytes", buffer_view(out));
    vector_id(json, "circle", run.circle);
    json_count(json, "device", run.device);
    vector_u64(json, "first_n", run.first_n);
    json_list(json, "changes");
    while (run_next(&run, &change)) {
        json_object(json, NULL);
        json_number(json, "class", change.class);
        json_count(json, "epoch", change.epoch);
        vector_hex(json, "sealed", change.sealed);
        vector_hex(json, "signature", bytes_of(change.signature, SIGNATURE_BYTES));
        json_end(json);
    }
    json_end(json);
    vector_end(vectors);
    buffer_reset(out);
}

static void tell_ack_line(struct json *json, const struct ack_line *line)
{
    json_object(json, NULL);
    json_number(json, "kind", line->kind);
    vector_hex(json, "circle", bytes_of(line->circle, line->kind == ACK_ROSTER ? 0 : ID_BYTES));
    json_count(json, "device", line->device);
    vector_u64(json, "n", line->n);
    vector_key(json, "head", line->head);
    json_end(json);
}

static void tell_ack(struct vectors *vectors, struct buffer *out)
{
    struct ack_line of[] = {{.kind = ACK_CHAIN, .device = 70000, .n = 300},
                            {.kind = ACK_CIRCLE, .n = 2},
                            {.kind = ACK_ROSTER, .n = 9},
                            {.kind = ACK_HELD, .device = 4, .n = 7}};
    struct made_device hub;
    struct buffer lines;
    uint8_t agency[ID_BYTES];
    uint8_t incarnation[INCARNATION_BYTES];
    uint8_t hash[HASH_BYTES];
    uint8_t signature[SIGNATURE_BYTES];

    made_device_keys(&hub, 1002);
    seal_random(agency, sizeof agency);
    seal_random(incarnation, sizeof incarnation);
    buffer_init(&lines, BATCH_MAX);
    for (size_t i = 0; i < COUNT_OF(of); i++) {
        if (of[i].kind != ACK_ROSTER)
            seal_random(of[i].circle, ID_BYTES);
        seal_random(of[i].head, HASH_BYTES);
        ack_line_write(&lines, &of[i]);
    }
    ack_hash(agency, incarnation, buffer_view(&lines), hash);
    seal_sign(SEAL_RECEIPT_SIGN, hub.sign_secret, hash, signature);
    ack_write(out, 3, COUNT_OF(of), buffer_view(&lines), signature);
    struct json *json = begin_frame(vectors, "ACK", out);
    vector_id(json, "agency", agency);
    vector_hex(json, "incarnation", bytes_of(incarnation, sizeof incarnation));
    vector_key(json, "hub_sign_key", hub.keys.sign);
    vector_key(json, "hash", hash);
    json_count(json, "batches", 3);
    json_list(json, "lines");
    for (size_t i = 0; i < COUNT_OF(of); i++)
        tell_ack_line(json, &of[i]);
    json_end(json);
    vector_hex(json, "signature", bytes_of(signature, sizeof signature));
    vector_end(vectors);
    buffer_clear(&lines);
}

static void tell_refused(struct vectors *vectors, struct buffer *out)
{
    struct refused refused = {
        .kind = ACK_CHAIN, .device = 7, .n = UINT64_C(1) << 40, .reason = KITH_NOT_MEMBER};

    seal_random(refused.circle, ID_BYTES);
    refused_write(out, &refused);
    struct json *json = begin_frame(vectors, "REFUSED", out);
    json_number(json, "kind", refused.kind);
    vector_id(json, "circle", refused.circle);
    json_count(json, "device", refused.device);
    vector_u64(json, "n", refused.n);
    json_number(json, "reason", refused.reason);
    vector_end(vectors);
}

static void tell_entries(struct vectors *vectors, struct buffer *out)
{
    struct bytes entries[] = {bytes_text("one entry"), bytes_text("another")};
    uint8_t row[BOX_ROW_BYTES];
    uint8_t circle[ID_BYTES];

    roster_frame_write(out, 4, entries, 2);
    struct json *json = begin_frame(vectors, "ROSTER", out);
    json_count(json, "first_seq", 4);
    json_list(json, "entries");
    vector_hex(json, NULL, entries[0]);
    vector_hex(json, NULL, entries[1]);
    json_end(json);
    vector_end(vectors);

    seal_random(circle, sizeof circle);
    seal_random(row, sizeof row);
    put_u32(row, 70000);
    circle_frame_write(out, circle, 2, entries[0], bytes_of(row, sizeof row));
    json = begin_frame(vectors, "CIRCLE", out);
    vector_id(json, "circle", circle);
    json_count(json, "seq", 2);
    vector_hex(json, "entry", entries[0]);
    json_list(json, "boxes");
    json_object(json, NULL);
    json_count(json, "device", 70000);
    vector_hex(json, "box", bytes_of(row + 4, BOX_BYTES));
    json_end(json);
    json_end(json);
    vector_end(vectors);
}

static void tell_invite(struct vectors *vectors, struct buffer *out)
{
    struct invite_frame invite = {.device = 12};

    seal_random(invite.psk, KEY_BYTES);
    invite_write(out, &invite);
    struct json *json = begin_frame(vectors, "INVITE", out);
    json_count(json, "device", invite.device);
    vector_key(json, "psk", invite.psk);
    vector_end(vectors);
}

static void tell_held(struct vectors *vectors, struct buffer *out)
{
    uint8_t signature[SIGNATURE_BYTES];
    struct held held = {.device = 7,
                        .n = 9,
                        .change = {CHANGE_URGENT, 3, bytes_text("sealed"), signature},
                        .leaving = LEAVING_REVOKED,
                        .time_s = MADE_NOW_S};

    seal_random(signature, sizeof signature);
    seal_random(held.circle, ID_BYTES);
    seal_random(held.prev, HASH_BYTES);
    held_write(out, &held);
    struct json *json = begin_frame(vectors, "HELD", out);
    vector_id(json, "circle", held.circle);
    json_count(json, "device", held.device);
    vector_u64(json, "n", held.n);
    vector_key(json, "prev", held.prev);
    json_number(json, "class", held.change.class);
    json_count(json, "epoch", held.change.epoch);
    vector_hex(json, "sealed", held.change.sealed);
    vector_hex(json, "signature", bytes_of(signature, sizeof signature));
    json_number(json, "leaving", held.leaving);
    vector_u64(json, "time_s", held.time_s);
    vector_end(vectors);
}

static void tell_small(struct vectors *vectors, struct buffer *out)
{
    credit_write(out, 65000);
    struct json *json = begin_frame(vectors, "CREDIT", out);
    vector_u64(json, "bytes_stored", 65000);
    vector_end(vectors);
    error_write(out, KITH_ENDED);
    json = begin_frame(vectors, "ERROR", out);
    json_number(json, "reason", KITH_ENDED);
    vector_end(vectors);
    bye_write(out);
    (void)begin_frame(vectors, "BYE", out);
    vector_end(vectors);
    retry_write(out, 90);
    json = begin_frame(vectors, "RETRY", out);
    json_count(json, "seconds", 90);
    vector_end(vectors);
}

static void tell_digest(struct vectors *vectors)
{
    struct json *json = vector_begin(vectors, "digest");
    uint8_t digest[DIGEST_BYTES] = {0};
    uint8_t id[HASH_BYTES];

    json_list(json, "ids");
    for (int i = 0; i < 5; i++) {
        seal_random(id, sizeof id);
        digest_add(digest, id);
        vector_key(json, NULL, id);
    }
    json_end(json);
    vector_hex(json, "digest", bytes_of(digest, sizeof digest));
    vector_end(vectors);
}

void vectors_frames(struct vectors *vectors)
{
    uint8_t cursor[40];
    struct buffer out;

    buffer_init(&out, BATCH_MAX);
    seal_random(cursor, sizeof cursor);
    tell_hello(vectors, &out);
    tell_welcome(vectors, &out, false);
    tell_welcome(vectors, &out, true);
    tell_run(vectors, "PUSH", &out, FRAME_PUSH);
    tell_run(vectors, "CHANGES", &out, FRAME_CHANGES);
    tell_ack(vectors, &out);
    tell_refused(vectors, &out);
    tell_pull(vectors, &out, bytes_of(cursor, sizeof cursor));
    tell_pull(vectors, &out, bytes_of(NULL, 0));
    tell_entries(vectors, &out);
    tell_invite(vectors, &out);
    tell_small(vectors, &out);
    tell_held(vectors, &out);
    tell_digest(vectors);
    buffer_clear(&out);
}
