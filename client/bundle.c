/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange without a connection: the outbox into a file, the hub's answer out of one.
 *
 * Nothing counts as sent because it was written: the outbox is what receipts do not cover. An
 * answer's news is taken only where it continues what this device has, so that an old file never
 * sets it back; its receipts only of the incarnation that this device knows, or asked.
 */
#include <stdio.h>
#include <string.h>

#include "client/home.h"
#include "store/bundle_file.h"
#include "store/sending.h"

/* A sentence where the list of errors speaks of connections. */
static enum kith_err explain(struct kith *kith, enum kith_err err, const char *path)
{
    const char *text;

    switch ((int)err) {
    case KITH_OK:
        return KITH_OK;
    case KITH_NO_KEY:
        text = "it is not sealed to this device, or its beginning was altered";
        break;
    case KITH_MALFORMED:
        text = "this is no bundle that this device can use";
        break;
    case KITH_CUT:
        text = "it ends too early; what came before is stored: copy it again";
        break;
    case KITH_DECRYPT:
    case KITH_COMMITMENT:
    case KITH_SIGNATURE:
        text = "it was altered on its way; what came before is stored: copy it again";
        break;
    case KITH_TOO_LARGE:
        text = "it is larger than any bundle";
        break;
    case KITH_STALE:
        text = "this answer was made for an earlier state of this device: write a new bundle";
        break;
    case KITH_EXISTS:
        text = "something else than a bundle has that name";
        break;
    case KITH_UNKNOWN_DEVICE:
        text = "whoever wrote it is not known here as a device of this agency";
        break;
    case KITH_FORKED:
        text = "its writer was shown another history of the agency than this device: compare what "
               "`kith status` says on both";
        break;
    default:
        text = error_text(err);
    }
    return home_fail(kith, err, "%s: %s", path, text);
}

struct writing {
    struct kith *kith;
    kith_progress *progress;
    void *owner;
    uint64_t total;
    uint32_t person; /* 0: for the hub */
    struct bundle_target target;
    struct kith_bundle *bundle;
};

static uint32_t count_changes(struct bytes frames)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    struct run run;
    uint32_t count = 0;

    while (frame_next(&batch, &frame))
        if ((frame.type == FRAME_PUSH || frame.type == FRAME_CHANGES) && !run_read(&run, &frame))
            count += run.count;
    return count;
}

static enum kith_err add_batch(struct writing *writing, struct bytes frames)
{
    writing->bundle->changes += count_changes(frames);
    if (writing->progress)
        writing->progress(writing->owner, writing->bundle->changes, writing->total);
    return target_add(&writing->target, frames);
}

/* What a sync would send now, urgent first. */
static enum kith_err write_outbox(struct writing *writing)
{
    struct replica *replica = writing->kith->replica;
    struct replica_counts counts;
    struct sending sending;
    struct buffer frames;
    bool has_more = true;
    enum kith_err err = replica_counts(replica, &counts);

    writing->total = counts.unsent;
    sending_init(&sending, home_now_ms(writing->kith) / 1000);
    buffer_init(&frames, BATCH_MAX);
    while (!err && has_more) {
        buffer_reset(&frames);
        err = replica_fill(replica, &sending, BATCH_MAX, &frames, &has_more);
        if (!err && frames.len > 0)
            err = add_batch(writing, buffer_view(&frames));
        has_more = has_more && frames.len > 0;
    }
    buffer_clear(&frames);
    sending_clear(&sending);
    return err;
}

static void preface_fill(const struct kith *kith, enum bundle_kind kind,
                         struct bundle_preface *preface)
{
    const struct identity *identity = replica_identity(kith->replica);
    struct device_public keys;

    *preface = (struct bundle_preface){
        .kind = kind, .device = identity->device, .time_ms = home_now_ms(kith)};
    memcpy(preface->agency, identity->agency, ID_BYTES);
    identity_public(identity, &keys);
    memcpy(preface->sign_key, keys.sign, KEY_BYTES);
}

