/* SPDX-License-Identifier: Apache-2.0 */
/* The public calls about the home itself, its people and its hub; records are in record.c,
 * enrolment in agency.c. */
#include "client/kith.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/clock.h"
#include "client/heartbeat.h"
#include "client/home.h"
#include "client/recovery.h"
#include "client/renew.h"
#include "client/vault.h"
#include "protocol/hlc.h"
#include "protocol/safety.h"
#include "protocol/seal.h"

#ifndef KITH_VERSION_TEXT
#define KITH_VERSION_TEXT "0.1.0"
#endif

_Static_assert(sizeof((struct kith_device *)0)->safety == SAFETY_TEXT, "sixty digits and blanks");

const char *kith_version(void)
{
    return KITH_VERSION_TEXT;
}

const char *kith_error_name(int code)
{
    return error_name((enum kith_err)code);
}

const char *kith_error_text(int code)
{
    return error_text((enum kith_err)code);
}

const char *kith_detail(const struct kith *kith)
{
    return kith ? kith->detail : "";
}

enum kith_err home_fail(struct kith *kith, enum kith_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(kith->detail, sizeof kith->detail, format, args);
    va_end(args);
    return err;
}

uint64_t home_clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t home_now_ms(const struct kith *kith)
{
    return (uint64_t)((int64_t)home_clock_ms() + kith->clock_offset_ms);
}

static enum kith_err make_folder(const char *home)
{
    if (mkdir(home, 0700) == 0 || errno == EEXIST)
        return KITH_OK;
    switch (errno) {
    case ENOSPC:
    case EDQUOT:
        return KITH_FULL;
    case ENOENT:
    case ENOTDIR:
        return KITH_NOT_FOUND;
    default:
        return KITH_PERMISSION;
    }
}

/* A home whose making was interrupted may have everything but its keys. A device that was ended has
 * none either, and keeps its number. */
static bool has_identity(const struct kith *kith)
{
    const struct identity *identity = replica_identity(kith->replica);

    return identity->device != 0 ||
           !sodium_is_zero(identity->sign_secret, sizeof identity->sign_secret);
}

static enum kith_err make_identity(struct kith *kith)
{
    struct identity identity;

    identity_make(&identity);
    enum kith_err err = replica_set_identity(kith->replica, &identity);
    seal_wipe(&identity, sizeof identity);
    return err;
}

/* Takes over `key`, which is wiped here whatever happens. */
static int open_home(const char *home, uint8_t key[static KEY_BYTES], bool is_new,
                     struct kith **opened)
{
    struct kith *kith = seal_start() ? NULL : calloc(1, sizeof *kith);
    struct hub_state hub;

    *opened = NULL;
    if (!kith) {
        seal_wipe(key, KEY_BYTES);
        return KITH_MEMORY;
    }
    memcpy(kith->data_key, key, KEY_BYTES);
    (void)sodium_mlock(kith->data_key, KEY_BYTES);
    seal_wipe(key, KEY_BYTES);
    kith->home = strdup(home);
    const struct replica_options options = {
        .folder = home, .key = kith->data_key, .is_new = is_new};
    enum kith_err err = kith->home ? replica_open(&kith->replica, &options) : KITH_MEMORY;
    if (!err && !has_identity(kith))
        err = make_identity(kith);
    if (!err)
        err = replica_hub(kith->replica, &hub);
    if (!err)
        kith->clock_offset_ms = hub.clock_offset_ms;
    *opened = kith;
    if (err)
        kith_close(opened);
    return err;
}

/* The vault comes first: with it alone, the making of the home was interrupted, and its passphrase
 * goes on. */
static enum kith_err make_vault(const char *home, const char *passphrase,
                                uint8_t key[static KEY_BYTES])
{
    enum kith_err err = vault_create(home, passphrase, key);

    if (err != KITH_EXISTS)
        return err;
    err = vault_open(home, passphrase, key);
    return err == KITH_PASSPHRASE ? KITH_EXISTS : err;
}

