/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/notes.h"

#include <string.h>

#include "client/visit.h"
#include "tests/sim/check.h"

/* False as long as the visit has not come to this device. */
static bool read_visit(struct world *world, struct sim_device *device, uint32_t circle,
                       struct store_txn *txn, struct visit *visit)
{
    struct found_record found;
    uint8_t id[ID_BYTES];
    uint32_t type;

    record_name(&world->circles[circle], SIM_VISIT, id, &type);
    enum kith_err err = replica_find_in(txn, world->circles[circle].id, type, id, &found);
    if (err == KITH_NOT_FOUND || err == KITH_UNKNOWN_CIRCLE)
        return false;
    if (!err)
        err = visit_read(txn, replica_roster(device->replica), &found, visit);
    world_expect(world, err, "reading a visit");
    return true;
}

/* The step that is next for a person; 0 if there is none. */
static enum note_step_kind next_kind(const struct visit *visit, const struct sim_device *device)
{
    unsigned roles = roster_device_roles(replica_roster(device->replica), device->number);
    bool is_own = visit->specialist == device->person;

    if (!visit->life.sign)
        return is_own ? NOTE_SIGN : (enum note_step_kind)0;
    if (is_own && visit->life.state == NOTE_IS_SIGNED)
        return NOTE_SUBMIT;
    if (!is_own && role_may(roles, MAY_LEAD) && visit->life.state == NOTE_IS_SUBMITTED)
        return NOTE_COSIGN;
    return (enum note_step_kind)0;
}

static void hash_content(struct world *world, const struct visit *visit, const struct record *facts,
                         const struct record *note, uint8_t hash[static HASH_BYTES])
{
    world_expect(world,
                 note_content_hash(&visit->place, facts, note->register_count ? note : NULL, hash),
                 "hashing a note");
}

static void write_past(struct world *world, struct store_txn *txn, uint32_t circle,
                       struct note_step *step, struct buffer *past)
{
    enum kith_err err;
    const struct dot *dots = replica_past(txn, world->circles[circle].id, &step->past_count, &err);

    world_expect(world, err, "the past");
    for (uint32_t i = 0; i < step->past_count; i++) {
        wire_put_uint(past, dots[i].device);
        wire_put_uint(past, dots[i].n);
    }
    step->past = buffer_view(past);
}

static void write_step(struct world *world, struct sim_device *device, uint32_t circle,
                       struct store_txn *txn, const struct visit *visit, enum note_step_kind kind)
{
    struct sim_step *written = &world->steps[world->step_count];
    struct note_step step = {.kind = kind,
                             .device = device->number,
                             .person = device->person,
                             .roster_seq = replica_roster(device->replica)->count,
                             .time_ms = device_now_ms(world, device)};
    struct buffer past;
    struct buffer value;

    buffer_init(&past, SIM_STEP_BYTES);
    buffer_init(&value, SIM_STEP_BYTES);
    memcpy(step.covers, visit->life.version, HASH_BYTES);
    if (kind == NOTE_SIGN)
        hash_content(world, visit, &visit->facts, &visit->note, step.covers);
    write_past(world, txn, circle, &step, &past);
    world_expect(world,
                 note_step_write(&step, &visit->place,
                                 replica_identity(device->replica)->sign_secret, &value),
                 "a step");
    memcpy(written->value, value.ptr, value.len);
    written->len = value.len;
    buffer_clear(&past);
    buffer_clear(&value);
}

bool note_step(struct world *world, struct sim_device *device, uint32_t circle, uint32_t *value)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    enum note_step_kind kind = (enum note_step_kind)0;
    struct visit visit;

    if (world->step_count < SIM_STEPS_MAX && read_visit(world, device, circle, &txn, &visit))
        kind = next_kind(&visit, device);
    if (kind) {
        write_step(world, device, circle, &txn, &visit, kind);
        *value = VALUE_STEP | world->step_count++;
        world_say(world, "device %u takes step %s in circle %u", device->number,
                  note_step_word(kind), circle);
    }
    store_abort(&txn);
    return kind != 0;
}

/* What was signed is made again from the log, and gives the hash that was signed. */
static void check_content(struct world *world, struct sim_device *device, struct store_txn *txn,
                          struct visit *visit, const struct note_step *sign)
{
    struct record facts;
    struct record note;
    uint8_t hash[HASH_BYTES];

    world_expect(world, visit_signed_content(txn, visit, sign, &facts, &note), "what was signed");
    hash_content(world, visit, &facts, &note, hash);
    if (memcmp(hash, sign->covers, HASH_BYTES) != 0)
        world_fail(world, "signed", "device %u shows other content than device %u signed",
                   device->number, sign->device);
}

uint64_t check_notes(struct world *world, struct sim_device *device, uint32_t circle)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct visit visit = {0};
    uint64_t hash = 0;

    bool is_here = read_visit(world, device, circle, &txn, &visit);
    for (uint32_t i = 0; i < visit.step_count; i++) {
        const struct note_step *step = &visit.steps[i];
        if (note_step_verify(step, &visit.place, replica_roster(device->replica)))
            world_fail(world, "signed", "device %u: the %s of device %u does not verify",
                       device->number, note_step_word(step->kind), step->device);
        if (step->kind == NOTE_SIGN)
            check_content(world, device, &txn, &visit, step);
    }
    if (is_here && visit.life.sign && visit_verify(&txn, replica_roster(device->replica), &visit))
        world_fail(world, "signed", "device %u: what stands does not verify", device->number);
    if (visit.step_count < device->steps[circle])
        world_fail(world, "signed", "device %u lost a step of a note", device->number);
    device->steps[circle] = visit.step_count;
    for (uint32_t k = 0; is_here && k < HASH_BYTES; k += 8)
        hash = mix(hash + visit.life.state, get_u64(visit.life.version + k));
    store_abort(&txn);
    return hash;
}
