/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "store/ledger_internal.h"
#include "tests/sim/connection.h"

bool check_is_member(const struct world *world, uint32_t circle, uint32_t person)
{
    const struct roster_person *known = roster_person(&world->ledger->roster, person);

    return circle == 0 || world->circles[circle].rights[person] != 0 ||
           (known && (known->roles & ROLE_CUSTODIAN));
}

static void check_chain(struct world *world, const struct sim_device *device, uint32_t circle,
                        const struct chain_row *chain)
{
    bool is_own = chain->device == device->number;
    uint32_t saved = world->model.saved[circle].n[chain->device % SIM_NUMBERS_MAX];

    if (chain->device == 0 || chain->device >= SIM_NUMBERS_MAX || chain->received > saved)
        world_fail(world, "invented", "device %u has change %llu of device %u in circle %u",
                   device->number, (unsigned long long)chain->received, chain->device, circle);
    if (is_own && (chain->received != saved || chain->applied != saved))
        world_fail(world, "own", "device %u has %llu of its own %u changes in circle %u",
                   device->number, (unsigned long long)chain->applied, saved, circle);
    if (is_own != (chain->number == CHAIN_OWN) || chain->applied > chain->received)
        world_fail(world, "chain", "device %u has a chain out of order in circle %u",
                   device->number, circle);
}

bool check_merged(struct world *world, struct sim_device *device, uint32_t circle)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, world->circles[circle].id);
    struct past *before = &device->merged[circle];
    struct past merged = {{0}};
    uint32_t count = 0;
    struct chain_row *chains = number ? device_chains(&txn, number, &count) : NULL;

    for (uint32_t i = 0; i < count; i++) {
        check_chain(world, device, circle, &chains[i]);
        merged.n[chains[i].device] = (uint32_t)chains[i].applied;
    }
    world_expect(world, store_commit(&txn), "reading the chains");
    for (uint32_t i = 0; i < SIM_NUMBERS_MAX; i++)
        if (merged.n[i] < before->n[i])
            world_fail(world, "monotonic", "device %u went back from %u to %u of device %u",
                       device->number, before->n[i], merged.n[i], i);
    if (memcmp(&merged, before, sizeof merged) != 0 &&
        !model_is_closed(&world->model, circle, &merged))
        world_fail(world, "causal", "device %u shows a change before what its author had seen",
                   device->number);
    *before = merged;
    return number != 0;
}

/* The operation of the model that a live value of a record comes from. */
static const struct model_op *find_op(const struct world *world, const struct model_change *change,
                                      uint32_t circle, const struct record *record,
                                      const struct merge_register *reg, struct buffer *element)
{
    for (uint32_t i = 0; change && i < change->op_count; i++) {
        const struct model_op *op = &change->ops[i];
        uint8_t id[ID_BYTES];
        uint32_t type;
        record_name(&world->circles[circle], op->record, id, &type);
        if (op->field != reg->field || type != record->type || memcmp(id, record->id, ID_BYTES))
            continue;
        buffer_reset(element);
        if (op->kind == OP_APPEND) {
            wire_put_array(element, 3);
            wire_put_uint(element, change->device);
            wire_put_uint(element, change->n);
        }
        if (op->kind != OP_PUT)
            value_write(world, element, op->kind == OP_KEYED ? op->key : op->value);
        if (bytes_equal(buffer_view(element), reg->element))
            return op;
    }
    return NULL;
}

static bool is_right_value(const struct world *world, const struct model_op *op, struct bytes value)
{
    static const uint8_t nil_value[] = {0xC0};
    struct buffer expected;

    buffer_init(&expected, VALUE_MAX);
    if (op->kind == OP_ADD || op->kind == OP_APPEND)
        buffer_add(&expected, nil_value, sizeof nil_value);
    else
        value_write(world, &expected, op->value);
    bool is_right = bytes_equal(buffer_view(&expected), value);
    buffer_clear(&expected);
    return is_right;
}

/* Counts the live values of a record after finding each of them in the model. */
static uint32_t check_record(struct world *world, const struct sim_device *device, uint32_t circle,
                             const struct record *record)
{
    struct buffer element;
    uint32_t count = 0;

    buffer_init(&element, VALUE_MAX);
    for (uint32_t i = 0; i < record->register_count; i++) {
        const struct merge_register *reg = &record->registers[i];
        for (uint32_t k = 0; k < reg->live_count; k++) {
            const struct live *live = &reg->live[k];
            const struct model_change *change =
                model_find(&world->model, circle, live->dot.device, live->dot.n);
            const struct model_op *op = find_op(world, change, circle, record, reg, &element);
            if (!op || !is_right_value(world, op, live->value))
                world_fail(world, "live", "device %u shows a value that nobody typed there",
                           device->number);
            if (!model_is_live(&world->model, &device->merged[circle], change, op))
                world_fail(world, "live", "device %u shows a value of device %u that was replaced",
                           device->number, change->device);
            count++;
        }
    }
    buffer_clear(&element);
    return count;
}

