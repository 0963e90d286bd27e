/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this device writes into access chains: what circles are owed, and what somebody here wants.
 *
 * One entry for each circle at a time, on the head that is here; the next one follows when the hub
 * has taken it. In order: a rotation, if one is owed or somebody is to leave; a grant; a decision
 * about what is held. A key that has not come, or is not the one that the chain names, comes before
 * all of them: once everything has been received, who may rotates, and others say so.
 */
#include <string.h>

#include "store/fill_internal.h"

#define OWED_MAX  256
#define BOXES_MAX 256 /* in one frame */

_Static_assert(BOXES_MAX *(BOX_ROW_BYTES + 8) + ENTRY_MAX + 64 < BATCH_MAX,
               "an entry and its boxes fit a batch");

/* One circle in hand. */
struct payer {
    struct filler *filler;
    struct circle_row row;
    struct sending_grant *grant;
    struct circle_entry entry; /* to be written */
    uint8_t key[KEY_BYTES];    /* of the current epoch */
    bool has_key;
    bool is_owed; /* something is to be written by this device, now or later */
};

static uint32_t own_person(const struct payer *payer)
{
    return replica_person(payer->filler->replica);
}

static void note_done(struct filler *filler, const struct intent_row *intent)
{
    if (filler->done_count < GRANT_INTENTS_MAX)
        filler->done[filler->done_count++] = intent->number;
}

static bool take_intent(struct payer *payer, const struct intent_row *intent)
{
    if (payer->grant->intent_count == GRANT_INTENTS_MAX)
        return false;
    payer->grant->intents[payer->grant->intent_count++] = intent->number;
    return true;
}

/* The next wish of one kind for the circle in hand. */
static bool next_intent(struct store_walk *walk, const struct payer *payer, enum intent_kind kind,
                        struct intent_row *intent)
{
    while (device_intent_next(walk, intent))
        if (intent->circle == payer->row.number && intent->kind == kind)
            return true;
    return false;
}

/* Signs the entry and sends it with boxes of `key` for these recipients. */
static enum kith_err write_entry(struct payer *payer, uint32_t epoch,
                                 const uint8_t key[static KEY_BYTES], const uint32_t *devices,
                                 uint32_t count)
{
    struct filler *filler = payer->filler;
    struct sending_grant *grant = payer->grant;

    payer->entry.author = filler->replica->identity.device;
    payer->entry.roster_seq = filler->replica->roster.count;
    payer->entry.time_s = filler->sending->now_s;
    enum kith_err err = circle_entry_write(&payer->row.circle, &payer->entry,
                                           filler->replica->identity.sign_secret, &grant->entry);
    if (err)
        return err;
    grant->circle = payer->row.number;
    grant->seq = payer->entry.link.seq;
    memcpy(grant->hash, payer->entry.link.hash, HASH_BYTES);
    struct sending_entry sending = {grant->seq, buffer_view(&grant->entry), devices, count};
    return write_circle_entry(filler, &payer->row, epoch, key, &sending);
}

/* The people that are to be let in. What somebody else has done meanwhile is no longer wanted. */
static void take_grants(struct payer *payer, struct circle_owed *owed)
{
    struct store_walk walk = device_intents(payer->filler->txn);
    struct intent_row intent;

    while (next_intent(&walk, payer, INTENT_GRANT, &intent)) {
        const struct circle_member *known = circle_member(&payer->row.circle, intent.member.person);
        if (known && known->right >= intent.member.right)
            note_done(payer->filler, &intent);
        else if (take_intent(payer, &intent))
            owed_add_member(owed, &intent.member);
    }
    store_walk_end(&walk);
}

static enum kith_err pay_grant(struct payer *payer)
{
    struct circle_member members[OWED_MAX];
    uint32_t devices[OWED_MAX];
    struct circle_owed owed = {.members = members, .devices = devices, .max = OWED_MAX};
    struct filler *filler = payer->filler;

    take_grants(payer, &owed);
    circle_owed(&payer->row.circle, &filler->replica->roster, filler->sending->now_s, &owed);
    if (owed.member_count == 0 && owed.device_count == 0)
        return KITH_OK;
    payer->is_owed = true;
    size_t bytes = 512 + owed.member_count * 8 + owed.device_count * (BOX_ROW_BYTES + 8);
    if (!filler_has_room(filler, bytes))
        return KITH_OK;
    payer->entry = (struct circle_entry){.type = CIRCLE_GRANT,
                                         .members = members,
                                         .member_count = owed.member_count,
                                         .devices = devices,
                                         .device_count = owed.device_count};
    return write_entry(payer, payer->row.circle.epoch, payer->key, devices, owed.device_count);
}

