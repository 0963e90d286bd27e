/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device sends: the outbox, derived from the log and the receipts.
 *
 * Order: the roster entry that somebody waits for, new circles (a genesis before the changes in
 * it), grants, then changes, circles with urgent ones first. With the first flight goes the PULL. A
 * chain is never sent beyond a change that the hub refused.
 */
#include <stdlib.h>
#include <string.h>

#include "store/device_held_rows.h"
#include "store/fill_internal.h"
#include "store/give_back.h"

#define PULL_ROOM 128

void sending_init(struct sending *sending, uint64_t now_s)
{
    memset(sending, 0, sizeof *sending);
    buffer_init(&sending->request_entry, ENTRY_MAX);
    sending->now_s = now_s;
}

static void grant_clear(struct sending_grant *grant)
{
    buffer_clear(&grant->entry);
    seal_wipe(grant->key, KEY_BYTES);
}

static void grants_clear(struct sending *sending)
{
    for (uint32_t i = 0; i < sending->grant_count; i++)
        grant_clear(&sending->grants[i]);
    free(sending->grants);
    sending->grants = NULL;
    sending->grant_count = 0;
    sending->grant_room = 0;
}

void sending_clear(struct sending *sending)
{
    grants_clear(sending);
    free(sending->circles);
    sending->circles = NULL;
    buffer_clear(&sending->request_entry);
    seal_wipe(sending->request.psk, KEY_BYTES);
}

void sending_again(struct sending *sending)
{
    sending->is_listed = false;
    sending->is_pull_sent = false;
}

struct sending_grant *sending_find_grant(struct sending *sending, uint32_t circle)
{
    for (uint32_t i = 0; i < sending->grant_count; i++)
        if (sending->grants[i].circle == circle)
            return &sending->grants[i];
    return NULL;
}

uint64_t sending_floor(const struct sending *sending, uint32_t circle)
{
    for (uint32_t i = 0; i < sending->circle_count; i++)
        if (sending->circles[i].number == circle)
            return sending->circles[i].floor;
    return 0;
}

void sending_drop_grant(struct sending *sending, struct sending_grant *grant)
{
    grant_clear(grant);
    *grant = sending->grants[--sending->grant_count];
}

struct sending_grant *sending_add_grant(struct sending *sending)
{
    if (sending->grant_count == sending->grant_room) {
        uint32_t room = sending->grant_room ? sending->grant_room * 2 : 8;
        struct sending_grant *larger = realloc(sending->grants, room * sizeof *larger);
        if (!larger)
            return NULL;
        sending->grants = larger;
        sending->grant_room = room;
    }
    struct sending_grant *grant = &sending->grants[sending->grant_count++];
    memset(grant, 0, sizeof *grant);
    buffer_init(&grant->entry, ENTRY_MAX);
    return grant;
}

bool filler_has_room(struct filler *filler, size_t bytes)
{
    size_t room = filler->frames->len > 0 ? filler->room : BATCH_MAX;

    filler->is_full = filler->is_full || filler->frames->len + bytes > room;
    return !filler->is_full;
}

bool filler_run_has_room(struct filler *filler, const struct run_writer *run,
                         const struct change *change)
{
    size_t held = filler->frames->len + run->changes.len;
    size_t bytes = RUN_HEAD_MAX + change->sealed.len + RUN_CHANGE_OVERHEAD;

    filler->is_full = filler->is_full || held + bytes > (held > 0 ? filler->room : BATCH_MAX);
    return !filler->is_full;
}

/* What is held has arrived; where the hub had no room for more it may have some by now. */
static bool is_blocking(const struct refused_row *refused)
{
    return refused->kind == ACK_CHAIN && refused->reason != KITH_HELD &&
           refused->reason != KITH_HELD_FULL;
}

/* What the hub may lack of others, because it came here by hand. What waits for something that is
 * not here is not brought: at the hub it would look as if that were hidden. */
static void list_carried(struct filler *filler, struct sending_circle *circle)
{
    uint32_t count;

    if (!replica_is_carrying(filler->txn))
        return;
    const struct chain_row *chains = device_chains(filler->txn, circle->number, &count);
    for (uint32_t i = 0; i < count; i++) {
        bool is_others = chains[i].number != CHAIN_OWN;
        filler->is_carrying |= is_others && chains[i].received > chains[i].served;
        circle->is_carrying |= is_others && chains[i].applied > chains[i].served;
    }
}

