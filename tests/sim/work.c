/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/work.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/check.h"
#include "tests/sim/connection.h"

enum { FIELD_ONE = 1, FIELD_TWO, FIELD_SET, FIELD_LIST, FIELD_KEYED };

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

static void draw_attempt(struct world *world, uint32_t circle, struct attempt *attempt)
{
    uint32_t wanted = 1 + stream_below(&world->workload, SIM_OPS_MAX);

    memset(attempt, 0, sizeof *attempt);
    for (uint32_t i = 0; i < wanted; i++) {
        struct model_op op = draw_op(world);
        uint32_t place = attempt->count;
        if (is_in(attempt->ops, place, &op))
            continue;
        buffer_init(&attempt->values[place], VALUE_MAX);
        buffer_init(&attempt->keys[place], VALUE_MAX);
        value_write(&attempt->values[place], op.value);
        struct edit *edit = &attempt->edits[place];
        *edit = (struct edit){
            .field = op.field, .kind = op.kind, .value = buffer_view(&attempt->values[place])};
        if (op.kind == OP_KEYED) {
            value_write(&attempt->keys[place], op.key);
            edit->key = buffer_view(&attempt->keys[place]);
        }
        record_name(&world->circles[circle], op.record, edit->record, &edit->type);
        attempt->ops[attempt->count++] = op;
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

void work_save(struct world *world, struct sim_device *device, uint32_t circle)
{
    struct model *model = &world->model;
    struct model_change change = {.circle = circle, .device = device->number};
    bool is_reader = circle > 0 && world->circles[circle].rights[device->person] == CIRCLE_READ;
    struct attempt attempt;
    struct dot dot;

    if (!check_merged(world, device, circle))
        return;
    change.past = device->merged[circle];
    change.n = model->saved[circle].n[device->number] + 1;
    draw_attempt(world, circle, &attempt);
    for (uint32_t i = 0; i < attempt.count; i++)
        if (!model_is_idle(model, circle, &change.past, &attempt.ops[i]))
            change.ops[change.op_count++] = attempt.ops[i];
    enum kith_err err = save_attempt(world, device, circle, &attempt, &dot);
    world_say(world, "device %u saves %u edits in circle %u: %s, %llu", device->number,
              change.op_count, circle, error_name(err), (unsigned long long)dot.n);
    world_trace(world, (uint64_t)err + dot.n);
    if (err == KITH_NO_KEY)
        return;
    if (err != (is_reader ? KITH_NOT_MEMBER : KITH_OK))
        world_fail(world, "save", "device %u in circle %u: %s", device->number, circle,
                   error_name(err));
    if (is_reader)
        return;
    if (dot.n != (change.op_count ? change.n : 0))
        world_fail(world, "save", "device %u wrote change %llu, %u edits were new", device->number,
                   (unsigned long long)dot.n, change.op_count);
    if (change.op_count == 0)
        return;
    model_add(model, &change);
    if (stream_chance(&world->workload, 10))
        check_device(world, device);
}

static bool copy_file(const char *from, const char *to)
{
    struct stat info;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    bool is_copied = in >= 0 && out >= 0 && fstat(in, &info) == 0 &&
                     sendfile(out, in, NULL, (size_t)info.st_size) == info.st_size;

    if (in >= 0)
        (void)close(in);
    if (out >= 0)
        (void)close(out);
    return is_copied;
}

void work_save_lost(struct world *world, struct sim_device *device, uint32_t circle)
{
    char data[SIM_PATH_MAX + 16];
    char copy[SIM_PATH_MAX + 16];
    struct attempt attempt;
    struct dot dot;

    if (!check_merged(world, device, circle))
        return;
    (void)snprintf(data, sizeof data, "%s/data.mdb", device->folder);
    (void)snprintf(copy, sizeof copy, "%s/before", device->folder);
    if (!copy_file(data, copy))
        world_fail(world, "folder", "%s cannot be copied", data);
    draw_attempt(world, circle, &attempt);
    enum kith_err err = save_attempt(world, device, circle, &attempt, &dot);
    world_trace(world, (uint64_t)err);
    connections_lose_device(world, device);
    replica_close(&device->replica);
    if (!copy_file(copy, data))
        world_fail(world, "folder", "%s cannot be restored", data);
    world_start_device(world, device, false);
    (void)check_merged(world, device, circle);
}

void work_grant(struct world *world, struct sim_device *device, uint32_t circle)
{
    const struct roster *roster = replica_roster(device->replica);
    uint32_t person = 1 + stream_below(&world->workload, roster->person_count);

    for (int i = 0; i < 3 && check_is_member(world, circle, person); i++)
        person = 1 + stream_below(&world->workload, roster->person_count);
    enum circle_right *given = &world->circles[circle].rights[person];
    bool is_custodian = roster_person(roster, person)->roles & ROLE_CUSTODIAN;
    bool is_reader = !is_custodian && stream_chance(&world->workload, 25);
    struct circle_member member = {.person = person, .right = *given};
    unsigned roles = roster_person(roster, device->person)->roles;

    /* One right for a person in a circle, whoever gives it: two at once would contradict. */
    if (member.right == 0)
        member.right = is_reader ? CIRCLE_READ : CIRCLE_WRITE;
    if (!role_may(roles, MAY_GRANT) ||
        world->circles[circle].rights[device->person] == CIRCLE_READ ||
        !check_merged(world, device, circle))
        return;
    enum kith_err err = replica_grant(device->replica, world->circles[circle].id, &member);
    world_say(world, "device %u lets person %u into circle %u: %s", device->number, person, circle,
              error_name(err));
    world_trace(world, (uint64_t)err);
    if (err == KITH_OK)
        *given = member.right;
    else if (err != KITH_EXISTS || !check_is_member(world, circle, person))
        world_fail(world, "grant", "by device %u: %s", device->number, error_name(err));
}