/* The people that are to leave, ascending. */
static uint32_t take_leavers(struct payer *payer, struct circle_leaver *leavers)
{
    struct store_walk walk = device_intents(payer->filler->txn);
    struct intent_row intent;
    uint32_t count = 0;

    while (next_intent(&walk, payer, INTENT_WITHDRAW, &intent)) {
        const struct circle_leaver leaver = {intent.member.person, intent.leaving};
        if (!circle_member(&payer->row.circle, leaver.person)) {
            note_done(payer->filler, &intent);
            continue;
        }
        uint32_t place = count;
        while (place > 0 && leavers[place - 1].person > leaver.person)
            place--;
        bool is_there = place > 0 && leavers[place - 1].person == leaver.person;
        if (!take_intent(payer, &intent) || is_there)
            continue;
        memmove(&leavers[place + 1], &leavers[place], (count - place) * sizeof *leavers);
        leavers[place] = leaver;
        count++;
    }
    store_walk_end(&walk);
    return count;
}

static enum leaving leaving_of(const struct circle_leaver *leavers, uint32_t count, uint32_t person)
{
    for (uint32_t i = 0; i < count; i++)
        if (leavers[i].person == person)
            return leavers[i].leaving;
    return LEAVING_NOT;
}

/* What counts of a device that leaves: what of it the hub has served. What only came by hand waits
 * for a decision like all that the hub did not have. The hub takes no less than it has. */
static struct circle_cut make_cut(struct payer *payer, const struct roster_device *device,
                                  const struct circle_leaver *leavers, uint32_t leaver_count)
{
    uint32_t count;
    struct filler *filler = payer->filler;
    struct chain_row *chains = device_chains(filler->txn, payer->row.number, &count);
    struct log_row last;
    struct circle_cut cut = {.device = device->number,
                             .leaving = leaving_of(leavers, leaver_count, device->person)};

    if (cut.leaving == LEAVING_TRANSFERRED)
        cut.until_s = filler->sending->now_s + HANDOVER_S;
    if (device->leaving != LEAVING_NOT && device->leaving >= cut.leaving) {
        cut.leaving = device->leaving;
        cut.until_s = device->until_s;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (chains[i].device != device->number)
            continue;
        /* Who goes by themselves may have something here that is not sealed yet: it comes after. */
        uint64_t n = chains[i].number == CHAIN_OWN
                         ? late_sealed_through(filler->txn, payer->row.number, &chains[i])
                         : chains[i].served;
        if (n > 0 && device_log_get(filler->txn, payer->row.number, chains[i].number, n, &last)) {
            cut.n = n;
            memcpy(cut.id, last.id, HASH_BYTES);
        }
    }
    return cut;
}

#define CUTS_MAX 128 /* in one entry; the next rotation takes the rest */

/* A key under the new one, unless it is not here. */
static bool wrap_epoch(struct payer *payer, uint32_t epoch, const uint8_t key[static KEY_BYTES],
                       uint8_t wrap[static WRAP_BYTES])
{
    struct epoch_place place = {.epoch = epoch};
    uint8_t older[KEY_BYTES];
    bool is_there = device_key_get(payer->filler->txn, payer->row.number, epoch, older);

    memcpy(place.circle, payer->row.circle.id, ID_BYTES);
    if (is_there)
        epoch_wrap(&place, key, older, wrap);
    seal_wipe(older, sizeof older);
    return is_there;
}

/* Whether the entry that began an epoch leads to an older key, so that nothing older need be
 * wrapped again. */