int kith_create(const char *home, const char *passphrase, struct kith **kith)
{
    uint8_t key[KEY_BYTES];

    *kith = NULL;
    if (seal_start())
        return KITH_MEMORY;
    enum kith_err err = make_folder(home);
    if (!err)
        err = make_vault(home, passphrase, key);
    return err ? (int)err : open_home(home, key, true, kith);
}

int kith_open(const char *home, const char *passphrase, struct kith **kith)
{
    uint8_t key[KEY_BYTES];

    *kith = NULL;
    if (seal_start())
        return KITH_MEMORY;
    enum kith_err err = vault_open(home, passphrase, key);
    return err ? (int)err : open_home(home, key, false, kith);
}

int kith_open_with_key(const char *home, const uint8_t key[KITH_KEY_BYTES], struct kith **kith)
{
    uint8_t copy[KEY_BYTES];

    memcpy(copy, key, KEY_BYTES);
    return open_home(home, copy, false, kith);
}

void kith_data_key(const struct kith *kith, uint8_t key[KITH_KEY_BYTES])
{
    memcpy(key, kith->data_key, KEY_BYTES);
}

int kith_change_passphrase(struct kith *kith, const char *passphrase)
{
    kith->detail[0] = '\0';
    return vault_rewrap(kith->home, passphrase, kith->data_key);
}

void kith_close(struct kith **kith)
{
    if (!*kith)
        return;
    replica_close(&(*kith)->replica);
    home_forget_names(*kith);
    (void)sodium_munlock((*kith)->data_key, KEY_BYTES);
    free((*kith)->home);
    seal_wipe(*kith, sizeof **kith);
    free(*kith);
    *kith = NULL;
}

void kith_free(void *array)
{
    free(array);
}

static void add_report(struct kith_sync_report *report, const struct kith_sync_report *more)
{
    report->sent += more->sent;
    report->received += more->received;
    report->refused += more->refused;
    report->bytes_out += more->bytes_out;
    report->bytes_in += more->bytes_in;
    report->change_bytes += more->change_bytes;
    report->round_trips += more->round_trips;
    report->is_up_to_date = more->is_up_to_date;
    report->purged += more->purged;
    report->leaving = more->leaving;
    report->is_removed = more->is_removed;
    report->was_silent = more->was_silent;
    report->retry_s = more->retry_s;
    report->is_doubted = more->is_doubted;
}

/* A hub names so many chains in one answer; what it stored beyond that it says when it is asked
 * again. Each further exchange must have brought something. */
static enum kith_err sync_rest(struct kith *kith, bool is_needed, struct kith_sync_report *report)
{
    struct replica_counts counts = {0};
    enum kith_err err = KITH_OK;
    bool has_moved = true;

    while (!err && has_moved) {
        struct exchange more = {.mode = CHANNEL_SYNC};
        err = replica_counts(kith->replica, &counts);
        if (err || (!is_needed && (counts.unsent == 0 || report->sent == 0)))
            break;
        err = home_exchange(kith, &more);
        add_report(report, &more.report);
        has_moved = more.report.sent > 0;
        is_needed = false;
    }
    report->is_up_to_date = report->is_up_to_date && counts.unsent == 0;
    return err;
}

/* What a device adds of its own once it knows what the hub has. */
static enum kith_err sync_add(struct kith *kith, bool is_up_to_date, bool *wrote)
{
    bool is_beating = false;
    enum kith_err err = KITH_OK;

    if (is_up_to_date)
        err = heartbeat_write(kith, &is_beating);
    if (!err)
        err = recovery_refresh(kith);
    *wrote = *wrote || is_beating;
    return err;
}

static enum kith_err sync_once(struct kith *kith, struct kith_sync_report *report)
{
    struct exchange exchange = {.mode = CHANNEL_SYNC};
    struct clock_watch watch;
    bool wrote;
    enum kith_err err = clock_watch_begin(kith, &watch);

    if (err)
        return err;
    err = home_exchange(kith, &exchange);
    enum kith_err noted = clock_watch_end(kith, &watch, &wrote);
    add_report(report, &exchange.report);
    err = err ? err : noted;
    if (!err)
        err = sync_add(kith, report->is_up_to_date, &wrote);
    bool is_going_on =
        !err && report->is_up_to_date && replica_leaving(kith->replica) == LEAVING_NOT;
    return is_going_on ? sync_rest(kith, wrote, report) : err;
}

