/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/work.h"

#include <string.h>

#include "protocol/note.h"
#include "tests/sim/access.h"
#include "tests/sim/check.h"
#include "tests/sim/disk.h"
#include "tests/sim/notes.h"

static struct model_op draw_op(struct world *world)
{
    struct stream *workload = &world->workload;
    struct model_op op = {.record = stream_below(workload, SIM_RECORDS)};
    /* Few enough that two people type the same now and then. */
    uint32_t text = stream_chance(workload, 20) ? stream_below(workload, 3) : world->step;
    if (stream_chance(workload, world->habits.large_percent))
        text |= VALUE_LARGE;

    switch (stream_below(workload, 8)) {
    case 0:
        op.kind = OP_APPEND;
        op.field = FIELD_LIST;
        op.value = text;
        break;
    case 1:
    case 2:
        op.kind = stream_chance(workload, 50) ? OP_ADD : OP_DROP;
        op.field = FIELD_SET;
        op.value = stream_below(workload, 3);
        break;
    case 3:
        op.kind = OP_KEYED;
        op.field = FIELD_KEYED;
        op.value = text;
        op.key = stream_below(workload, 2);
        break;
    default:
        op.kind = OP_PUT;
        op.field = stream_chance(workload, 70) ? FIELD_ONE : FIELD_TWO;
        op.value = text;
        break;
    }
    return op;
}

/* A save writes each register once. */
static bool is_in(const struct model_op *ops, uint32_t count, const struct model_op *op)
{
    for (uint32_t i = 0; i < count; i++)
        if (ops[i].record == op->record && ops[i].field == op->field)
            return true;
    return false;
}

struct attempt {
    struct model_op ops[SIM_OPS_MAX];
    uint32_t count;
    struct edit edits[SIM_OPS_MAX];
    struct buffer values[SIM_OPS_MAX];
    struct buffer keys[SIM_OPS_MAX];
};

static void attempt_add(const struct world *world, uint32_t circle, struct attempt *attempt,
                        struct model_op op)
{
    uint32_t place = attempt->count;
    buffer_init(&attempt->values[place], VALUE_MAX);
    buffer_init(&attempt->keys[place], VALUE_MAX);
    value_write(world, &attempt->values[place], op.value);
    struct edit *edit = &attempt->edits[place];
    *edit = (struct edit){
        .field = op.field, .kind = op.kind, .value = buffer_view(&attempt->values[place])};
    if (op.kind == OP_KEYED) {
        value_write(world, &attempt->keys[place], op.key);
        edit->key = buffer_view(&attempt->keys[place]);
    }
    record_name(&world->circles[circle], op.record, edit->record, &edit->type);
    attempt->ops[attempt->count++] = op;
}

static void draw_attempt(struct world *world, uint32_t circle, struct attempt *attempt)
{
    uint32_t wanted = 1 + stream_below(&world->workload, SIM_OPS_MAX);

    for (uint32_t i = 0; i < wanted; i++) {
        struct model_op op = draw_op(world);
        if (!is_in(attempt->ops, attempt->count, &op))
            attempt_add(world, circle, attempt, op);
    }
}

static enum kith_err save_attempt(struct world *world, struct sim_device *device, uint32_t circle,
                                  struct attempt *attempt, struct dot *dot)
{
    struct save save = {.class = (enum change_class)stream_below(&world->workload, CHANGE_CLASSES),
                        .edits = attempt->edits,
                        .edit_count = attempt->count,
                        .now_ms = device_now_ms(world, device)};

    memcpy(save.circle, world->circles[circle].id, ID_BYTES);
    enum kith_err err = replica_save(device->replica, &save, dot);
    for (uint32_t i = 0; i < attempt->count; i++) {
        buffer_clear(&attempt->values[i]);
        buffer_clear(&attempt->keys[i]);
    }
    return err;
}

/* The machine stops within the save, or after it and before the person is told. What was said to be
 * saved is there when it runs again, what was said to have failed is not: check_merged. */