/* When the newest change that is to be sent was written; 0 if that cannot be told. */
static uint64_t newest_written(struct store_txn *txn, const uint8_t id[static ID_BYTES], uint64_t n)
{
    struct circle_work work;
    struct payload payload;
    struct buffer text;
    uint64_t newest = 0;

    if (circle_work_begin(txn, id, &work))
        return 0;
    buffer_init(&text, CHANGE_TEXT_MAX);
    for (uint32_t i = 0; i < work.chain_count; i++)
        if (work.chains[i].number == CHAIN_OWN &&
            !circle_work_text(txn, &work, &work.chains[i], n, &text) &&
            !payload_open(&payload, buffer_view(&text)))
            newest = payload.hlc;
    buffer_clear(&text);
    circle_work_end(txn, &work);
    return newest;
}

/* What the own chain of a circle has beyond the last receipt. */
static bool list_circle(struct filler *filler, uint32_t number, struct sending_circle *circle)
{
    struct store_txn *txn = filler->txn;
    struct receipt_row receipt = {0};
    struct refused_row refused;
    struct log_row row;
    struct circle_row known;
    struct chain_row own = device_chain_own(txn, number);

    *circle = (struct sending_circle){.number = number};
    list_carried(filler, circle);
    struct kept_row kept = device_kept_get(txn, number);

    (void)device_receipt_get(txn, number, &receipt);
    circle->floor = receipt.n;
    circle->next_n = (receipt.n > kept.n ? receipt.n : kept.n) + 1;
    circle->last_n = late_sealed_through(txn, number, &own);
    struct store_walk walk = device_refusals(txn, number);
    while (device_refused_next(&walk, &refused))
        if (is_blocking(&refused) && refused.n > receipt.n && refused.n <= circle->last_n)
            circle->last_n = refused.n - 1;
    store_walk_end(&walk);
    device_circle_get(txn, number, &known);
    bool is_lacking = known.acked_entries < known.circle.count && known.part == PART_MEMBER;
    if (filler->is_giving && is_lacking)
        circle->next_entry = known.acked_entries + 1;
    else if (receipt.n == 0)
        circle->needs_genesis = known.acked_entries == 0;
    if (circle->next_n <= circle->last_n)
        circle->newest = newest_written(txn, known.circle.id, circle->last_n);
    circle_clear(&known.circle);
    /* The first change asks what the hub has of the rest: its receipt says. */
    if (filler->is_giving && circle->next_n == 1 && circle->last_n > 1)
        circle->last_n = 1;
    for (uint64_t n = circle->next_n; n <= circle->last_n && !circle->is_urgent; n++)
        circle->is_urgent =
            device_log_get(txn, number, CHAIN_OWN, n, &row) && row.change.class == CHANGE_URGENT;
    store_forget(txn);
    return circle->needs_genesis || circle->next_entry || circle->is_carrying ||
           circle->next_n <= circle->last_n;
}

/* What is urgent first, then where somebody wrote last. */
static int by_urgency(const void *a, const void *b)
{
    const struct sending_circle *left = a;
    const struct sending_circle *right = b;

    if (left->is_urgent != right->is_urgent)
        return left->is_urgent ? -1 : 1;
    if (left->newest != right->newest)
        return left->newest > right->newest ? -1 : 1;
    return left->number < right->number ? -1 : 1;
}

static enum kith_err list_circles(struct filler *filler)
{
    struct sending *sending = filler->sending;
    uint32_t count = device_circle_count(filler->txn);
    struct hub_state hub;

    replica_hub_get(filler->txn, &hub);
    memcpy(sending->incarnation, hub.incarnation, INCARNATION_BYTES);
    free(sending->circles);
    sending->circle_count = 0;
    sending->acknowledged = 0;
    sending->circles = calloc((size_t)count + 1, sizeof *sending->circles);
    if (!sending->circles)
        return KITH_MEMORY;
    for (uint32_t number = 1; number <= count; number++) {
        struct sending_circle circle;
        bool has_more = list_circle(filler, number, &circle);
        sending->acknowledged += circle.floor;
        if (has_more)
            sending->circles[sending->circle_count++] = circle;
    }
    qsort(sending->circles, sending->circle_count, sizeof *sending->circles, by_urgency);
    filler->is_given_back = filler->is_giving;
    for (uint32_t i = 0; i < sending->circle_count; i++)
        if (sending->circles[i].next_entry)
            filler->is_given_back = false;
    filler->is_carried_over = !filler->is_carrying && replica_is_carrying(filler->txn);
    sending->is_listed = true;
    return KITH_OK;
}