/* What stays for the length of one exchange that stays. */
struct staying {
    struct exchange_live live;
    struct kith *kith;
    const struct kith_live *owner;
    struct clock_watch watch;
    bool has_settled;
    uint32_t sent; /* when something was left over last */
};

static enum kith_err on_settled(struct exchange_live *live, const struct kith_sync_report *report,
                                bool *has_more)
{
    struct staying *staying = (struct staying *)live;
    struct kith *kith = staying->kith;
    struct replica_counts counts;
    bool wrote = false;
    enum kith_err err = KITH_OK;

    if (!staying->has_settled) {
        err = clock_watch_end(kith, &staying->watch, &wrote);
        staying->has_settled = true;
        if (!err)
            err = sync_add(kith, report->is_up_to_date, &wrote);
    }
    if (!err)
        err = replica_counts(kith->replica, &counts);
    if (err)
        return err;
    /* Each further round must have brought something. */
    *has_more = wrote || (counts.unsent > 0 && report->sent > staying->sent);
    staying->sent = report->sent;
    if (staying->owner->settled)
        staying->owner->settled(staying->owner->owner, report);
    return KITH_OK;
}

static enum kith_live_next on_woken(struct exchange_live *live)
{
    const struct kith_live *owner = ((struct staying *)live)->owner;

    return owner->woken(owner->owner);
}

static enum kith_err sync_stay(struct kith *kith, const struct kith_live *owner,
                               struct kith_sync_report *report)
{
    struct staying staying = {.live = {.wake_fd = owner->wake_fd,
                                       .keep_alive_ms = owner->keep_alive_s * 1000,
                                       .settled = on_settled,
                                       .woken = on_woken},
                              .kith = kith,
                              .owner = owner};
    struct exchange exchange = {.mode = CHANNEL_SYNC, .live = &staying.live};
    bool wrote;
    enum kith_err err = clock_watch_begin(kith, &staying.watch);

    if (err)
        return err;
    err = home_exchange(kith, &exchange);
    enum kith_err noted =
        staying.has_settled ? KITH_OK : clock_watch_end(kith, &staying.watch, &wrote);
    add_report(report, &exchange.report);
    return err ? err : noted;
}

static enum kith_err sync_begin(struct kith *kith, struct kith_sync_report *report,
                                bool *is_renewed)
{
    kith->detail[0] = '\0';
    *is_renewed = false;
    memset(report, 0, sizeof *report);
    if (replica_identity(kith->replica)->device == 0)
        return home_fail(kith, KITH_UNKNOWN_DEVICE,
                         "this home belongs to no agency yet: use 'kith join' with a code");
    return home_renew(kith, report, is_renewed);
}

/* A device that was copied or set back goes on under a new number: with the next exchange. */
int kith_live(struct kith *kith, const struct kith_live *live, struct kith_sync_report *report)
{
    bool is_renewed;
    enum kith_err err = sync_begin(kith, report, &is_renewed);

    return err ? err : sync_stay(kith, live, report);
}

/* A device that was copied or set back goes on under a new number: at once, so that what it wrote
 * arrives with the same command. */
int kith_sync(struct kith *kith, struct kith_sync_report *report)
{
    bool is_renewed;
    enum kith_err err = sync_begin(kith, report, &is_renewed);

    if (!err)
        err = sync_once(kith, report);
    if (!err && !is_renewed)
        err = home_renew(kith, report, &is_renewed);
    else
        is_renewed = false;
    if (!err && is_renewed)
        err = sync_once(kith, report);
    else if (!err && report->is_doubted)
        err = home_fail(kith, KITH_FORKED,
                        "the hub says that it holds another history of this device, and does not "
                        "show it: compare 'kith status' with a colleague");
    return err;
}

/* One flight carries so much: that something came of it is success, and whether it was all is said.
 */