static enum kith_err write_for_hub(struct writing *writing, const char *path)
{
    const struct identity *identity = replica_identity(writing->kith->replica);
    struct bundle_preface preface;
    uint8_t recipients[1][KEY_BYTES];

    memcpy(recipients[0], identity->hub_key, KEY_BYTES);
    preface_fill(writing->kith, BUNDLE_OUTBOX, &preface);
    enum kith_err err = target_open(&writing->target, path, &preface, identity->sign_secret,
                                    (const uint8_t(*)[KEY_BYTES])recipients, 1);
    return err ? err : write_outbox(writing);
}

/* All charts that both are in, for every device of the person that may still come by them. */
static enum kith_err write_shared(struct writing *writing)
{
    struct replica *replica = writing->kith->replica;
    struct sharing sharing = {.person = writing->person};
    struct buffer frames;
    bool has_more = true;
    enum kith_err err = KITH_OK;

    buffer_init(&frames, BATCH_MAX);
    while (!err && has_more) {
        buffer_reset(&frames);
        err = replica_share(replica, &sharing, BATCH_MAX, &frames, &has_more);
        if (!err && frames.len > 0)
            err = add_batch(writing, buffer_view(&frames));
        has_more = has_more && frames.len > 0;
    }
    buffer_clear(&frames);
    return err;
}

static enum kith_err write_for_person(struct writing *writing, const char *path)
{
    struct kith *kith = writing->kith;
    const struct roster *roster = replica_roster(kith->replica);
    const struct identity *identity = replica_identity(kith->replica);
    struct bundle_preface preface;
    uint8_t recipients[BUNDLE_SLOTS_MAX][KEY_BYTES];
    size_t count = 0;

    for (uint32_t i = 0; i < roster->device_count && count < BUNDLE_SLOTS_MAX; i++) {
        const struct roster_device *device = &roster->devices[i];
        if (device->person == writing->person && device->state != DEVICE_ENDED &&
            device->number != identity->device)
            memcpy(recipients[count++], device->keys.box, KEY_BYTES);
    }
    (void)snprintf(writing->bundle->whom, sizeof writing->bundle->whom, "%s",
                   home_person_name(kith, writing->person));
    if (count == 0)
        return home_fail(kith, KITH_NOT_FOUND, "%s has no other device that could read it",
                         writing->bundle->whom);
    preface_fill(kith, BUNDLE_SHARED, &preface);
    enum kith_err err = target_open(&writing->target, path, &preface, identity->sign_secret,
                                    (const uint8_t(*)[KEY_BYTES])recipients, count);
    return err ? err : write_shared(writing);
}

static enum kith_err check_enrolled(struct kith *kith)
{
    enum kith_err err = home_check_not_removed(kith);

    if (err)
        return err;
    if (home_is_practice(kith))
        return home_check_not_practice(kith);
    if (replica_identity(kith->replica)->device == 0 || replica_roster(kith->replica)->count == 0)
        return home_fail(kith, KITH_UNKNOWN_DEVICE,
                         "this device belongs to no agency yet: `kith join CODE`");
    return KITH_OK;
}

int kith_bundle_write(struct kith *kith, const char *path, const char *person,
                      kith_progress *progress, void *owner, struct kith_bundle *bundle)
{
    struct writing writing = {
        .kith = kith, .progress = progress, .owner = owner, .bundle = bundle, .target.fd = -1};

    memset(bundle, 0, sizeof *bundle);
    kith->detail[0] = '\0';
    enum kith_err err = check_enrolled(kith);
    if (err)
        return err;
    memcpy(bundle->whom, "hub", sizeof "hub");
    if (person)
        err = home_person(kith, person, &writing.person);
    if (err)
        return home_fail(kith, err,
                         err == KITH_AMBIGUOUS ? "more than one person '%s'" : "no person '%s'",
                         person);
    if (!err)
        err = person ? write_for_person(&writing, path) : write_for_hub(&writing, path);
    if (!err)
        err = target_commit(&writing.target);
    bundle->bytes = writing.target.size;
    bundle->is_complete = !err;
    target_close(&writing.target);
    return err && kith->detail[0] ? err : explain(kith, err, path);
}