static bool leads_back(struct payer *payer, uint32_t epoch)
{
    const struct circle *circle = &payer->row.circle;
    struct store_txn *txn = payer->filler->txn;
    struct circle_entry entry;
    struct bytes bytes;
    uint8_t key[KEY_BYTES];
    uint8_t older[KEY_BYTES];
    uint8_t commitment[HASH_BYTES];
    bool is_good = false;

    if (!device_key_get(txn, payer->row.number, epoch, key) ||
        !device_entry_get(txn, payer->row.number, circle->epochs[epoch - 1].seq, &bytes) ||
        circle_entry_read(&entry, bytes, &txn->arena))
        return false;
    for (uint32_t i = 0; i < entry.wrap_count && !is_good; i++) {
        struct epoch_place place = {.epoch = entry.wraps[i].epoch};
        memcpy(place.circle, circle->id, ID_BYTES);
        if (epoch_unwrap(&place, key, entry.wraps[i].wrap, older))
            continue;
        epoch_commit(older, place.epoch, commitment);
        is_good = seal_equal(commitment, circle_commitment(circle, place.epoch), HASH_BYTES);
    }
    seal_wipe(key, sizeof key);
    seal_wipe(older, sizeof older);
    return is_good;
}

/* The newest key that is here, and older ones as far as the links published for them do not hold.
 */
static uint32_t wrap_history(struct payer *payer, const uint8_t key[static KEY_BYTES],
                             uint8_t wrapped[][WRAP_BYTES], struct circle_wrap *wraps)
{
    uint32_t count = 0;

    for (uint32_t epoch = payer->row.circle.epoch; epoch >= 1 && count < CIRCLE_WRAPS_MAX;
         epoch--) {
        if (wrap_epoch(payer, epoch, key, wrapped[count])) {
            wraps[count] = (struct circle_wrap){epoch, wrapped[count]};
            count++;
        }
        if (epoch > 1 && leads_back(payer, epoch))
            break;
    }
    for (uint32_t i = 0; i < count / 2; i++) { /* ascending */
        struct circle_wrap last = wraps[count - 1 - i];
        wraps[count - 1 - i] = wraps[i];
        wraps[i] = last;
    }
    return count;
}

/* The next recipients that remain after a rotation, from behind `after` on. */
static uint32_t next_recipients(const struct payer *payer, const struct circle_entry *entry,
                                uint32_t after, uint32_t devices[static BOXES_MAX])
{
    const struct circle *circle = &payer->row.circle;
    uint32_t count = 0;

    for (uint32_t i = 0; i < circle->device_count && count < BOXES_MAX; i++) {
        bool is_cut = circle->devices[i] <= after;
        for (uint32_t k = 0; k < entry->cut_count && !is_cut; k++)
            is_cut = entry->cuts[k].device == circle->devices[i];
        if (!is_cut)
            devices[count++] = circle->devices[i];
    }
    return count;
}

static enum kith_err send_rotation(struct payer *payer)
{
    struct sending_grant *grant = payer->grant;
    uint8_t wrapped[CIRCLE_WRAPS_MAX][WRAP_BYTES];
    struct circle_wrap wraps[CIRCLE_WRAPS_MAX];
    uint32_t devices[BOXES_MAX];

    payer->entry.type = CIRCLE_ROTATE;
    payer->entry.epoch = payer->row.circle.epoch + 1;
    seal_random(grant->key, KEY_BYTES);
    grant->epoch = payer->entry.epoch;
    epoch_commit(grant->key, grant->epoch, payer->entry.commitment);
    payer->entry.wraps = wraps;
    payer->entry.wrap_count = wrap_history(payer, grant->key, wrapped, wraps);
    uint32_t count = next_recipients(payer, &payer->entry, 0, devices);
    grant->has_boxes = count == BOXES_MAX;
    grant->box_after = count ? devices[count - 1] : 0;
    return write_entry(payer, grant->epoch, grant->key, devices, count);
}

/* Who leaves goes with all devices, and with them the devices that were ended. */
static enum kith_err pay_rotation(struct payer *payer, bool is_needed)
{
    struct circle_leaver leavers[GRANT_INTENTS_MAX];
    struct circle_cut cuts[CUTS_MAX];
    struct filler *filler = payer->filler;
    const struct circle *circle = &payer->row.circle;
    const struct roster *roster = &filler->replica->roster;

    payer->entry = (struct circle_entry){.leavers = leavers, .cuts = cuts};
    payer->entry.leaver_count = take_leavers(payer, leavers);
    for (uint32_t i = 0; i < circle->device_count && payer->entry.cut_count < CUTS_MAX; i++) {
        const struct roster_device *device = roster_device(roster, circle->devices[i]);
        if (device && circle_is_leaving(roster, device->number, roster->count, leavers,
                                        payer->entry.leaver_count))
            cuts[payer->entry.cut_count++] =
                make_cut(payer, device, leavers, payer->entry.leaver_count);
    }
    if (!is_needed && payer->entry.leaver_count == 0 && payer->entry.cut_count == 0)
        return KITH_OK;
    payer->is_owed = true;
    uint32_t boxes = circle->device_count < BOXES_MAX ? circle->device_count : BOXES_MAX;
    size_t bytes = 1536 + payer->entry.cut_count * 64 + boxes * (BOX_ROW_BYTES + 8);
    return filler_has_room(filler, bytes) ? send_rotation(payer) : KITH_OK;
}

