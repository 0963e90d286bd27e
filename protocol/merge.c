/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/merge.h"

#include <string.h>

#define RECORD_REGISTERS_MAX 65535
#define LIVE_ITEMS           4 /* device, n, hlc, value */
#define LIVE_MAX             (WIRE_ITEMS_MAX / LIVE_ITEMS)

static int bytes_order(struct bytes a, struct bytes b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int register_order(const struct merge_register *reg, uint32_t field, struct bytes element)
{
    if (reg->field != field)
        return reg->field < field ? -1 : 1;
    return bytes_order(reg->element, element);
}

/* The index of the first register that is not below (field, element). */
static uint32_t register_place(const struct record *record, uint32_t field, struct bytes element)
{
    uint32_t low = 0;
    uint32_t high = record->register_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (register_order(&record->registers[middle], field, element) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stamp_is_before(uint64_t a_hlc, struct dot a, uint64_t b_hlc, struct dot b)
{
    return a_hlc != b_hlc ? a_hlc < b_hlc : dot_compare(a, b) < 0;
}

void record_begin(struct record *record, struct arena *arena, const uint8_t id[static ID_BYTES],
                  uint32_t type)
{
    memset(record, 0, sizeof *record);
    memcpy(record->id, id, ID_BYTES);
    record->type = type;
    record->arena = arena;
}

static enum kith_err make_register_room(struct record *record)
{
    if (record->register_count < record->register_room)
        return KITH_OK;
    uint32_t room = record->register_room < 8 ? 16 : record->register_room * 2;
    struct merge_register *larger = arena_take(record->arena, room * sizeof *larger);
    if (!larger)
        return KITH_MEMORY;
    if (record->register_count)
        memcpy(larger, record->registers, record->register_count * sizeof *larger);
    record->registers = larger;
    record->register_room = room;
    return KITH_OK;
}

static enum kith_err register_insert(struct record *record, uint32_t place, uint32_t field,
                                     struct bytes element)
{
    if (record->register_count >= RECORD_REGISTERS_MAX)
        return KITH_TOO_LARGE;
    enum kith_err err = make_register_room(record);
    if (err)
        return err;
    memmove(&record->registers[place + 1], &record->registers[place],
            (record->register_count - place) * sizeof *record->registers);
    record->registers[place] = (struct merge_register){.field = field, .element = element};
    record->register_count++;
    return KITH_OK;
}

static void register_remove(struct record *record, uint32_t place)
{
    record->register_count--;
    memmove(&record->registers[place], &record->registers[place + 1],
            (record->register_count - place) * sizeof *record->registers);
}

/* Adds one live value, keeping the order of dots. */
static enum kith_err live_add(struct record *record, struct merge_register *reg,
                              const struct live *live)
{
    uint32_t place = 0;

    if (reg->live_count >= LIVE_MAX)
        return KITH_TOO_LARGE;
    struct live *larger = arena_take(record->arena, (reg->live_count + 1) * sizeof *larger);
    if (!larger)
        return KITH_MEMORY;
    while (place < reg->live_count && dot_compare(reg->live[place].dot, live->dot) < 0)
        place++;
    if (place > 0)
        memcpy(larger, reg->live, place * sizeof *larger);
    larger[place] = *live;
    if (place < reg->live_count)
        memcpy(larger + place + 1, reg->live + place, (reg->live_count - place) * sizeof *larger);
    reg->live = larger;
    reg->live_count++;
    return KITH_OK;
}

static void live_remove(struct merge_register *reg, struct dot dot)
{
    for (uint32_t i = 0; i < reg->live_count; i++) {
        if (dot_compare(reg->live[i].dot, dot) != 0)
            continue;
        memmove(&reg->live[i], &reg->live[i + 1], (reg->live_count - i - 1) * sizeof *reg->live);
        reg->live_count--;
        return;
    }
}

static bool live_has(const struct merge_register *reg, struct dot dot)
{
    for (uint32_t i = 0; i < reg->live_count; i++)
        if (dot_compare(reg->live[i].dot, dot) == 0)
            return true;
    return false;
}

/* Which register of its field an operation addresses. */
static enum kith_err op_element(const struct op *op, struct dot dot, struct arena *arena,
                                struct bytes *element)
{
    struct buffer encoded;

    switch (op->kind) {
    case OP_PUT:
        *element = bytes_of(NULL, 0);
        return KITH_OK;
    case OP_ADD:
    case OP_DROP:
        *element = op->value;
        return KITH_OK;
    case OP_KEYED:
        *element = op->key;
        return KITH_OK;
    case OP_APPEND:
        break;
    }
    /* An entry stands under its own dot. Two entries of one save differ by the value that follows
     * the dot. */
    buffer_init(&encoded, VALUE_MAX + 32);
    wire_put_array(&encoded, 3);
    wire_put_uint(&encoded, dot.device);
    wire_put_uint(&encoded, dot.n);
    wire_put_value(&encoded, op->value);
    *element = arena_copy(arena, buffer_view(&encoded));
    buffer_clear(&encoded);
    return element->ptr ? KITH_OK : KITH_MEMORY;
}

static void stamp_record(struct record *record, struct dot dot, uint64_t hlc)
{
    bool is_first = record->created.device == 0;

    if (is_first || stamp_is_before(hlc, dot, record->created_hlc, record->created)) {
        record->created = dot;
        record->created_hlc = hlc;
    }
    if (is_first || stamp_is_before(record->touched_hlc, record->touched, hlc, dot)) {
        record->touched = dot;
        record->touched_hlc = hlc;
    }
}

enum kith_err record_apply(struct record *record, const struct op *op, struct dot dot, uint64_t hlc)
{
    static const uint8_t nil_value[] = {0xC0};
    struct op rest = *op;
    struct bytes element;
    struct dot replaced;
    enum kith_err err = op_element(op, dot, record->arena, &element);

    if (err)
        return err;
    uint32_t place = register_place(record, op->field, element);
    bool is_known = place < record->register_count &&
                    register_order(&record->registers[place], op->field, element) == 0;
    if (is_known && live_has(&record->registers[place], dot))
        return KITH_OK;
    stamp_record(record, dot, hlc);
    while (is_known && op_next_superseded(&rest, &replaced))
        live_remove(&record->registers[place], replaced);
    if (op->kind == OP_DROP) {
        if (is_known && record->registers[place].live_count == 0)
            register_remove(record, place);
        return KITH_OK;
    }
    if (!is_known)
        err = register_insert(record, place, op->field, element);
    if (err)
        return err;
    /* A set's element and an entry's value stand in the address already. */
    bool is_in_address = op->kind == OP_ADD || op->kind == OP_APPEND;
    struct live live = {dot, hlc,
                        is_in_address ? bytes_of(nil_value, sizeof nil_value) : op->value};
    return live_add(record, &record->registers[place], &live);
}

const struct merge_register *record_register(const struct record *record, uint32_t field,
                                             struct bytes element)
{
    uint32_t place = register_place(record, field, element);

    if (place < record->register_count &&
        register_order(&record->registers[place], field, element) == 0)
        return &record->registers[place];
    return NULL;
}

const struct merge_register *record_field(const struct record *record, uint32_t field,
                                          uint32_t *count)
{
    uint32_t first = register_place(record, field, bytes_of(NULL, 0));
    uint32_t after = register_place(record, field + 1, bytes_of(NULL, 0));

    *count = after - first;
    return after > first ? &record->registers[first] : NULL;
}

/* [id, type, created device, n, hlc, touched device, n, hlc, [field, element, [device, n, hlc,
 * value, ...], ...]] */
#define RECORD_ITEMS 9

void record_encode(const struct record *record, struct buffer *out)
{
    wire_put_array(out, RECORD_ITEMS);
    wire_put_bin(out, bytes_of(record->id, ID_BYTES));
    wire_put_uint(out, record->type);
    wire_put_uint(out, record->created.device);
    wire_put_uint(out, record->created.n);
    wire_put_uint(out, record->created_hlc);
    wire_put_uint(out, record->touched.device);
    wire_put_uint(out, record->touched.n);
    wire_put_uint(out, record->touched_hlc);
    wire_put_array(out, record->register_count);
    for (uint32_t i = 0; i < record->register_count; i++) {
        const struct merge_register *reg = &record->registers[i];
        wire_put_array(out, 3);
        wire_put_uint(out, reg->field);
        wire_put_bin(out, reg->element);
        wire_put_array(out, reg->live_count * LIVE_ITEMS);
        for (uint32_t k = 0; k < reg->live_count; k++) {
            wire_put_uint(out, reg->live[k].dot.device);
            wire_put_uint(out, reg->live[k].dot.n);
            wire_put_uint(out, reg->live[k].hlc);
            wire_put_bin(out, reg->live[k].value);
        }
    }
}

static void register_read(struct wire_in *in, struct merge_register *reg, struct arena *arena)
{
    wire_array_exact(in, 3);
    reg->field = (uint32_t)wire_uint(in, UINT16_MAX);
    reg->element = wire_bin(in, VALUE_MAX + 32);
    uint32_t items = wire_array(in, WIRE_ITEMS_MAX);
    reg->live_count = items / LIVE_ITEMS;
    reg->live = arena_take(arena, (reg->live_count + 1) * sizeof *reg->live);
    if (!reg->live || items % LIVE_ITEMS != 0) {
        wire_fail(in, KITH_DAMAGED);
        return;
    }
    for (uint32_t k = 0; k < reg->live_count; k++) {
        reg->live[k].dot.device = (uint32_t)wire_uint(in, DEVICE_MAX);
        reg->live[k].dot.n = wire_uint(in, UINT64_MAX);
        reg->live[k].hlc = wire_uint(in, UINT64_MAX);
        reg->live[k].value = wire_bin(in, VALUE_MAX);
    }
}

enum kith_err record_decode(struct record *record, struct arena *arena, struct bytes bytes)
{
    struct wire_in in = wire_open(bytes);

    memset(record, 0, sizeof *record);
    record->arena = arena;
    wire_array_exact(&in, RECORD_ITEMS);
    wire_bin_exact(&in, record->id, ID_BYTES);
    record->type = (uint32_t)wire_uint(&in, UINT16_MAX);
    record->created.device = (uint32_t)wire_uint(&in, DEVICE_MAX);
    record->created.n = wire_uint(&in, UINT64_MAX);
    record->created_hlc = wire_uint(&in, UINT64_MAX);
    record->touched.device = (uint32_t)wire_uint(&in, DEVICE_MAX);
    record->touched.n = wire_uint(&in, UINT64_MAX);
    record->touched_hlc = wire_uint(&in, UINT64_MAX);
    uint32_t count = wire_array(&in, RECORD_REGISTERS_MAX);
    record->registers = arena_take(arena, (count + 1) * sizeof *record->registers);
    if (!record->registers)
        return KITH_MEMORY;
    record->register_room = count + 1;
    record->register_count = count;
    for (uint32_t i = 0; i < count && !in.err; i++)
        register_read(&in, &record->registers[i], arena);
    return wire_close(&in) ? KITH_DAMAGED : KITH_OK;
}

static const struct live *greatest_stamp(const struct merge_register *reg)
{
    const struct live *best = &reg->live[0];

    for (uint32_t i = 1; i < reg->live_count; i++)
        if (stamp_is_before(best->hlc, best->dot, reg->live[i].hlc, reg->live[i].dot))
            best = &reg->live[i];
    return best;
}

static const struct live *most_restrictive(const struct merge_register *reg, merge_rank *rank)
{
    const struct live *best = &reg->live[0];

    for (uint32_t i = 1; i < reg->live_count; i++)
        if (rank(reg->live[i].value) > rank(best->value))
            best = &reg->live[i];
    return best;
}

static bool are_all_equal(const struct merge_register *reg)
{
    for (uint32_t i = 1; i < reg->live_count; i++)
        if (!bytes_equal(reg->live[i].value, reg->live[0].value))
            return false;
    return true;
}

const struct live *merge_read(const struct merge_register *reg, enum merge_class class,
                              merge_rank *rank, bool *is_unsettled)
{
    *is_unsettled = false;
    if (!reg || reg->live_count == 0)
        return NULL;
    switch (class) {
    case MERGE_NARRATIVE:
    case MERGE_EXACT:
    case MERGE_FIXED:
        *is_unsettled = !are_all_equal(reg);
        return greatest_stamp(reg);
    case MERGE_RESTRICT:
        return rank ? most_restrictive(reg, rank) : greatest_stamp(reg);
    case MERGE_LAST:
    case MERGE_SET:
    case MERGE_ENTRIES:
        return greatest_stamp(reg);
    }
    return greatest_stamp(reg);
}
