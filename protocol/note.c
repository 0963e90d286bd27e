/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/note.h"

#include <string.h>

#include "protocol/seal.h"

#define STEP_VERSION   1
#define STEP_ITEMS     14
#define STEP_BODY_MAX  (VALUE_MAX - SIGNATURE_BYTES - 16)
#define CONTENT_MAX    (1u << 24)
#define AMENDED_ITEMS  3
#define STEP_KIND_LAST NOTE_KEEP

const char *note_step_word(enum note_step_kind kind)
{
    switch (kind) {
#define NOTE_STEP_WORD(name, number, word)                                                         \
    case NOTE_##name:                                                                              \
        return word;
        NOTE_STEP_KINDS(NOTE_STEP_WORD)
#undef NOTE_STEP_WORD
    }
    return "";
}

static const char *const addendum_words[] = {[ADDENDUM_NONE] = "",
#define ADDENDUM_WORD(name, number, word) [number] = (word),
                                             ADDENDUM_KINDS(ADDENDUM_WORD)
#undef ADDENDUM_WORD
};
#define ADDENDUM_COUNT (sizeof addendum_words / sizeof *addendum_words)

const char *addendum_word(enum addendum_kind kind)
{
    return addendum_words[kind];
}

enum addendum_kind addendum_of(const char *word)
{
    for (size_t i = 1; i < ADDENDUM_COUNT; i++)
        if (strcmp(addendum_words[i], word) == 0)
            return (enum addendum_kind)i;
    return ADDENDUM_NONE;
}

const char *note_state_word(enum note_state state)
{
    static const char *const words[] = {
#define NOTE_STATE_WORD(name, word) [NOTE_IS_##name] = (word),
        NOTE_STATES(NOTE_STATE_WORD)
#undef NOTE_STATE_WORD
    };
    return words[state];
}

/* Type, field, value for each corrected field, ascending, so that there is one way to say it. */
static void amended_read(struct wire_in *in, struct note_step *step)
{
    uint32_t items = wire_array(in, NOTE_AMENDED_MAX * AMENDED_ITEMS);
    struct bytes start = in->left;
    uint64_t last = 0;

    if (items % AMENDED_ITEMS != 0)
        wire_fail(in, KITH_MALFORMED);
    for (uint32_t i = 0; i < items / AMENDED_ITEMS && !in->err; i++) {
        uint64_t type = wire_uint(in, UINT16_MAX);
        uint64_t place = type << 16 | wire_uint(in, NOTE_FIELDS_END - 1);
        (void)wire_value(in);
        if (place <= last)
            wire_fail(in, KITH_MALFORMED);
        last = place;
    }
    step->amended = bytes_of(start.ptr, start.len - in->left.len);
    step->amended_count = items / AMENDED_ITEMS;
}

/* [1, kind, device, person, roster seq, time, offset, covers, past, credential, text, addendum,
 * amended, taken] */
static enum kith_err body_read(struct note_step *step)
{
    struct wire_in in = wire_open(step->body);

    wire_array_exact(&in, STEP_ITEMS);
    if (wire_uint(&in, UINT8_MAX) != STEP_VERSION)
        wire_fail(&in, KITH_VERSION);
    step->kind = (enum note_step_kind)wire_uint(&in, STEP_KIND_LAST);
    step->device = (uint32_t)wire_uint(&in, DEVICE_MAX);
    step->person = (uint32_t)wire_uint(&in, PERSON_MAX);
    step->roster_seq = (uint32_t)wire_uint(&in, ROSTER_ENTRIES_MAX);
    step->time_ms = wire_uint(&in, UINT64_MAX);
    step->clock_offset_ms = wire_int(&in);
    wire_bin_exact(&in, step->covers, HASH_BYTES);
    step->past_count = dots_read(&in, SEEN_MAX, &step->past);
    step->credential = wire_text(&in, NOTE_CREDENTIAL_MAX);
    step->text = wire_text(&in, NARRATIVE_MAX);
    step->addendum = (enum addendum_kind)wire_uint(&in, ADDENDUM_COUNT - 1);
    amended_read(&in, step);
    step->taken_count = dots_read(&in, SUPERSEDES_MAX, &step->taken);
    if (step->kind == 0 || (step->kind == NOTE_ADDEND) != (step->addendum != ADDENDUM_NONE))
        wire_fail(&in, KITH_MALFORMED);
    return wire_close(&in);
}

enum kith_err note_step_read(struct note_step *step, struct bytes value)
{
    struct wire_in in = wire_open(value);

    memset(step, 0, sizeof *step);
    wire_array_exact(&in, 2);
    step->body = wire_bin(&in, STEP_BODY_MAX);
    struct bytes signature = wire_bin(&in, SIGNATURE_BYTES);
    if (signature.len != SIGNATURE_BYTES)
        wire_fail(&in, KITH_MALFORMED);
    enum kith_err err = wire_close(&in);
    if (err)
        return err;
    step->signature = signature.ptr;
    return body_read(step);
}