/* One file being read. */
struct reading {
    struct kith *kith;
    struct bundle_source source;
    struct sending sending;
    struct kith_bundle *bundle;
    struct welcome welcome; /* of an answer */
    bool has_begun;
    bool is_asked;              /* this device is still as it was when it wrote what is answered */
    uint8_t cursor[CURSOR_MAX]; /* of the news read last */
    size_t cursor_len;
    bool has_cursor;
};

static enum kith_err answer_begin(struct reading *reading, struct bytes frames)
{
    const struct bundle_preface *preface = &reading->source.reader.preface;
    const struct roster *roster = replica_roster(reading->kith->replica);
    struct wire_in batch = wire_open(frames);
    struct hub_state hub;
    struct frame frame;
    uint8_t hash[HASH_BYTES];

    if (!seal_equal(preface->sign_key, roster->hub_sign, KEY_BYTES))
        return KITH_SIGNATURE;
    if (!frame_next(&batch, &frame) || frame.type != FRAME_WELCOME)
        return KITH_MALFORMED;
    enum kith_err err = welcome_read(&reading->welcome, &frame);
    if (!err && reading->welcome.version != KITH_PROTOCOL_VERSION)
        err = KITH_VERSION;
    if (!err)
        err = replica_hub(reading->kith->replica, &hub);
    if (err)
        return err;
    struct pull pull = {.cursor = bytes_of(hub.cursor, hub.cursor_len)};
    memcpy(pull.incarnation, hub.incarnation, INCARNATION_BYTES);
    memcpy(pull.digest, hub.digest, DIGEST_BYTES);
    bundle_asked(&pull, hash);
    reading->is_asked = seal_equal(hash, preface->answered, HASH_BYTES);
    bool is_known = seal_equal(hub.incarnation, reading->welcome.incarnation, INCARNATION_BYTES);
    memcpy(reading->bundle->whom, "hub", sizeof "hub");
    return reading->is_asked || is_known ? KITH_OK : KITH_STALE;
}

/* The cursor that ends a batch with news; false if it is one with receipts. */
static bool find_cursor(struct bytes frames, struct cursor_frame *cursor)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;

    while (frame_next(&batch, &frame))
        if (frame.type == FRAME_CURSOR)
            return cursor_read(cursor, &frame) == KITH_OK;
    return false;
}

/* Whether news follows on what this device has: the first on what it asked for, others on what came
 * before them in the file. */
static enum kith_err news_follow(struct reading *reading, bool *is_next)
{
    struct hub_state hub;
    enum kith_err err = replica_hub(reading->kith->replica, &hub);

    if (err)
        return err;
    *is_next = reading->has_cursor ? bytes_equal(bytes_of(hub.cursor, hub.cursor_len),
                                                 bytes_of(reading->cursor, reading->cursor_len)) &&
                                         seal_equal(hub.incarnation, reading->welcome.incarnation,
                                                    INCARNATION_BYTES)
                                   : reading->is_asked;
    return KITH_OK;
}

static enum kith_err answer_apply(struct reading *reading, struct bytes frames)
{
    struct cursor_frame cursor;
    struct applied applied;
    bool is_next = true;
    bool is_news = find_cursor(frames, &cursor);
    enum kith_err err = is_news ? news_follow(reading, &is_next) : KITH_OK;

    if (!err && is_next) {
        err = replica_apply(reading->kith->replica, &reading->sending, &reading->welcome, frames,
                            home_now_ms(reading->kith), &applied);
        reading->bundle->received += applied.received;
        reading->bundle->acknowledged += applied.acknowledged;
        reading->bundle->refused += applied.refused;
    }
    if (!err && is_news) {
        memcpy(reading->cursor, cursor.cursor.ptr, cursor.cursor.len);
        reading->cursor_len = cursor.cursor.len;
        reading->has_cursor = true;
    }
    return err;
}

