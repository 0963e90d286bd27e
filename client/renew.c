/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renew.h"

#include <stdio.h>
#include <string.h>

#include "client/clock.h"
#include "protocol/note.h"
#include "protocol/seal.h"
#include "store/renew.h"

struct rewriter {
    const struct identity *next;
    uint32_t roster_count;
};

static bool is_among_records(const struct renewed_names *names, const uint8_t id[static ID_BYTES])
{
    for (uint32_t i = 0; i < names->record_count; i++)
        if (memcmp(names->records[i], id, ID_BYTES) == 0)
            return true;
    return false;
}

/* Whether the step's past reaches into what is renamed. */
static bool knows_renamed(const struct renewed_names *names, const struct note_step *step)
{
    struct bytes past = step->past;
    uint32_t count = step->past_count;
    struct dot dot;

    while (dots_next(&past, &count, &dot))
        if (renewed_dot(names, dot).device != dot.device)
            return true;
    return false;
}

/* A step that fixes content which is renamed fixed something that is no more: its author takes it
 * again. What has words of its own is kept. */
static bool must_be_taken_again(const struct renewed_names *names, const struct note_step *step,
                                const uint8_t record[static ID_BYTES])
{
    bool has_words =
        step->kind == NOTE_ADDEND || step->kind == NOTE_RETURN || step->kind == NOTE_VOID;

    return !has_words && knows_renamed(names, step) && is_among_records(names, record);
}

/* The same step, by the new device. */
static bool rewrite_step(const struct rewriter *rewriter, const struct renewed_names *names,
                         const struct op *op, struct buffer *value)
{
    struct note_place place;
    struct note_step step;
    struct buffer past;
    struct buffer taken;

    if (note_step_read(&step, op->value))
        return true;
    if (must_be_taken_again(names, &step, op->record))
        return false;
    memcpy(place.agency, rewriter->next->agency, ID_BYTES);
    memcpy(place.circle, names->circle, ID_BYTES);
    memcpy(place.record, op->record, ID_BYTES);
    buffer_init(&past, VALUE_MAX);
    buffer_init(&taken, VALUE_MAX);
    enum kith_err err = renewed_dots(names, step.past, &step.past_count, true, &past);
    if (!err)
        err = renewed_dots(names, step.taken, &step.taken_count, false, &taken);
    step.past = buffer_view(&past);
    step.taken = buffer_view(&taken);
    step.device = rewriter->next->device;
    step.roster_seq = rewriter->roster_count;
    if (!err)
        err = note_step_write(&step, &place, rewriter->next->sign_secret, value);
    if (err)
        value->err = err;
    buffer_clear(&past);
    buffer_clear(&taken);
    return true;
}

static bool rewrite_value(void *owner, const struct renewed_names *names, const struct op *op,
                          struct buffer *value)
{
    if (op->type == RECORD_VISIT && op->field == NOTE_STEPS && op->kind == OP_APPEND)
        return rewrite_step(owner, names, op, value);
    if (op->type == RECORD_CLOCK && op->field == CLOCK_SPANS && op->kind == OP_APPEND)
        clock_span_rename(names, op->value, value);
    return true;
}

/* Under the same name as before, with its new number behind it. */
static enum kith_err name_new_device(struct kith *kith, uint32_t old, uint32_t new)
{
    char name[KITH_NAME_TEXT];

    home_forget_names(kith);
    enum kith_err err = home_read_names(kith);
    if (err || home_has_device_name(kith, new))
        return err;
    (void)snprintf(name, sizeof name, "%.*s", KITH_NAME_TEXT - 1, home_device_name(kith, old));
    return home_save_name(kith, RECORD_DEVICE, new, name);
}

static enum kith_err take_over(struct kith *kith, const struct renewal *renewal,
                               struct kith_sync_report *report)
{
    uint32_t old = replica_identity(kith->replica)->device;
    struct rewriter rewriter = {&renewal->next, replica_roster(kith->replica)->count};
    struct renewed renewed;
    enum kith_err err = replica_renew(kith->replica, renewal, rewrite_value, &rewriter,
                                      home_now_ms(kith), &renewed);

    if (err)
        return err;
    report->renewed = renewal->next.device;
    report->rewritten = renewed.changes;
    report->sign_again = renewed.left_out;
    return name_new_device(kith, old, renewal->next.device);
}

/* Signed by the old key: it makes the new device and ends the old one in one entry. */
static enum kith_err request_renewal(struct kith *kith, struct renewal *renewal)
{
    const struct identity *now = replica_identity(kith->replica);
    struct roster_request request = {.is_wanted = true, .sign_secret = now->sign_secret};
    struct exchange exchange = {.mode = CHANNEL_SYNC, .request = &request};

    request.entry = (struct roster_entry){
        .type = ROSTER_RENEW, .author = now->device, .time_s = home_now_ms(kith) / 1000};
    identity_public(&renewal->next, &request.entry.keys);
    enum kith_err err = home_exchange(kith, &exchange);
    if (request.refusal)
        return request.refusal;
    return err && !request.is_done ? err : replica_renewal(kith->replica, renewal);
}

enum kith_err home_renew(struct kith *kith, struct kith_sync_report *report, bool *is_renewed)
{
    struct renewal renewal;
    enum kith_err err = replica_renewal(kith->replica, &renewal);

    *is_renewed = false;
    if (!err && renewal.is_due && !renewal.is_begun)
        err = replica_renew_begin(kith->replica, &renewal);
    if (!err && renewal.is_due && !renewal.is_placed)
        err = request_renewal(kith, &renewal);
    if (!err && renewal.is_placed) {
        err = take_over(kith, &renewal, report);
        *is_renewed = !err;
    }
    seal_wipe(&renewal, sizeof renewal);
    return err;
}

enum kith_err home_is_renewing(struct kith *kith, bool *is_renewing)
{
    struct renewal renewal;
    enum kith_err err = replica_renewal(kith->replica, &renewal);

    *is_renewing = renewal.is_placed;
    seal_wipe(&renewal, sizeof renewal);
    return err;
}
