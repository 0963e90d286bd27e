/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/model.h"

#include <assert.h>
#include <string.h>

void model_clear(struct model *model)
{
    memset(model, 0, sizeof *model);
}

void model_add(struct model *model, const struct model_change *change)
{
    assert(model->count < SIM_CHANGES_MAX && change->n >= 1 && change->n <= SIM_CHANGES_MAX);
    model->changes[model->count++] = *change;
    model->place[change->circle][change->device][change->n - 1] = (uint16_t)model->count;
    model->saved[change->circle].n[change->device] = change->n;
}

const struct model_change *model_find(const struct model *model, uint32_t circle, uint32_t device,
                                      uint64_t n)
{
    if (device >= SIM_NUMBERS_MAX || n == 0 || n > SIM_CHANGES_MAX)
        return NULL;
    uint16_t place = model->place[circle][device][n - 1];
    return place ? &model->changes[place - 1] : NULL;
}

bool past_has(const struct past *past, uint32_t device, uint64_t n)
{
    return past->n[device] >= n;
}

/* An entry of a list is a register of its own: nothing replaces it. */
static bool is_same_register(const struct model_op *a, const struct model_op *b)
{
    if (a->record != b->record || a->field != b->field)
        return false;
    if (a->kind == OP_ADD || a->kind == OP_DROP)
        return a->value == b->value;
    if (a->kind == OP_KEYED)
        return a->key == b->key;
    return a->kind != OP_APPEND;
}

bool model_is_live(const struct model *model, const struct past *past,
                   const struct model_change *change, const struct model_op *op)
{
    if (op->kind == OP_DROP || !past_has(past, change->device, change->n))
        return false;
    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_change *later = &model->changes[i];
        if (later->circle != change->circle || !past_has(past, later->device, later->n) ||
            !past_has(&later->past, change->device, change->n))
            continue;
        for (uint32_t k = 0; k < later->op_count; k++)
            if (is_same_register(&later->ops[k], op))
                return false;
    }
    return true;
}

bool model_is_idle(const struct model *model, uint32_t circle, const struct past *past,
                   const struct model_op *op)
{
    uint32_t live_count = 0;
    bool is_equal = false;

    for (uint32_t i = 0; i < model->count && op->kind != OP_APPEND; i++) {
        const struct model_change *change = &model->changes[i];
        for (uint32_t k = 0; change->circle == circle && k < change->op_count; k++) {
            const struct model_op *known = &change->ops[k];
            if (!is_same_register(known, op) || !model_is_live(model, past, change, known))
                continue;
            live_count++;
            is_equal = known->value == op->value;
        }
    }
    if (op->kind == OP_DROP)
        return live_count == 0;
    return live_count == 1 && (op->kind == OP_ADD || is_equal);
}

bool model_is_closed(const struct model *model, uint32_t circle, const struct past *past)
{
    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_change *change = &model->changes[i];
        if (change->circle != circle || !past_has(past, change->device, change->n))
            continue;
        for (uint32_t device = 0; device < SIM_NUMBERS_MAX; device++)
            if (past->n[device] < change->past.n[device])
                return false;
    }
    return true;
}