static uint32_t count_live(const struct world *world, const struct sim_device *device,
                           uint32_t circle)
{
    const struct model *model = &world->model;
    uint32_t count = 0;

    for (uint32_t i = 0; i < model->count; i++)
        for (uint32_t k = 0; model->changes[i].circle == circle && k < model->changes[i].op_count;
             k++)
            count += model_is_live(model, &device->merged[circle], &model->changes[i],
                                   &model->changes[i].ops[k]);
    return count;
}

struct named {
    uint32_t type;
    uint8_t id[ID_BYTES];
    uint8_t hash[HASH_BYTES];
};

static int compare_named(const void *a, const void *b)
{
    const struct named *left = a;
    const struct named *right = b;

    if (left->type != right->type)
        return left->type < right->type ? -1 : 1;
    return memcmp(left->id, right->id, ID_BYTES);
}

uint64_t check_records(struct world *world, struct sim_device *device, uint32_t circle)
{
    struct named named[SIM_RECORDS + 1] = {{0}};
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, world->circles[circle].id);
    struct store_walk walk = device_records(&txn, number, 0);
    struct record_place place;
    uint32_t count = 0;
    uint32_t live_count = 0;
    uint64_t hash = 0;

    while (count <= SIM_RECORDS && device_record_next(&walk, &place)) {
        struct bytes value = store_walk_value(&walk);
        struct record record;
        world_expect(world, record_decode(&record, &txn.arena, value), "reading a record");
        named[count].type = record.type;
        memcpy(named[count].id, record.id, ID_BYTES);
        (void)crypto_generichash(named[count++].hash, HASH_BYTES, value.ptr, value.len, NULL, 0);
        live_count += check_record(world, device, circle, &record);
    }
    store_walk_end(&walk);
    world_expect(world, store_commit(&txn), "reading the records");
    if (count > SIM_RECORDS)
        world_fail(world, "records", "device %u has a record twice", device->number);
    uint32_t expected = count_live(world, device, circle);
    if (live_count != expected)
        world_fail(world, "live", "device %u shows %u of %u values in circle %u", device->number,
                   live_count, expected, circle);
    qsort(named, count, sizeof named[0], compare_named);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < HASH_BYTES; k += 8)
            hash = mix(hash, get_u64(named[i].hash + k));
    return hash;
}

void check_receipts(struct world *world, struct sim_device *device)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct store_txn hub = store_begin(world->ledger->store, STORE_READ);

    for (uint32_t circle = 0; circle < world->circle_count; circle++) {
        const uint8_t *id = world->circles[circle].id;
        uint32_t number = device_circle_number(&txn, id);
        struct receipt_row receipt = {0};
        uint8_t stored[HASH_BYTES] = {0};
        if (number == 0)
            continue;
        bool is_there = device_receipt_get(&txn, number, &receipt);
        if (receipt.n < device->receipts[circle])
            world_fail(world, "receipt", "device %u lost a receipt", device->number);
        device->receipts[circle] = receipt.n;
        if (!is_there)
            continue;
        if (!hub_change_id(&hub, hub_circle_number(&hub, id), device->number, receipt.n, stored))
            world_fail(world, "acknowledged", "the hub does not have change %llu of device %u",
                       (unsigned long long)receipt.n, device->number);
        if (memcmp(stored, receipt.head, HASH_BYTES) != 0)
            world_fail(world, "receipt", "device %u took a receipt for another change",
                       device->number);
    }
    store_abort(&hub);
    world_expect(world, store_commit(&txn), "reading the receipts");
}

void check_device(struct world *world, struct sim_device *device)
{
    check_receipts(world, device);
    for (uint32_t circle = 0; circle < world->circle_count; circle++) {
        if (!check_merged(world, device, circle))
            continue;
        if (!check_is_member(world, circle, device->person))
            world_fail(world, "access", "device %u has circle %u", device->number, circle);
        (void)check_records(world, device, circle);
        if (stream_chance(&world->workload, 25))
            (void)check_notes(world, device, circle);
    }
}
