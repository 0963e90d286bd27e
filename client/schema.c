/* SPDX-License-Identifier: Apache-2.0 */
#include "client/schema.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "client/moment.h"
#include "protocol/invite.h"

const struct schema_type *schema_type(const char *word)
{
    for (size_t i = 0; i < schema_type_count; i++)
        if (strcmp(schema_types[i].word, word) == 0)
            return &schema_types[i];
    for (size_t i = 0; i < schema_inner_type_count; i++)
        if (strcmp(schema_inner_types[i].word, word) == 0)
            return &schema_inner_types[i];
    return NULL;
}

const struct schema_field *schema_field(const struct schema_type *type, const char *name)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (strcmp(type->fields[i].name, name) == 0)
            return &type->fields[i];
    return NULL;
}

const struct schema_field *schema_field_numbered(const struct schema_type *type, uint32_t record,
                                                 uint32_t number)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (type->fields[i].record == record && type->fields[i].number == number)
            return &type->fields[i];
    return NULL;
}

const char *merge_class_word(enum merge_class class)
{
    static const char *const words[] = {
        [MERGE_LAST] = "last",           [MERGE_SET] = "set",     [MERGE_RESTRICT] = "restrict",
        [MERGE_NARRATIVE] = "narrative", [MERGE_EXACT] = "exact", [MERGE_FIXED] = "fixed",
        [MERGE_ENTRIES] = "entries",
    };
    return words[class];
}

const char *field_kind_word(enum field_kind kind)
{
    static const char *const words[] = {
        [FIELD_TEXT] = "text",         [FIELD_PROSE] = "prose",   [FIELD_DATE] = "date",
        [FIELD_TIME] = "time",         [FIELD_NUMBER] = "number", [FIELD_FLAG] = "flag",
        [FIELD_CHOICE] = "choice",     [FIELD_PERSON] = "person", [FIELD_RECORD] = "record",
        [FIELD_CHART] = "participant",
    };
    return words[kind];
}

/* The place of a word in a list of words; -1 if it is not there. */
static int choice_index(const char *choices, struct bytes word)
{
    int index = 0;

    for (const char *at = choices; *at; index++) {
        size_t len = strcspn(at, " ");
        if (bytes_equal(word, bytes_of(at, len)))
            return index;
        at += len + (at[len] == ' ');
    }
    return -1;
}

static bool parse_number(const char *text, uint64_t *number)
{
    *number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || *number > UINT32_MAX)
            return false;
        *number = *number * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

static enum kith_err refuse(char why[static SCHEMA_WHY_MAX], const struct schema_field *field,
                            const char *expected)
{
    (void)snprintf(why, SCHEMA_WHY_MAX, "%s: expected %s", field->name, expected);
    return KITH_INPUT;
}

static enum kith_err encode_text(const struct schema_field *field, const char *text,
                                 struct buffer *out, char *why)
{
    struct bytes bytes = bytes_text(text);

    if (!wire_is_utf8(bytes))
        return refuse(why, field, "text in UTF-8");
    if (field->kind == FIELD_TEXT && strpbrk(text, "\r\n"))
        return refuse(why, field, "one line of text");
    if (bytes.len > NARRATIVE_MAX)
        return refuse(why, field, "at most 16 KiB of text");
    wire_put_text(out, bytes);
    return out->err;
}

static enum kith_err encode_flag(const struct schema_field *field, const char *text,
                                 struct buffer *out, char *why)
{
    bool is_yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    bool is_no = strcmp(text, "no") == 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;

    if (!is_yes && !is_no)
        return refuse(why, field, "yes or no");
    wire_put_bool(out, is_yes);
    return out->err;
}

static enum kith_err encode_choice(const struct schema_field *field, const char *text,
                                   struct buffer *out, char *why)
{
    if (choice_index(field->choices, bytes_text(text)) < 0) {
        (void)snprintf(why, SCHEMA_WHY_MAX, "%s: expected one of: %s", field->name, field->choices);
        return KITH_INPUT;
    }
    wire_put_text(out, bytes_text(text));
    return out->err;
}

enum kith_err schema_encode(const struct schema_field *field, const char *text,
                            const struct schema_names *names, uint64_t now_ms, struct buffer *out,
                            char why[static SCHEMA_WHY_MAX])
{
    char moment[MOMENT_TEXT_MAX];
    uint8_t id[ID_BYTES];
    uint32_t person;
    uint64_t number;

    if (!*text) {
        wire_put_nil(out);
        return out->err;
    }
    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_PROSE:
        return encode_text(field, text, out, why);
    case FIELD_DATE:
        if (!moment_read_date(text, now_ms, moment))
            return refuse(why, field, "a date like 2026-03-02, today or yesterday");
        wire_put_text(out, bytes_text(moment));
        return out->err;
    case FIELD_TIME:
        if (!moment_read_time(text, now_ms, moment))
            return refuse(why, field,
                          "a time like 14:05, yesterday 14:05 or 2026-03-02T14:05-05:00");
        wire_put_text(out, bytes_text(moment));
        return out->err;
    case FIELD_NUMBER:
        if (!parse_number(text, &number))
            return refuse(why, field, "a whole number");
        wire_put_uint(out, number);
        return out->err;
    case FIELD_FLAG:
        return encode_flag(field, text, out, why);
    case FIELD_CHOICE:
        return encode_choice(field, text, out, why);
    case FIELD_PERSON:
        if (!names->person_number(names->owner, text, &person))
            return refuse(why, field, "a person's name or number");
        wire_put_uint(out, person);
        return out->err;
    case FIELD_RECORD:
        if (!names->record(names->owner, text, id))
            return refuse(why, field, "a record's id");
        wire_put_bin(out, bytes_of(id, ID_BYTES));
        return out->err;
    case FIELD_CHART:
        if (!names->chart(names->owner, text, id))
            return refuse(why, field, "a participant's name or id");
        wire_put_bin(out, bytes_of(id, ID_BYTES));
        return out->err;
    }
    return KITH_INPUT;
}