static void body_write(const struct note_step *step, struct buffer *body)
{
    wire_put_array(body, STEP_ITEMS);
    wire_put_uint(body, STEP_VERSION);
    wire_put_uint(body, step->kind);
    wire_put_uint(body, step->device);
    wire_put_uint(body, step->person);
    wire_put_uint(body, step->roster_seq);
    wire_put_uint(body, step->time_ms);
    wire_put_int(body, step->clock_offset_ms);
    wire_put_bin(body, bytes_of(step->covers, HASH_BYTES));
    wire_put_array(body, step->past_count * 2);
    buffer_add(body, step->past.ptr, step->past.len);
    wire_put_text(body, step->credential);
    wire_put_text(body, step->text);
    wire_put_uint(body, step->addendum);
    wire_put_array(body, step->amended_count * AMENDED_ITEMS);
    buffer_add(body, step->amended.ptr, step->amended.len);
    wire_put_array(body, step->taken_count * 2);
    buffer_add(body, step->taken.ptr, step->taken.len);
}

static void body_hash(struct bytes body, const struct note_place *place,
                      uint8_t hash[static HASH_BYTES])
{
    const struct bytes parts[] = {bytes_of(place->agency, ID_BYTES),
                                  bytes_of(place->circle, ID_BYTES),
                                  bytes_of(place->record, ID_BYTES), body};

    seal_hash(SEAL_NOTE_EVENT, parts, sizeof parts / sizeof *parts, hash);
}

enum kith_err note_step_write(const struct note_step *step, const struct note_place *place,
                              const uint8_t sign_secret[static SIGN_KEY_BYTES], struct buffer *out)
{
    uint8_t signature[SIGNATURE_BYTES];
    uint8_t hash[HASH_BYTES];
    struct buffer body;

    buffer_init(&body, STEP_BODY_MAX);
    body_write(step, &body);
    body_hash(buffer_view(&body), place, hash);
    seal_sign(SEAL_NOTE_SIGN, sign_secret, hash, signature);
    wire_put_array(out, 2);
    wire_put_bin(out, buffer_view(&body));
    wire_put_bin(out, bytes_of(signature, sizeof signature));
    enum kith_err err = body.err ? body.err : out->err;
    buffer_clear(&body);
    return err;
}

void note_step_hash(const struct note_step *step, const struct note_place *place,
                    uint8_t hash[static HASH_BYTES])
{
    body_hash(step->body, place, hash);
}

enum kith_err note_step_verify(const struct note_step *step, const struct note_place *place,
                               const struct roster *roster)
{
    const struct roster_device *device = roster_device(roster, step->device);
    uint8_t hash[HASH_BYTES];

    if (!device)
        return KITH_UNKNOWN_DEVICE;
    body_hash(step->body, place, hash);
    return seal_verify(SEAL_NOTE_SIGN, device->keys.sign, hash, step->signature);
}

bool note_step_knows(const struct note_step *step, struct dot dot)
{
    struct bytes past = step->past;
    uint32_t count = step->past_count;
    struct dot known;

    while (dots_next(&past, &count, &known))
        if (known.device == dot.device)
            return dot.n <= known.n;
    return false;
}

bool note_step_takes(const struct note_step *step, struct dot dot)
{
    struct bytes taken = step->taken;
    uint32_t count = step->taken_count;
    struct dot one;

    while (dots_next(&taken, &count, &one))
        if (dot_compare(one, dot) == 0)
            return true;
    return false;
}

struct bytes note_step_amends(const struct note_step *step, uint32_t type, uint32_t field)
{
    struct wire_in in = wire_open(step->amended);

    for (uint32_t i = 0; i < step->amended_count; i++) {
        bool is_type = wire_uint(&in, UINT16_MAX) == type;
        bool is_field = wire_uint(&in, UINT16_MAX) == field;
        struct bytes value = wire_value(&in);
        if (is_type && is_field)
            return value;
    }
    return bytes_of(NULL, 0);
}

/* [type, [field, element, [device, n, value, ...], ...]] */
static void content_write(const struct record *record, struct buffer *out)
{
    uint32_t count = 0;

    while (count < record->register_count && record->registers[count].field < NOTE_FIELDS_END)
        count++;
    wire_put_array(out, 2);
    wire_put_uint(out, record->type);
    wire_put_array(out, count * 3);
    for (uint32_t i = 0; i < count; i++) {
        const struct merge_register *reg = &record->registers[i];
        wire_put_uint(out, reg->field);
        wire_put_bin(out, reg->element);
        wire_put_array(out, reg->live_count * 3);
        for (uint32_t k = 0; k < reg->live_count; k++) {
            wire_put_uint(out, reg->live[k].dot.device);
            wire_put_uint(out, reg->live[k].dot.n);
            wire_put_bin(out, reg->live[k].value);
        }
    }
}

enum kith_err note_content_hash(const struct note_place *place, const struct record *facts,
                                const struct record *note, uint8_t hash[static HASH_BYTES])
{
    struct buffer content;

    buffer_init(&content, CONTENT_MAX);
    content_write(facts, &content);
    if (note)
        content_write(note, &content);
    const struct bytes parts[] = {bytes_of(place->agency, ID_BYTES),
                                  bytes_of(place->circle, ID_BYTES),
                                  bytes_of(place->record, ID_BYTES), buffer_view(&content)};
    seal_hash(SEAL_NOTE_CONTENT, parts, sizeof parts / sizeof *parts, hash);
    enum kith_err err = content.err;
    buffer_clear(&content);
    return err;
}