/* Whose device wrote it must stand in the roster that the hub has shown. */
static enum kith_err shared_begin(struct reading *reading)
{
    const struct bundle_preface *preface = &reading->source.reader.preface;
    struct kith *kith = reading->kith;
    const struct roster_device *device =
        roster_device(replica_roster(kith->replica), preface->device);

    if (!device || device->state == DEVICE_INVITED ||
        !seal_equal(device->keys.sign, preface->sign_key, KEY_BYTES))
        return KITH_UNKNOWN_DEVICE;
    (void)snprintf(reading->bundle->whom, sizeof reading->bundle->whom, "%s",
                   home_person_name(kith, device->person));
    return KITH_OK;
}

static enum kith_err shared_apply(struct reading *reading, struct bytes frames)
{
    struct applied applied;
    enum kith_err err = replica_take(reading->kith->replica, &reading->sending, frames,
                                     home_now_ms(reading->kith), &applied);

    if (err)
        return err;
    reading->bundle->received += applied.received;
    reading->bundle->refused += applied.refused;
    reading->bundle->left_out += applied.left_out;
    return KITH_OK;
}

static enum kith_err read_batch(struct reading *reading, struct bytes frames)
{
    const struct bundle_preface *preface = &reading->source.reader.preface;
    const struct identity *identity = replica_identity(reading->kith->replica);
    enum kith_err err = KITH_OK;

    if (!seal_equal(preface->agency, identity->agency, ID_BYTES))
        return KITH_FOREIGN;
    if (preface->kind == BUNDLE_OUTBOX)
        return KITH_MALFORMED;
    bool is_answer = preface->kind == BUNDLE_ANSWER;
    if (!reading->has_begun)
        err = is_answer ? answer_begin(reading, frames) : shared_begin(reading);
    reading->has_begun = reading->has_begun || !err;
    if (err || frames.len == 0)
        return err;
    return is_answer ? answer_apply(reading, frames) : shared_apply(reading, frames);
}

static enum kith_err read_file(struct reading *reading, const char *path, kith_progress *progress,
                               void *owner)
{
    const struct identity *identity = replica_identity(reading->kith->replica);
    uint8_t secrets[2][KEY_BYTES];
    struct bytes frames;
    enum kith_err stored = KITH_OK;

    memcpy(secrets[0], identity->box_secret, KEY_BYTES);
    memcpy(secrets[1], identity->invite_box_secret, KEY_BYTES);
    enum kith_err err =
        source_open(&reading->source, path, (const uint8_t(*)[KEY_BYTES])secrets, 2);
    seal_wipe(secrets, sizeof secrets);
    if (err)
        return err;
    while (!stored && source_next(&reading->source, &frames, &err)) {
        stored = read_batch(reading, frames);
        if (progress)
            progress(owner, reading->source.done, reading->source.size);
    }
    if (stored || err)
        return stored ? stored : err;
    return reading->source.reader.is_whole ? KITH_OK : KITH_CUT;
}

int kith_bundle_read(struct kith *kith, const char *path, kith_progress *progress, void *owner,
                     struct kith_bundle *bundle)
{
    struct reading reading = {.kith = kith, .bundle = bundle, .source.fd = -1};
    struct purged purged;

    memset(bundle, 0, sizeof *bundle);
    kith->detail[0] = '\0';
    enum kith_err err = check_enrolled(kith);
    if (err)
        return err;
    sending_init(&reading.sending, home_now_ms(kith) / 1000);
    err = read_file(&reading, path, progress, owner);
    bundle->bytes = reading.source.size;
    bundle->is_complete = !err;
    sending_clear(&reading.sending);
    source_close(&reading.source);
    home_forget_names(kith);
    enum kith_err after = reading.has_begun ? replica_purge(kith->replica, &purged) : KITH_OK;
    return explain(kith, err ? err : after, path);
}