static const char *arena_text(struct arena *arena, struct bytes text)
{
    char *copy = arena_take(arena, text.len + 1);

    if (copy && text.len)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

static const char *show_hex(struct arena *arena, struct bytes value)
{
    char *text = arena_take(arena, value.len * 2 + 1);

    if (text)
        bytes_hex(value, text);
    return text;
}

static const char *show_number(struct arena *arena, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    return arena_text(arena, bytes_text(text));
}

static const char *show_bin(struct arena *arena, struct bytes bin, struct bytes value)
{
    char text[ID_TEXT_CHARS + 1];

    if (bin.len != ID_BYTES)
        return show_hex(arena, value);
    id_write(bin.ptr, text);
    return arena_text(arena, bytes_text(text));
}

enum kith_err schema_show(const struct schema_field *field, struct bytes value,
                          const struct schema_names *names, struct arena *arena,
                          struct kith_value *shown)
{
    struct wire_in in = wire_open(value);

    shown->kind = KITH_TEXT;
    switch (wire_peek(&in)) {
    case WIRE_TEXT:
        shown->text = arena_text(arena, wire_text(&in, VALUE_MAX));
        break;
    case WIRE_INT:
        shown->number = wire_int(&in);
        shown->kind = KITH_NUMBER;
        if (field->kind == FIELD_PERSON && shown->number >= 0 && shown->number <= PERSON_MAX) {
            shown->kind = KITH_TEXT;
            shown->text = arena_text(
                arena, bytes_text(names->person_name(names->owner, (uint32_t)shown->number)));
        } else {
            shown->text = show_number(arena, shown->number);
        }
        break;
    case WIRE_BOOL:
        shown->number = wire_bool(&in);
        shown->kind = KITH_FLAG;
        shown->text = shown->number ? "yes" : "no";
        break;
    case WIRE_NIL:
        shown->text = "";
        break;
    case WIRE_BIN:
        shown->text = show_bin(arena, wire_bin(&in, VALUE_MAX), value);
        break;
    case WIRE_NONE:
    case WIRE_ARRAY:
    case WIRE_MAP:
        shown->text = show_hex(arena, value);
        break;
    }
    return shown->text ? KITH_OK : KITH_MEMORY;
}

/* 20260302 of 2026-03-02. */
static int date_rank(struct bytes date)
{
    int rank = 0;

    for (size_t i = 0; i < date.len && rank < INT_MAX / 100; i++)
        if (date.ptr[i] >= '0' && date.ptr[i] <= '9')
            rank = rank * 10 + (date.ptr[i] - '0');
    return rank;
}

int schema_rank(const struct schema_field *field, struct bytes value)
{
    struct wire_in in = wire_open(value);

    switch (wire_peek(&in)) {
    case WIRE_BOOL:
        return wire_bool(&in);
    case WIRE_TEXT:
        return field->kind == FIELD_DATE ? date_rank(wire_text(&in, VALUE_MAX))
                                         : choice_index(field->choices, wire_text(&in, VALUE_MAX));
    case WIRE_NIL:
    case WIRE_INT:
    case WIRE_BIN:
    case WIRE_ARRAY:
    case WIRE_MAP:
    case WIRE_NONE:
        break;
    }
    return -1;
}

#define TYPES_MAX  32
#define FIELDS_MAX 64

const char *const *kith_schema_types(void)
{
    /* Filled on first use from the table; the content never changes. */
    static const char *words[TYPES_MAX + 1];

    for (size_t i = 0; i < schema_type_count && i < TYPES_MAX; i++)
        words[i] = schema_types[i].word;
    return words;
}

const struct kith_schema_field *kith_schema_fields(const char *word, size_t *count)
{
    static struct kith_schema_field shown[TYPES_MAX][FIELDS_MAX];
    const struct schema_type *type = schema_type(word);

    *count = 0;
    if (!type || type < schema_types || type >= schema_types + schema_type_count)
        return NULL;
    struct kith_schema_field *fields = shown[type - schema_types];
    for (size_t i = 0; i < type->field_count; i++)
        fields[i] = (struct kith_schema_field){
            .name = type->fields[i].name,
            .record = type->fields[i].record,
            .number = type->fields[i].number,
            .kind = field_kind_word(type->fields[i].kind),
            .class = merge_class_word(type->fields[i].class),
            .choices = type->fields[i].choices,
            .help = type->fields[i].help,
            .is_required = type->fields[i].flags & FIELD_IS_NEEDED,
            .is_keyed = type->fields[i].flags & FIELD_IS_KEYED,
            .is_billed = type->fields[i].flags & FIELD_IS_BILLED,
            .asks = type->fields[i].rules.asks,
        };
    *count = type->field_count;
    return fields;
}

bool kith_schema_is_in_chart(const char *word)
{
    const struct schema_type *type = schema_type(word);

    return type && type->circle == CIRCLE_CHART && type->record != RECORD_PARTICIPANT;
}