int kith_sync_brief(struct kith *kith, struct kith_sync_report *report)
{
    struct exchange exchange = {.mode = CHANNEL_SYNC, .is_single = true};
    struct clock_watch watch;
    bool wrote;
    bool is_renewed;
    enum kith_err err = sync_begin(kith, report, &is_renewed);

    if (!err)
        err = clock_watch_begin(kith, &watch);
    if (err)
        return err;
    err = home_exchange(kith, &exchange);
    enum kith_err noted = clock_watch_end(kith, &watch, &wrote);
    add_report(report, &exchange.report);
    if (err == KITH_LOST && (report->sent > 0 || report->received > 0))
        err = KITH_OK;
    return err ? err : noted;
}

int kith_unsent(struct kith *kith, uint64_t *changes, bool *is_urgent)
{
    struct replica_counts counts;
    enum kith_err err = replica_counts(kith->replica, &counts);

    *changes = err ? 0 : counts.unsent + counts.owed;
    *is_urgent = !err && counts.is_urgent;
    return err;
}

int kith_status(struct kith *kith, struct kith_status *status)
{
    struct replica_counts counts;
    struct hub_state hub = {0};
    enum kith_err err = replica_counts(kith->replica, &counts);

    kith->detail[0] = '\0';
    memset(status, 0, sizeof *status);
    if (!err)
        err = replica_hub(kith->replica, &hub);
    if (!err)
        err = home_conflicts(kith, &status->conflicts);
    if (!err)
        err = home_count_leaving(kith, status);
    if (err)
        return err;
    status->held = counts.kept;
    status->removed = leaving_word(replica_leaving(kith->replica));
    status->unsent = counts.unsent;
    status->refused = counts.refused;
    status->waiting = counts.waiting;
    status->circles = counts.circles;
    status->records = counts.records;
    status->last_sync_ms = hub.last_sync_ms;
    status->clock_offset_ms = hub.clock_offset_ms;
    status->is_enrolled = replica_person(kith->replica) != 0;
    status->is_up_to_date = hub.is_up_to_date && counts.unsent == 0 && counts.owed == 0;
    (void)snprintf(status->hub, sizeof status->hub, "%s", replica_identity(kith->replica)->address);
    return 0;
}

int kith_heartbeat(struct kith *kith, uint64_t now_ms, uint64_t *last_ms, bool *is_frozen)
{
    struct hub_state hub = {0};
    enum kith_err err = heartbeat_last(kith, last_ms);

    kith->detail[0] = '\0';
    *is_frozen = false;
    if (!err)
        err = replica_hub(kith->replica, &hub);
    int64_t late_ms = (int64_t)(*last_ms + FROZEN_MS) - hub.clock_offset_ms; /* by our clock */
    if (!err && *last_ms > 0)
        *is_frozen = late_ms < (int64_t)now_ms && late_ms < (int64_t)hub.last_sync_ms;
    return err;
}

int kith_refusals(struct kith *kith, struct kith_refusal *refusals, size_t max, size_t *count)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    struct store_walk walk = device_refusals(&txn, 0);
    struct refused_row row;

    kith->detail[0] = '\0';
    *count = 0;
    while (*count < max && device_refused_next(&walk, &row)) {
        struct kith_refusal *refusal = &refusals[(*count)++];
        struct circle_row circle;
        device_circle_get(&txn, row.circle, &circle);
        id_write(circle.circle.id, refusal->id);
        circle_clear(&circle.circle);
        refusal->n = row.n;
        refusal->reason = row.reason;
    }
    store_walk_end(&walk);
    return store_commit(&txn);
}

static void roles_write(unsigned roles, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (unsigned bit = 1; bit <= ROLE_ADMIN; bit <<= 1)
        if (roles & bit && at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at ? "," : "", role_word(bit));
}

static void fill_person(struct kith *kith, const struct roster_person *known,
                        struct kith_person *person)
{
    memset(person, 0, sizeof *person);
    person->number = known->number;
    person->is_self = known->number == replica_person(kith->replica);
    (void)snprintf(person->name, sizeof person->name, "%s", home_person_name(kith, known->number));
    if (known->supervisor)
        (void)snprintf(person->supervisor, sizeof person->supervisor, "%s",
                       home_person_name(kith, known->supervisor));
    roles_write(known->roles, person->role, sizeof person->role);
}