static void write_pull(struct filler *filler)
{
    struct hub_state hub;
    struct pull pull = {0};

    if (filler->sending->is_pull_sent || !filler_has_room(filler, PULL_ROOM))
        return;
    replica_hub_get(filler->txn, &hub);
    memcpy(pull.incarnation, hub.incarnation, INCARNATION_BYTES);
    memcpy(pull.digest, hub.digest, DIGEST_BYTES);
    pull.cursor = bytes_of(hub.cursor, hub.cursor_len);
    pull.own = filler->sending->acknowledged;
    pull_write(filler->frames, &pull);
    memcpy(filler->sending->pulled, hub.incarnation, INCARNATION_BYTES);
    filler->sending->is_pull_sent = true;
    filler->sending->is_pull_answered = false;
}

/* A founder's entry names what comes with WELCOME; an enrolment proves its invitation's psk, which
 * message 1 cannot; any other one needs a head to stand on. */
static bool is_request_ready(const struct filler *filler)
{
    const struct sending *sending = filler->sending;

    switch (sending->request.entry.type) {
    case ROSTER_FOUND:
        return !sending->request.waits_for_hub;
    case ROSTER_ENROL:
        return sending->is_pull_answered;
    case ROSTER_INVITE:
    case ROSTER_ROLE:
    case ROSTER_END:
    case ROSTER_RENEW:
        break;
    }
    return filler->replica->roster.count > 0;
}

/* The roster entry somebody waits for, on the head as it is now. */
static enum kith_err write_request(struct filler *filler)
{
    struct roster_request *request = &filler->sending->request;
    const struct roster *roster = &filler->replica->roster;
    struct buffer *bytes = &filler->sending->request_entry;

    bool is_open =
        request->is_wanted && !request->is_sent && !request->is_done && !request->refusal;
    if (!is_open || !is_request_ready(filler) || filler->sending->is_stale)
        return KITH_OK;
    if (request->entry.type == ROSTER_INVITE || request->entry.type == ROSTER_RENEW)
        request->entry.device = roster->device_count + 1;
    if (request->entry.type == ROSTER_INVITE) {
        request->is_new_person = request->is_new_person || request->entry.person == 0;
        if (request->is_new_person)
            request->entry.person = roster->person_count + 1;
    }
    buffer_reset(bytes);
    enum kith_err err = roster_entry_write(roster, &request->entry, request->sign_secret, bytes);
    if (err)
        return err;
    memcpy(request->hash, request->entry.link.hash, HASH_BYTES);
    struct bytes entry = buffer_view(bytes);
    roster_frame_write(filler->frames, request->entry.link.seq, &entry, 1);
    if (request->has_psk) {
        struct invite_frame invite = {.device = request->entry.device};
        memcpy(invite.psk, request->psk, KEY_BYTES);
        invite_write(filler->frames, &invite);
        seal_wipe(&invite, sizeof invite);
    }
    request->is_sent = true;
    return filler->frames->err;
}

/* A box for each recipient that an entry names, sealed to the key it has now. */
static enum kith_err seal_boxes(struct filler *filler, const struct circle *circle, uint32_t epoch,
                                const uint8_t key[static KEY_BYTES],
                                const struct sending_entry *entry, struct buffer *boxes)
{
    for (uint32_t i = 0; i < entry->device_count; i++) {
        const struct roster_device *device =
            roster_device(&filler->replica->roster, entry->devices[i]);
        struct epoch_place place = {.epoch = epoch, .device = entry->devices[i]};
        uint8_t *row = buffer_extend(boxes, BOX_ROW_BYTES);
        if (!row || !device)
            return row ? KITH_DAMAGED : boxes->err;
        memcpy(place.circle, circle->id, ID_BYTES);
        put_u32(row, entry->devices[i]);
        enum kith_err err = box_seal(&place, device->keys.box, key, row + 4);
        if (err)
            return err;
    }
    return KITH_OK;
}

enum kith_err write_circle_entry(struct filler *filler, const struct circle_row *row,
                                 uint32_t epoch, const uint8_t key[static KEY_BYTES],
                                 struct sending_entry *entry)
{
    struct buffer boxes;