static enum kith_err save_and_die(struct world *world, struct sim_device *device, uint32_t circle,
                                  struct attempt *attempt, struct dot *dot)
{
    disk_stop(stream_below(&world->faults, DISK_WRITES_MAX));
    enum kith_err err = save_attempt(world, device, circle, attempt, dot);
    if (disk_repair() && err == KITH_FULL)
        err = KITH_IO;
    world_crash_device(world, device);
    return err;
}

/* The epoch that a change saved now is sealed under, or a later one: while a recipient is ended,
 * the next. */
static uint32_t epoch_floor(struct world *world, struct sim_device *device, uint32_t circle)
{
    const struct roster *roster = replica_roster(device->replica);
    enum circle_part part;
    const struct access_view *view = access_of_device(world, device, circle, &part);
    uint32_t floor = view ? view->epoch : 0;

    for (uint32_t i = 0; view && i < roster->device_count; i++)
        if (roster->devices[i].state == DEVICE_ENDED && access_is_recipient(view, i + 1))
            floor = view->epoch + 1;
    return floor;
}

/* What the model expects of an attempt on top of what is merged here. */
static void expect_change(struct world *world, struct sim_device *device, uint32_t circle,
                          const struct attempt *attempt, struct model_change *change)
{
    *change = (struct model_change){.circle = circle,
                                    .device = device->number,
                                    .n = world->model.saved[circle].n[device->number] + 1,
                                    .past = device->merged[circle],
                                    .epoch_floor = epoch_floor(world, device, circle)};
    for (uint32_t i = 0; i < attempt->count; i++)
        if (!model_is_idle(&world->model, circle, &change->past, &attempt->ops[i]))
            change->ops[change->op_count++] = attempt->ops[i];
}

/* Saves what was drawn, and takes it into the model. */
static void save_drawn(struct world *world, struct sim_device *device, uint32_t circle,
                       struct attempt *attempt, bool is_killed)
{
    enum kith_err verdict = check_may_write(world, device, circle);
    struct model_change change;
    struct dot dot;

    expect_change(world, device, circle, attempt, &change);
    enum kith_err err = is_killed ? save_and_die(world, device, circle, attempt, &dot)
                                  : save_attempt(world, device, circle, attempt, &dot);
    world_say(world, "device %u saves %u edits in circle %u: %s, %llu", device->number,
              change.op_count, circle, error_name(err), (unsigned long long)dot.n);
    world_trace(world, (uint64_t)err + dot.n);
    if (is_killed && err == KITH_IO) {
        (void)check_merged(world, device, circle);
        return;
    }
    if (err != verdict)
        world_fail(world, "save", "device %u in circle %u: %s, not %s", device->number, circle,
                   error_name(err), error_name(verdict));
    if (verdict)
        return;
    if (dot.n != (change.op_count ? change.n : 0))
        world_fail(world, "save", "device %u wrote change %llu, %u edits were new", device->number,
                   (unsigned long long)dot.n, change.op_count);
    if (change.op_count == 0)
        return;
    model_add(&world->model, &change);
    if (is_killed || stream_chance(&world->workload, 10))
        check_device(world, device);
}

void work_save(struct world *world, struct sim_device *device, uint32_t circle, bool is_killed)
{
    struct attempt attempt = {0};

    if (!check_merged(world, device, circle))
        return;
    draw_attempt(world, circle, &attempt);
    save_drawn(world, device, circle, &attempt, is_killed);
}

void work_sign(struct world *world, struct sim_device *device, uint32_t circle, bool is_killed)
{
    struct attempt attempt = {0};
    struct model_op op = {.record = SIM_VISIT, .field = NOTE_STEPS, .kind = OP_APPEND};

    if (circle == 0 || !check_merged(world, device, circle) ||
        !note_step(world, device, circle, &op.value))
        return;
    attempt_add(world, circle, &attempt, op);
    save_drawn(world, device, circle, &attempt, is_killed);
}
