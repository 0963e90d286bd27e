/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "store/ledger_internal.h"
#include "tests/sim/access.h"
#include "tests/sim/connection.h"
#include "tests/sim/secrets.h"

bool check_is_member(struct world *world, uint32_t circle, uint32_t person)
{
    return access_right(access_newest(world, circle), person) != 0;
}

static void check_chain(struct world *world, const struct sim_device *device, uint32_t circle,
                        const struct chain_row *chain)
{
    bool is_own = chain->device == device->number;
    uint32_t saved = world->model.saved[circle].n[chain->device % SIM_NUMBERS_MAX];
    /* Let in again, the keys of what was written before come with the rest. */
    bool is_whole = device->parts[circle] == PART_MEMBER && device->removals[circle] == 0;

    if (chain->device == 0 || chain->device >= SIM_NUMBERS_MAX || chain->received > saved)
        world_fail(world, "invented", "device %u has change %llu of device %u in circle %u",
                   device->number, (unsigned long long)chain->received, chain->device, circle);
    if (is_own && (chain->received != saved || (is_whole && chain->applied != saved)))
        world_fail(world, "own", "device %u has %llu of its own %u changes in circle %u",
                   device->number, (unsigned long long)chain->applied, saved, circle);
    if (is_own != (chain->number == CHAIN_OWN) || chain->applied > chain->received)
        world_fail(world, "chain", "device %u has a chain out of order in circle %u",
                   device->number, circle);
}

/* Who has left still reads what they wrote. Who is back reads what everybody reads: up to the cut,
 * and what the hub has taken since. */
static uint32_t count_own(const struct sim_device *device, uint32_t circle,
                          const struct access_view *view, uint32_t applied, uint32_t receipt)
{
    const struct access_cut *cut = &view->cuts[device->number];
    uint32_t taken = cut->n > receipt ? cut->n : receipt;

    if (device->parts[circle] != PART_MEMBER || !cut->leaving)
        return applied;
    return applied < taken ? applied : taken;
}

/* What of each chain is merged and counts. */
static struct past read_merged(struct world *world, struct sim_device *device, uint32_t circle,
                               const struct access_view *view)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, world->circles[circle].id);
    struct past merged = {{0}};
    struct receipt_row receipt = {0};
    uint32_t count = 0;
    struct chain_row *chains = device_chains(&txn, number, &count);

    (void)device_receipt_get(&txn, number, &receipt);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t applied = (uint32_t)chains[i].applied;
        uint32_t author = chains[i].device;
        check_chain(world, device, circle, &chains[i]);
        if (author != device->number)
            merged.n[author] = access_counted(view, author, applied);
        else
            merged.n[author] = count_own(device, circle, view, applied, (uint32_t)receipt.n);
    }
    world_expect(world, store_commit(&txn), "reading the chains");
    return merged;
}

bool check_merged(struct world *world, struct sim_device *device, uint32_t circle)
{
    struct past *before = &device->merged[circle];
    enum circle_part part;
    const struct access_view *view = access_of_device(world, device, circle, &part);

    if (!view)
        return false;
    /* Who was let in again gets everything anew. */
    bool is_anew = part != PART_MEMBER || device->parts[circle] != PART_MEMBER ||
                   view->removals[device->person] != device->removals[circle];
    device->parts[circle] = part;
    device->removals[circle] = view->removals[device->person];
    struct past merged = read_merged(world, device, circle, view);
    if (is_anew)
        device->steps[circle] = 0;
    for (uint32_t i = 0; i < SIM_NUMBERS_MAX && !is_anew; i++)
        if (merged.n[i] < before->n[i])
            world_fail(world, "monotonic", "device %u went back from %u to %u of device %u",
                       device->number, before->n[i], merged.n[i], i);
    /* What left again shows depends on how it was when it came back. */
    bool is_shown = part == PART_MEMBER || (part == PART_LEFT && device->removals[circle] == 1);
    if (is_shown && memcmp(&merged, before, sizeof merged) != 0 &&
        !model_is_closed(&world->model, circle, &merged))
        world_fail(world, "causal", "device %u shows a change before what its author had seen",
                   device->number);
    *before = merged;
    return is_shown;
}

enum kith_err check_may_write(struct world *world, struct sim_device *device, uint32_t circle)
{
    enum circle_part part;
    const struct access_view *view = access_of_device(world, device, circle, &part);

    if (!view)
        return KITH_UNKNOWN_CIRCLE;
    if (access_right(view, device->person) != CIRCLE_WRITE)
        return KITH_NOT_MEMBER;
    if (replica_leaving(device->replica) != LEAVING_NOT)
        return KITH_ENDED;
    return view->cuts[device->number].leaving ? KITH_NOT_MEMBER : KITH_OK;
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
        bool is_there =
            device_receipt_get(&txn, number, &receipt) &&
            memcmp(receipt.incarnation, world->ledger->incarnation, INCARNATION_BYTES) == 0;
        if (!is_there)
            receipt.n = 0; /* or of the hub before it was restored */
        /* What an answer of the lost hub brings late makes a device begin anew. */
        if (receipt.n < device->receipts[circle] && !world->habits.has_restores)
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
    secrets_check(world, device);
    for (uint32_t circle = 0; circle < world->circle_count; circle++) {
        if (!check_merged(world, device, circle))
            continue;
        (void)check_records(world, device, circle);
        if (stream_chance(&world->workload, 25))
            (void)check_notes(world, device, circle);
    }
}