int kith_people(struct kith *kith, struct kith_person **people, size_t *count)
{
    const struct roster *roster = replica_roster(kith->replica);

    kith->detail[0] = '\0';
    *count = roster->person_count;
    *people = calloc(*count + 1, sizeof **people);
    if (!*people)
        return KITH_MEMORY;
    for (size_t i = 0; i < *count; i++)
        fill_person(kith, &roster->people[i], &(*people)[i]);
    return 0;
}

static const char *state_word(enum device_state state)
{
    switch (state) {
    case DEVICE_INVITED:
        return "invited";
    case DEVICE_ACTIVE:
        return "active";
    case DEVICE_ENDED:
        return "ended";
    }
    return "";
}

int kith_devices(struct kith *kith, struct kith_device **devices, size_t *count)
{
    const struct roster *roster = replica_roster(kith->replica);

    kith->detail[0] = '\0';
    *count = roster->device_count;
    *devices = calloc(*count + 1, sizeof **devices);
    if (!*devices)
        return KITH_MEMORY;
    for (size_t i = 0; i < *count; i++) {
        const struct roster_device *known = &roster->devices[i];
        struct kith_device *device = &(*devices)[i];
        device->number = known->number;
        device->state = state_word(known->state);
        device->leaving = leaving_word(known->leaving);
        safety_number(roster->agency, known->number, &known->keys, device->safety);
        enum kith_err err = home_end_reason(kith, known->number, device->reason);
        if (err)
            return err;
        device->is_self = known->number == replica_identity(kith->replica)->device;
        (void)snprintf(device->name, sizeof device->name, "%s",
                       home_device_name(kith, known->number));
        (void)snprintf(device->person, sizeof device->person, "%s",
                       home_person_name(kith, known->person));
        roles_write(roster_device_roles(roster, known->number), device->role, sizeof device->role);
    }
    return home_last_seen(kith, *devices, *count);
}

int kith_grant(struct kith *kith, const char *participant, const char *person)
{
    uint8_t circle[ID_BYTES];
    struct circle_member member = {.right = CIRCLE_WRITE};

    kith->detail[0] = '\0';
    enum kith_err err = home_participant(kith, participant, circle);
    if (err)
        return err;
    err = home_person(kith, person, &member.person);
    if (err)
        return home_fail(
            kith, err, err == KITH_NOT_FOUND ? "no person '%s'" : "several people are called '%s'",
            person);
    err = replica_grant(kith->replica, circle, &member);
    if (err == KITH_EXISTS)
        return home_fail(kith, err, "%s can already read this chart", person);
    return err;
}

int kith_circle(struct kith *kith, const char *participant, struct kith_circle *circle)
{
    uint8_t id[ID_BYTES];
    struct circle_row row;

    kith->detail[0] = '\0';
    memset(circle, 0, sizeof *circle);
    enum kith_err err = home_participant(kith, participant, id);
    if (!err)
        err = home_read_names(kith);
    if (err)
        return err;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    device_circle_get(&txn, device_circle_number(&txn, id), &row);
    id_write(id, circle->id);
    circle->epoch = row.circle.epoch;
    circle->rotation_owed = circle_rotation_owed(&row.circle, replica_roster(kith->replica));
    err = home_circle_left(kith, &row.circle, circle);
    if (err)
        store_fail(&txn, err);
    circle->members = calloc((size_t)row.circle.member_count + 1, sizeof *circle->members);
    if (!circle->members)
        store_fail(&txn, KITH_MEMORY);
    for (uint32_t i = 0; circle->members && i < row.circle.member_count; i++) {
        const struct roster_person *person =
            roster_person(replica_roster(kith->replica), row.circle.members[i].person);
        if (person)
            fill_person(kith, person, &circle->members[circle->member_count++]);
    }
    circle_clear(&row.circle);
    return store_commit(&txn);
}

void kith_circle_free(struct kith_circle *circle)
{
    free(circle->members);
    free(circle->left);
    memset(circle, 0, sizeof *circle);
}