/* The rest of a rotation's boxes, with the entry that the hub has already. */
static enum kith_err go_on_with_boxes(struct filler *filler, struct sending_grant *grant)
{
    struct payer payer = {.filler = filler, .grant = grant};
    struct circle_entry entry;
    uint32_t devices[BOXES_MAX];
    struct sending_entry sending = {
        .seq = grant->seq, .bytes = buffer_view(&grant->entry), .devices = devices};
    enum kith_err err = circle_entry_read(&entry, sending.bytes, &filler->txn->arena);

    if (err || !filler_has_room(filler, sending.bytes.len + 64 + BOXES_MAX * (BOX_ROW_BYTES + 8)))
        return err;
    device_circle_get(filler->txn, grant->circle, &payer.row);
    sending.device_count = next_recipients(&payer, &entry, grant->box_after, devices);
    grant->has_boxes = sending.device_count == BOXES_MAX;
    if (sending.device_count > 0) {
        grant->box_after = devices[sending.device_count - 1];
        err = write_circle_entry(filler, &payer.row, grant->epoch, grant->key, &sending);
    }
    circle_clear(&payer.row.circle);
    if (!grant->has_boxes && grant->is_taken)
        sending_drop_grant(filler->sending, grant);
    return err;
}

/* Sealed for the circle: the access chain lies open to the hub. */
static enum kith_err seal_reason(const struct payer *payer, struct bytes reason,
                                 struct buffer *sealed)
{
    uint8_t key[KEY_BYTES];
    struct bytes circle = bytes_of(payer->row.circle.id, ID_BYTES);

    seal_derive(SEAL_REASON_KEY, payer->key, circle, key);
    seal_encrypt(key, circle, reason, sealed);
    seal_wipe(key, sizeof key);
    return sealed->err;
}

static enum kith_err send_decision(struct payer *payer, const struct intent_row *intent)
{
    struct buffer reason;
    enum kith_err err = KITH_OK;

    buffer_init(&reason, CIRCLE_REASON_MAX);
    payer->entry = (struct circle_entry){.type = CIRCLE_ADMIT, .device = intent->device};
    payer->entry.n = intent->n;
    memcpy(payer->entry.id, intent->id, HASH_BYTES);
    if (intent->kind == INTENT_REJECT) {
        payer->entry.type = CIRCLE_REJECT;
        err = seal_reason(payer, intent->reason, &reason);
        payer->entry.reason = buffer_view(&reason);
    }
    if (!err && take_intent(payer, intent) && filler_has_room(payer->filler, 512 + reason.len))
        err = write_entry(payer, payer->row.circle.epoch, payer->key, NULL, 0);
    buffer_clear(&reason);
    return err;
}

/* The first decision that still has something to decide. */
static enum kith_err pay_decision(struct payer *payer)
{
    struct store_walk walk = device_intents(payer->filler->txn);
    struct intent_row intent;
    enum kith_err err = KITH_OK;

    while (!payer->is_owed && device_intent_next(&walk, &intent)) {
        bool is_decision = intent.kind == INTENT_ADMIT || intent.kind == INTENT_REJECT;
        if (intent.circle != payer->row.number || !is_decision)
            continue;
        const struct circle_cut *cut = circle_cut(&payer->row.circle, intent.device);
        payer->is_owed = cut && intent.n > cut->n;
        if (!payer->is_owed)
            note_done(payer->filler, &intent);
        else
            err = send_decision(payer, &intent);
    }
    store_walk_end(&walk);
    return err;
}

/* Without the right key nothing can be paid but that. Until everything has been received it may
 * still come. */
static enum kith_err pay_lack(struct payer *payer)
{
    struct filler *filler = payer->filler;
    const struct circle *circle = &payer->row.circle;
    const struct roster *roster = &filler->replica->roster;
    uint32_t device = filler->replica->identity.device;
    bool may_rotate = !circle_may_write(circle, roster, device) &&
                      role_may(roster_device_roles(roster, device), MAY_GRANT);

