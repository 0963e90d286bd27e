/* SPDX-License-Identifier: Apache-2.0 */
#include "client/fields.h"

struct bytes value_text(struct bytes value)
{
    struct wire_in in = wire_open(value);

    return wire_peek(&in) == WIRE_TEXT ? wire_text(&in, VALUE_MAX) : bytes_of(NULL, 0);
}

static const struct merge_register *field_register(const struct schema_type *type,
                                                   const struct record *record, const char *name,
                                                   const struct schema_field **field)
{
    *field = schema_field(type, name);
    return record_register(record, (*field)->number, bytes_of(NULL, 0));
}

static const struct live *field_live(const struct schema_type *type, const struct record *record,
                                     const char *name)
{
    const struct schema_field *field;
    const struct merge_register *reg = field_register(type, record, name, &field);
    bool is_unsettled;
    const struct live *live = merge_read(reg, field->class, NULL, &is_unsettled);

    for (uint32_t i = 0; reg && field->class == MERGE_RESTRICT && i < reg->live_count; i++)
        if (schema_rank(field, reg->live[i].value) > schema_rank(field, live->value))
            live = &reg->live[i];
    return live;
}

struct bytes field_text(const struct schema_type *type, const struct record *record,
                        const char *name)
{
    const struct live *live = field_live(type, record, name);

    return live ? value_text(live->value) : bytes_of(NULL, 0);
}

bool field_flag(const struct schema_type *type, const struct record *record, const char *name)
{
    const struct schema_field *field;
    const struct merge_register *reg = field_register(type, record, name, &field);
    bool is_set = false;

    for (uint32_t i = 0; reg && i < reg->live_count; i++)
        is_set = is_set || schema_rank(field, reg->live[i].value) > 0;
    return is_set;
}

uint32_t field_person(const struct schema_type *type, const struct record *record, const char *name)
{
    const struct live *live = field_live(type, record, name);
    struct wire_in in = wire_open(live ? live->value : bytes_of(NULL, 0));

    return (uint32_t)wire_uint(&in, PERSON_MAX);
}

uint64_t field_number(const struct schema_type *type, const struct record *record, const char *name)
{
    const struct live *live = field_live(type, record, name);
    struct wire_in in = wire_open(live ? live->value : bytes_of(NULL, 0));

    return wire_peek(&in) == WIRE_INT ? wire_uint(&in, UINT64_MAX) : 0;
}

const struct bytes *field_set(const struct schema_type *type, const struct record *record,
                              const char *name, struct arena *arena, uint32_t *count)
{
    uint32_t room;
    const struct merge_register *regs =
        record_field(record, schema_field(type, name)->number, &room);
    struct bytes *elements = arena_take(arena, ((size_t)room + 1) * sizeof *elements);

    *count = 0;
    for (uint32_t i = 0; elements && i < room; i++)
        if (regs[i].live_count > 0)
            elements[(*count)++] = regs[i].element;
    return elements;
}

const char *fields_unsettled(const struct schema_type *type, const struct record *record)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        bool is_unsettled = false;
        if (field->class != MERGE_EXACT || field->record != type->record)
            continue;
        (void)merge_read(record_register(record, field->number, bytes_of(NULL, 0)), field->class,
                         NULL, &is_unsettled);
        if (is_unsettled)
            return field->name;
    }
    return NULL;
}