    buffer_init(&boxes, BATCH_MAX);
    enum kith_err err = seal_boxes(filler, &row->circle, epoch, key, entry, &boxes);
    if (!err)
        circle_frame_write(filler->frames, row->circle.id, entry->seq, entry->bytes,
                           buffer_view(&boxes));
    buffer_clear(&boxes);
    return err ? err : filler->frames->err;
}

/* A circle that came by hand, and whose key did not: somebody else has to bring it to the hub. */
static bool is_closed(struct filler *filler, struct bytes genesis)
{
    struct circle_entry entry;

    return !circle_entry_read(&entry, genesis, &filler->txn->arena) &&
           entry.author != filler->replica->identity.device;
}

static void leave_out(struct sending_circle *circle)
{
    circle->needs_genesis = false;
    circle->is_carrying = false;
    circle->last_n = 0;
}

/* A circle made here, or come by hand: its recipients are those of the genesis, its key the first.
 */
static enum kith_err write_genesis(struct filler *filler, struct sending_circle *circle)
{
    struct circle_row row;
    struct sending_entry entry = {.seq = 1};
    uint8_t key[KEY_BYTES];
    enum kith_err err = KITH_DAMAGED;

    device_circle_get(filler->txn, circle->number, &row);
    entry.devices = row.circle.devices;
    entry.device_count = row.circle.device_count;
    if (device_entry_get(filler->txn, circle->number, 1, &entry.bytes)) {
        size_t bytes = entry.bytes.len + 64 + row.circle.device_count * (BOX_ROW_BYTES + 4);
        bool has_key = device_key_get(filler->txn, circle->number, 1, key);
        bool is_left_out = !has_key && is_closed(filler, entry.bytes);
        err = has_key || is_left_out ? KITH_OK : KITH_NO_KEY;
        if (is_left_out)
            leave_out(circle);
        if (has_key && filler_has_room(filler, bytes))
            err = write_circle_entry(filler, &row, 1, key, &entry);
    }
    seal_wipe(key, sizeof key);
    if (!err && !filler->is_full)
        circle->needs_genesis = false;
    circle_clear(&row.circle);
    return err;
}

static void write_chain(struct filler *filler, struct sending_circle *circle)
{
    struct run_writer run;
    struct circle_row row;
    struct log_row change;

    device_circle_get(filler->txn, circle->number, &row);
    run_begin(&run);
    while (circle->next_n <= circle->last_n && !filler->txn->err) {
        if (!device_log_get(filler->txn, circle->number, CHAIN_OWN, circle->next_n, &change)) {
            store_fail(filler->txn, KITH_DAMAGED);
            break;
        }
        if (!filler_run_has_room(filler, &run, &change.change))
            break;
        run_add(&run, row.circle.id, filler->replica->identity.device, circle->next_n,
                &change.change);
        circle->next_n++;
    }
    filler->sending->sent_bytes += run.changes.len;
    run_flush(&run, FRAME_PUSH, filler->frames);
    run_end(&run);
    circle_clear(&row.circle);
    store_forget(filler->txn);
}

/* The changes of one chain that came by hand, as far as there is room. */
static void write_carried_chain(struct filler *filler, struct sending_circle *circle,
                                const uint8_t id[static ID_BYTES], const struct chain_row *chain)
{
    uint64_t n = circle->carried_n > chain->served ? circle->carried_n : chain->served + 1;
    struct run_writer run;
    struct log_row change;

    run_begin(&run);
    for (; n <= chain->applied && !filler->txn->err; n++) {
        if (!device_log_get(filler->txn, circle->number, chain->number, n, &change)) {
            store_fail(filler->txn, KITH_DAMAGED);
            break;
        }
        if (!filler_run_has_room(filler, &run, &change.change))
            break;
        run_add(&run, id, chain->device, n, &change.change);
    }
    circle->carried_n = n;
    run_flush(&run, FRAME_PUSH, filler->frames);
    run_end(&run);
}

/* What others wrote and handed over: before the own changes, which name them. */
static void write_carried(struct filler *filler, struct sending_circle *circle)
{
    struct circle_row row;
    uint32_t count;

    if (!circle->is_carrying)
        return;
    device_circle_get(filler->txn, circle->number, &row);
    const struct chain_row *chains = device_chains(filler->txn, circle->number, &count);
    while (circle->carried_chain < count && !filler->is_full && !filler->txn->err) {
        const struct chain_row *chain = &chains[circle->carried_chain];
        if (chain->number != CHAIN_OWN && chain->applied > chain->served)
            write_carried_chain(filler, circle, row.circle.id, chain);
        if (filler->is_full)
            break;
        circle->carried_chain++;
        circle->carried_n = 0;
    }
    circle->is_carrying = filler->is_full;
    circle_clear(&row.circle);
    store_forget(filler->txn);
}