    payer->is_owed = true;
    if (!filler->sending->is_pull_answered) {
        filler->sending->is_lacking = true;
        return KITH_OK;
    }
    if (may_rotate)
        return pay_rotation(payer, true);
    if (circle_lacks(circle, device) || !filler_has_room(filler, 512))
        return KITH_OK;
    payer->entry = (struct circle_entry){.type = CIRCLE_LACK, .epoch = circle->epoch};
    return write_entry(payer, circle->epoch, payer->key, NULL, 0);
}

static bool is_listed(const struct sending *sending, uint32_t circle)
{
    for (uint32_t i = 0; i < sending->circle_count; i++)
        if (sending->circles[i].number == circle)
            return true;
    return false;
}

static enum kith_err pay_member(struct payer *payer)
{
    const struct roster *roster = &payer->filler->replica->roster;
    const struct circle_member *member = circle_member(&payer->row.circle, own_person(payer));
    enum kith_err err = KITH_OK;

    if (!circle_has_device(&payer->row.circle, payer->filler->replica->identity.device))
        return pay_grant(payer);
    if (!payer->has_key)
        return pay_lack(payer);
    bool is_stale = circle_rotation_owed(&payer->row.circle, roster) > 0;
    if (member->right == CIRCLE_WRITE)
        err = pay_rotation(payer, false);
    if (!err && !payer->is_owed && !is_stale)
        err = pay_grant(payer);
    if (!err && !payer->is_owed && !is_stale)
        err = pay_decision(payer);
    return err;
}

static bool is_renewed(const struct replica *replica)
{
    const struct roster_device *self = roster_device(&replica->roster, replica->identity.device);

    return self && self->renews != 0;
}

/* Looks at one circle: writes the entry it needs, or notes that it needs none of this device. */
static enum kith_err pay_circle(struct filler *filler, uint32_t number, bool *is_owed)
{
    struct payer payer = {.filler = filler};
    uint32_t device = filler->replica->identity.device;
    enum kith_err err = KITH_OK;

    device_circle_get(filler->txn, number, &payer.row);
    /* Later: the genesis of a circle made during this session goes with the next one. */
    bool is_later = payer.row.acked_entries == 0 && !is_listed(filler->sending, number);
    payer.has_key = device_key_get(filler->txn, number, payer.row.circle.epoch, payer.key);
    /* One that renewed itself has the key of the device it was, and seals it to itself. */
    bool is_heir = payer.has_key && is_renewed(filler->replica);
    bool is_ours = payer.row.part == PART_MEMBER &&
                   (circle_has_device(&payer.row.circle, device) || is_heir) &&
                   circle_member(&payer.row.circle, own_person(&payer));
    payer.is_owed = is_later && is_ours;
    if (is_ours && !is_later) {
        payer.grant = sending_add_grant(filler->sending);
        err = payer.grant ? pay_member(&payer) : KITH_MEMORY;
        if (payer.grant && payer.grant->seq == 0)
            sending_drop_grant(filler->sending, payer.grant);
    }
    *is_owed = payer.is_owed;
    seal_wipe(payer.key, sizeof payer.key);
    circle_clear(&payer.row.circle);
    return err;
}

/* What is owed changes with the roster, with an access chain or with a wish of ours; otherwise
 * nothing is looked at. */
enum kith_err write_grants(struct filler *filler)
{
    uint32_t count = device_circle_count(filler->txn);
    bool has_intents = store_count(filler->txn, TABLE_DEVICE_INTENT) > 0;
    bool is_anything_owed = false;
    enum kith_err err = KITH_OK;

    filler->sending->is_lacking = false;
    if (!has_intents && replica_is_owed_checked(filler->txn, &filler->replica->roster))
        return KITH_OK;
    for (uint32_t number = 1; number <= count && !err && !filler->is_full; number++) {
        struct sending_grant *grant = sending_find_grant(filler->sending, number);
        bool is_owed = false;
        if (!grant)
            err = pay_circle(filler, number, &is_owed);
        else if (grant->has_boxes)
            err = go_on_with_boxes(filler, grant);
        is_anything_owed = is_anything_owed || is_owed;
        store_forget(filler->txn);
    }
    filler->is_nothing_owed =
        !err && !filler->is_full && !is_anything_owed && filler->sending->grant_count == 0;
    return err;
}