static enum kith_err fill_member(struct filler *filler)
{
    struct sending *sending = filler->sending;
    enum kith_err err = KITH_OK;

    for (uint32_t i = 0; i < sending->circle_count && !err && !filler->is_full; i++)
        if (sending->circles[i].next_entry)
            err = give_back_entries(filler, &sending->circles[i]);
    for (uint32_t i = 0; i < sending->circle_count && !err && !filler->is_full; i++)
        if (sending->circles[i].needs_genesis)
            err = write_genesis(filler, &sending->circles[i]);
    bool is_active = replica_leaving(filler->replica) == LEAVING_NOT;
    /* Half of the news would make others' work look undone. */
    if (sending->is_receiving)
        sending->is_lacking = true;
    else if (!err && !filler->is_full && !sending->is_stale && is_active)
        err = write_grants(filler);
    for (uint32_t i = 0; i < sending->circle_count && !err && !filler->is_full; i++) {
        write_carried(filler, &sending->circles[i]);
        if (!filler->is_full)
            write_chain(filler, &sending->circles[i]);
    }
    return err;
}

static enum kith_err write_notes(const struct filler *filler)
{
    enum kith_err err = KITH_OK;

    if (!filler->is_nothing_owed && filler->done_count == 0 && !filler->is_carried_over &&
        !filler->is_given_back)
        return KITH_OK;
    do {
        struct store_txn txn = store_begin(filler->replica->store, STORE_WRITE);
        for (uint32_t i = 0; i < filler->done_count; i++)
            device_intent_delete(&txn, filler->done[i]);
        if (filler->is_nothing_owed)
            replica_set_owed_checked(&txn, filler->replica->roster.count);
        if (filler->is_carried_over)
            replica_set_carrying(&txn, false);
        if (filler->is_given_back)
            give_back_end(&txn);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

/* What waits for a key is sealed under an old one when none will come any more. */
static enum kith_err seal_last(struct replica *replica, struct sending *sending)
{
    if (replica_leaving(replica) == LEAVING_NOT || sending->is_ending)
        return KITH_OK;
    sending->is_ending = true;
    sending->is_listed = false;
    return late_seal_all(replica);
}

enum kith_err replica_fill(struct replica *replica, struct sending *sending, size_t room,
                           struct buffer *frames, bool *has_more)
{
    enum kith_err err = seal_last(replica, sending);
    if (err)
        return err;
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    struct filler filler = {
        .replica = replica, .sending = sending, .txn = &txn, .frames = frames, .room = room};
    const struct roster_device *device = roster_device(&replica->roster, replica->identity.device);
    /* One that was ended delivers what it has. */
    bool is_member = device && device->state != DEVICE_INVITED;

    bool is_founding = sending->request.is_wanted && sending->request.entry.type == ROSTER_FOUND;
    if (sending->roster_floor == 0)
        sending->roster_floor = replica->roster.count;
    bool is_working = is_member && !sending->is_greeting;
    uint32_t roster_at_hub = 0;
    filler.is_giving = is_working && give_back_is_on(&txn, &roster_at_hub);
    /* What the hub lacks is known when it has served all that it has. */
    bool is_asking = filler.is_giving && !sending->is_pull_answered;
    bool is_waiting = is_asking || (filler.is_giving && give_back_roster(&filler, roster_at_hub));
    if (is_working && !sending->is_listed)
        err = list_circles(&filler);
    if (!err && !is_founding)
        write_pull(&filler);
    if (is_waiting)
        sending->is_listed = filler.is_given_back = filler.is_carried_over = false;
    sending->is_lacking = sending->is_lacking || is_asking;
    if (!err && !is_waiting)
        err = write_request(&filler);
    if (!err && !is_waiting && is_working)
        err = fill_member(&filler);
    if (err)
        store_fail(&txn, err);
    *has_more = filler.is_full;
    err = store_commit(&txn);
    if (!err)
        err = write_notes(&filler);
    return err ? err : frames->err;
}
