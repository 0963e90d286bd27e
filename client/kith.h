/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libkith: what a phone app or a command line needs to record visits offline and to sync them with
 * an agency's hub.
 *
 * A home is a folder with one person's encrypted store. Everything but kith_found, kith_join,
 * kith_invite and kith_sync works without a network; what a call reported as saved is durable.
 *
 * Results: 0 is done, anything else is a code; kith_error_name and kith_error_text turn it into a
 * word and a sentence, kith_detail into what exactly was wrong. Codes never change their meaning.
 * Memory: what a call gives out as `struct ... **` belongs to the caller, who frees it with the
 * call named there. Text is UTF-8. Times are milliseconds since 1970 unless the name says
 * otherwise. A handle is used by one thread at a time.
 */
#ifndef KITH_H
#define KITH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_API __attribute__((visibility("default")))

#define KITH_ID_TEXT   27  /* an id as text, with its final zero */
#define KITH_CODE_TEXT 512 /* an invitation as text, with its final zero */
#define KITH_NAME_TEXT 256 /* a person's or device's name */
#define KITH_KEY_BYTES 32

struct kith;

KITH_API const char *kith_version(void);
KITH_API const char *kith_error_name(int code);
KITH_API const char *kith_error_text(int code);
/* What was wrong with the last call on this handle, as a person would say it; "" if there is no
 * more to say. Valid until the next call on the handle. May hold what the caller typed: not for
 * logs. */
KITH_API const char *kith_detail(const struct kith *kith);

/* Makes a home (mode 0700) with a passphrase, fresh keys and an empty store. EXISTS if there is
 * one. One whose making was interrupted, so that it has no store (NOT_FOUND when opened), is made
 * to its end with the passphrase that it was begun with. */
KITH_API int kith_create(const char *home, const char *passphrase, struct kith **kith);
/* Opens a home. PASSPHRASE, NOT_FOUND, NEWER_STORE, DAMAGED, ... */
KITH_API int kith_open(const char *home, const char *passphrase, struct kith **kith);
/* Opens it with the data key that kith_data_key gave: what an agent keeps in locked memory. */
KITH_API int kith_open_with_key(const char *home, const uint8_t key[KITH_KEY_BYTES],
                                struct kith **kith);
KITH_API void kith_data_key(const struct kith *kith, uint8_t key[KITH_KEY_BYTES]);
KITH_API int kith_change_passphrase(struct kith *kith, const char *passphrase);
/* Accepts NULL, leaves NULL; wipes the keys. */
KITH_API void kith_close(struct kith **kith);

/* Makes the agency on the hub that gave `code`, with this device as its first admin and custodian.
 * `sheet` gets the recovery sheet for paper, at least KITH_CODE_TEXT bytes: show it once, keep it
 * nowhere. */
KITH_API int kith_found(struct kith *kith, const char *code, const char *agency, const char *person,
                        char *sheet);
/* Likewise, for volunteers: no field that is for whoever pays, no units, no billing, for ever. */
KITH_API int kith_found_volunteers(struct kith *kith, const char *code, const char *agency,
                                   const char *person, char *sheet);
/* Enrols this device with an invitation and gets what it may read. May be repeated after a lost
 * connection. */
KITH_API int kith_join(struct kith *kith, const char *code, const char *device_name);

/* A new recovery sheet, for an admin and custodian; older ones are worth nothing from then on. At
 * least KITH_CODE_TEXT bytes. */
KITH_API int kith_sheet(struct kith *kith, char *sheet);
/* With a sheet, a new home becomes a device of whoever made it: admin and custodian, with all
 * charts. `address`: where the hub is now, NULL if the sheet knows. Gives the next sheet. May be
 * repeated after a lost connection. */
KITH_API int kith_recover(struct kith *kith, const char *sheet, const char *address,
                          const char *device_name, char *next_sheet);

/* A forgotten passphrase: the home asks, a custodian answers, by any courier; no network is needed.
 */
#define KITH_RECOVERY_MAX 16384
#define KITH_CHECK_TEXT   24
/* Makes a request, or gives the one that was made before, of at most KITH_RECOVERY_MAX bytes, and
 * the number that both sides compare by voice. NOT_FOUND if the home never synced. */
KITH_API int kith_forgot(const char *home, uint8_t *request, size_t *len,
                         char check[KITH_CHECK_TEXT]);
/* Sets a new passphrase with the answer to the last request. DECRYPT if it is to another one. */
KITH_API int kith_forgot_answer(const char *home, const uint8_t *answer, size_t len,
                                const char *passphrase);
struct kith_asker {
    uint32_t device;
    char name[KITH_NAME_TEXT];
    char person[KITH_NAME_TEXT];
    char check[KITH_CHECK_TEXT]; /* to be the number that the person reads out */
    bool is_ended;               /* the device was removed from the agency */
};
/* On a custodian's device: who asks, and the answer, of at most KITH_RECOVERY_MAX bytes. The caller
 * compares the number before it hands the answer on. */
KITH_API int kith_recovery_answer(struct kith *kith, const uint8_t *request, size_t len,
                                  struct kith_asker *asker, uint8_t *answer, size_t *answer_len);

/* What an agency is for. */
enum kith_agency_kind {
    KITH_AGENCY_SERVICES = 0,
    KITH_AGENCY_PRACTICE = 1,
    KITH_AGENCY_VOLUNTEERS = 2,
};
/* SERVICES while the home belongs to none. */
KITH_API int kith_agency_kind(struct kith *kith);
/* Makes a new home one for practice: an agency on this device alone, with made-up people. Nothing
 * of it ever leaves: PRACTICE from whatever would send it. `person`: what you are called there.
 * EXISTS if it belongs to an agency. */
KITH_API int kith_practise(struct kith *kith, const char *person);

struct kith_invitation {
    const char *person; /* a new name, or somebody who is there already and gets another device */
    const char *role;   /* specialist, trainee, volunteer, supervisor, custodian, admin */
    const char *supervisor; /* name or number; NULL for none */
    uint64_t expires_ms;    /* from now */
};
/* `code` gets at least KITH_CODE_TEXT bytes; `expires_at_ms` when it ends. */
KITH_API int kith_invite(struct kith *kith, const struct kith_invitation *invitation, char *code,
                         uint64_t *expires_at_ms);

struct kith_refusal {
    uint64_t n;            /* which of this device's changes in the chart */
    int reason;            /* a code */
    char id[KITH_ID_TEXT]; /* of the circle */
};
struct kith_sync_report {
    uint32_t sent;     /* changes that the hub acknowledged as durable */
    uint32_t received; /* changes that were new here */
    uint32_t refused;
    uint64_t bytes_out; /* on the connection, after TCP connected */
    uint64_t bytes_in;
    uint64_t change_bytes; /* of bytes_out, what the changes themselves take: sealed text, mark,
                              signature */
    uint32_t round_trips;
    uint32_t retry_s; /* after BUSY: how many seconds the hub wants to be left alone; 0: not said */
    bool is_up_to_date;
    uint32_t purged;  /* charts that this person was taken out of: what could be read is gone */
    uint32_t leaving; /* charts likewise, that still hold something the hub does not have */
    bool is_removed;  /* this device was ended and everything on it was delivered and removed */
    bool was_silent;  /* kith_live: the hub gave no sign of life when it was asked for one */
    bool is_doubted;  /* the hub says that it holds another history of this device */
    uint32_t renewed; /* this device had been copied or set back and goes on under this number; 0 */
    uint32_t rewritten;  /* changes that were written anew under it */
    uint32_t sign_again; /* signatures and the like that were not: to be given again */
};
/* One full exchange. UNREACHABLE if the hub was not reached, LOST if the connection ended early,
 * BUSY if the hub has too much to do (see retry_s): nothing is lost, call again. `report` is filled
 * as far as it came. */
KITH_API int kith_sync(struct kith *kith, struct kith_sync_report *report);
/* The same at another address, to which the hub has moved: it is kept if this agency's hub answers
 * there, and only then. ADDRESS. */
KITH_API int kith_move(struct kith *kith, const char *address, struct kith_sync_report *report);
/* As much of it as one HTTP request and its response carry: for a device that is woken for seconds,
 * and for networks that let nothing else pass. If `report` is not up to date, call it again. */
KITH_API int kith_sync_brief(struct kith *kith, struct kith_sync_report *report);

/* An exchange that stays: what is committed at the hub arrives by itself, and what is saved here,
 * also by another program of this home, goes there when it is told so. */
enum kith_live_next {
    KITH_LIVE_ON,
    KITH_LIVE_SEND,  /* something was saved */
    KITH_LIVE_CHECK, /* the network changed, or the machine slept: is the hub still there? */
    KITH_LIVE_END,   /* at once; what is under way is resumed next time */
};
struct kith_live {
    int wake_fd;           /* whenever it is readable `woken` is called, which reads it; -1: none */
    uint32_t keep_alive_s; /* the hub is asked for a sign of life after so much silence */
    void *owner;
    enum kith_live_next (*woken)(void *owner);
    /* All is exchanged: at the beginning, and whenever something came or went. */
    void (*settled)(void *owner, const struct kith_sync_report *report);
};
/* Begins like kith_sync and returns when `woken` says so (0) or the connection ends, with a reason
 * as kith_sync. `report` counts all of it. */
KITH_API int kith_live(struct kith *kith, const struct kith_live *live,
                       struct kith_sync_report *report);

/* What is exchanged without a connection: a file that only those it is for can read, and that may
 * be copied, mailed, lost and read twice. */

/* Told every chunk; `total` is 0 while it is not known. */
typedef void kith_progress(void *owner, uint64_t done, uint64_t total);
struct kith_bundle {
    uint32_t changes;          /* written: how many are in it */
    uint64_t bytes;            /* the file's size */
    char whom[KITH_NAME_TEXT]; /* written: for whom; read: from whom */
    uint32_t received;         /* changes that were new here */
    uint32_t acknowledged;     /* own changes that the hub says it has, signed */
    uint32_t refused;
    uint32_t left_out; /* parts that fit only with what the hub has not shown here yet */
    bool is_complete;  /* false: the rest of the file is missing, or was altered */
};
/* The outbox for the hub, or, with `person`, all of the charts that both are in. Nothing counts as
 * sent by it. EXISTS if something else than a bundle has that name. */
KITH_API int kith_bundle_write(struct kith *kith, const char *path, const char *person,
                               kith_progress *progress, void *owner, struct kith_bundle *bundle);
/* The hub's answer, or what somebody shares. With what came before a failure `bundle` is filled in
 * and stored; reading it again is safe. */
KITH_API int kith_bundle_read(struct kith *kith, const char *path, kith_progress *progress,
                              void *owner, struct kith_bundle *bundle);

/* What the hub does not have yet; `urgent`: some of it is. Cheap enough to ask often. */
KITH_API int kith_unsent(struct kith *kith, uint64_t *changes, bool *is_urgent);

struct kith_status {
    uint64_t unsent;
    uint64_t refused;
    uint64_t waiting; /* received, cannot be read yet */
    uint64_t conflicts;
    uint64_t circles;
    uint64_t records;
    uint64_t last_sync_ms; /* 0: never */
    int64_t clock_offset_ms;
    char hub[KITH_NAME_TEXT]; /* HOST:PORT or wss://HOST */
    bool is_up_to_date;
    bool is_enrolled;
    uint64_t held;          /* own changes that the hub holds for a decision */
    uint64_t to_decide;     /* others' changes that wait for this person's decision */
    uint64_t rotation_owed; /* charts whose key somebody outside still has */
    const char *removed;    /* how this device was ended: a word, "" if it was not */
};
KITH_API int kith_status(struct kith *kith, struct kith_status *status);
/* When an admin's device last signed that the agency is there, as far as the hub has shown it; 0:
 * never. `now_ms` by this device's clock. `is_frozen`: that is days ago, although there was a sync
 * since. */
KITH_API int kith_heartbeat(struct kith *kith, uint64_t now_ms, uint64_t *last_ms, bool *is_frozen);
/* The refusals, newest last; at most `max`; `count` gets how many were written. */
KITH_API int kith_refusals(struct kith *kith, struct kith_refusal *refusals, size_t max,
                           size_t *count);

/* Something that cannot be if the hub and all devices tell the truth. */
struct kith_alarm {
    const char *kind;         /* a word: rolled_back, change_hidden, ... */
    char text[512];           /* as a person would say it */
    uint32_t device;          /* whose changes, or who was told something else; 0 for nobody */
    char chart[KITH_ID_TEXT]; /* "" if it is about none */
    uint64_t n;
    uint64_t first_ms; /* when it was noticed first, and last */
    uint64_t last_ms;
    uint32_t times;
    bool is_over; /* what was hidden has arrived */
    bool has_proof;
    char proof[2][65]; /* two_changes: the ids of both, in hex; each is signed by the device */
};
/* All that were ever raised. An array that the caller frees with kith_free. */
KITH_API int kith_alarms(struct kith *kith, struct kith_alarm **alarms, size_t *count);

/* What was looked at on this device, oldest first: each entry is linked to the one before. */
struct kith_access {
    uint64_t seq;
    uint64_t time_ms;
    const char *did;       /* opened, listed, exported */
    const char *what;      /* the type of the records; search; the form of an export */
    char id[KITH_ID_TEXT]; /* of the record that was opened; "" */
    uint64_t records;
};
/* An array that the caller frees with kith_free. DAMAGED if the log is not what was written. */
KITH_API int kith_access_log(struct kith *kith, struct kith_access **rows, size_t *count);

/* Checks every page, row, hash, chain and signature of the home, and that its records are what the
 * changes make. What is wrong is in `verified`; an error says that it could not be looked at. */
#define KITH_FAULTS_MAX 64
struct kith_fault {
    const char *table;
    char where[160];
    int reason;
};
struct kith_verified {
    uint64_t checked;
    uint64_t fault_count;
    struct kith_fault faults[KITH_FAULTS_MAX];
};
KITH_API int kith_verify(struct kith *kith, struct kith_verified *verified);

/* What merging has made of each circle, as one number: two devices with the same changes have the
 * same (docs/protocol.md, section 9.1). In hexadecimal. */
#define KITH_HASH_TEXT 65
struct kith_state {
    char circle[KITH_HASH_TEXT];
    char hash[KITH_HASH_TEXT];
};
/* An array that the caller frees with kith_free. */
KITH_API int kith_states(struct kith *kith, struct kith_state **states, size_t *count);

struct kith_person {
    uint32_t number;
    char name[KITH_NAME_TEXT];
    char role[64]; /* words with commas between */
    char supervisor[KITH_NAME_TEXT];
    bool is_self;
};
struct kith_device {
    uint32_t number;
    char name[KITH_NAME_TEXT];
    char person[KITH_NAME_TEXT];
    char role[64];
    const char *state;     /* invited, active, ended */
    uint64_t last_seen_ms; /* when its newest change known here claims to be written; 0: none */
    bool is_self;
    char safety[72];             /* sixty digits, to compare its keys by, in groups of five */
    const char *leaving;         /* how it was ended: transferred, retired, revoked, renewed; "" */
    char reason[KITH_NAME_TEXT]; /* as it was given; "" */
};
/* Arrays that the caller frees with kith_free. */
KITH_API int kith_people(struct kith *kith, struct kith_person **people, size_t *count);
KITH_API int kith_devices(struct kith *kith, struct kith_device **devices, size_t *count);
/* Of these the active ones, but this one, of which nothing was heard for a day before `now_ms`. */
KITH_API int kith_quiet(struct kith *kith, uint64_t now_ms, struct kith_device **devices,
                        size_t *count);
KITH_API void kith_free(void *array);

/* Lets a person (name or number) read and write a participant's chart, with the next sync. */
KITH_API int kith_grant(struct kith *kith, const char *participant, const char *person);

/* Why a person or a device leaves. */
enum kith_leaving {
    KITH_TRANSFERRED = 1, /* handed over: what comes late is taken for two weeks */
    KITH_RETIRED = 2,     /* what comes late is held for a decision */
    KITH_REVOKED = 3,     /* lost or stolen: held, and marked suspect */
};
/* Takes a person out of a participant's chart, with the next sync; the chart's key changes by it.
 */
KITH_API int kith_withdraw(struct kith *kith, const char *participant, const char *person,
                           enum kith_leaving leaving);
/* Ends a device, for ever: writes it into the roster at the hub and changes the keys of all charts
 * that this device may change. `reason` may be NULL; the agency reads it, the hub does not. */
KITH_API int kith_device_end(struct kith *kith, uint32_t device, enum kith_leaving leaving,
                             const char *reason);

/* A device that could read a chart once. */
struct kith_left {
    uint32_t device;
    char name[KITH_NAME_TEXT];
    char person[KITH_NAME_TEXT];
    const char *leaving;    /* transferred, retired, revoked, renewed */
    uint32_t epoch;         /* what was written under keys through this one it could read */
    uint64_t until_ms;      /* when the key was changed, by the clock of whoever did it */
    uint64_t late_until_ms; /* until when what it sends late is taken; 0 */
    uint64_t n;             /* how many of its changes count */
};
struct kith_circle {
    char id[KITH_ID_TEXT];
    uint32_t epoch;
    uint64_t rotation_owed; /* devices that have the key and should not; changed at the next sync */
    size_t left_count;
    struct kith_left *left;
    size_t member_count;
    struct kith_person *members; /* freed with kith_circle_free */
};
KITH_API int kith_circle(struct kith *kith, const char *participant, struct kith_circle *circle);
KITH_API void kith_circle_free(struct kith_circle *circle);

/* What a device that left had not sent before, held by the hub until somebody decides. */
struct kith_held {
    char id[KITH_ID_TEXT];
    char circle[KITH_ID_TEXT];
    uint32_t device;
    uint64_t n; /* which of its changes in the chart */
    char device_name[KITH_NAME_TEXT];
    char person[KITH_NAME_TEXT];
    char participant[KITH_NAME_TEXT];
    const char *leaving; /* how the device had left; "revoked" is suspect */
    uint64_t time_ms;    /* when it reached the hub */
    bool is_rejected;
};
/* An array that the caller frees with kith_free; what was rejected comes last. */
KITH_API int kith_held(struct kith *kith, struct kith_held **held, size_t *count);
struct kith_held_value {
    const char *type;
    char record[KITH_ID_TEXT];
    const char *field;
    char op; /* as in kith_input */
    const char *value;
};
struct kith_held_text {
    struct kith_held held;
    uint64_t time_ms; /* when it was written, by that device's clock */
    size_t count;
    const struct kith_held_value *values;
};
/* What it says. `id` may be a prefix, here and below. NO_KEY, NOT_FOUND, AMBIGUOUS. */
KITH_API int kith_held_show(struct kith *kith, const char *id, struct kith_held_text **text);
KITH_API void kith_held_free(struct kith_held_text **text);
/* With the next sync it counts, and what that device wrote before it in the chart; or it stays out,
 * and what came after it. */
KITH_API int kith_held_admit(struct kith *kith, const char *id);
KITH_API int kith_held_reject(struct kith *kith, const char *id, const char *reason);

/* Records: types and fields are those of the schema (docs/records.md). */

/* One field of an edit. `op`: '=' sets (an empty value clears), '+' adds to a set or list, '-'
 * takes from a set. */
struct kith_input {
    const char *field;
    char op;
    const char *value;
};

/* `id` gets the new record's id. INPUT if a field or value does not fit, with kith_detail. */
KITH_API int kith_record_add(struct kith *kith, const char *type, const struct kith_input *inputs,
                             size_t count, char id[KITH_ID_TEXT]);
/* `id` may be any unambiguous prefix of 4 or more characters, here and below. */
KITH_API int kith_record_edit(struct kith *kith, const char *type, const char *id,
                              const struct kith_input *inputs, size_t count);

enum kith_value_kind { KITH_TEXT, KITH_NUMBER, KITH_FLAG };

struct kith_value {
    const char *text; /* as a person reads it: a date, a name, a code, a number */
    enum kith_value_kind kind;
    int64_t number;  /* KITH_NUMBER and KITH_FLAG */
    const char *key; /* of a keyed field: the record it is for; otherwise NULL */
    /* Who wrote it, when by their clock, and where. */
    const char *person;
    uint32_t device;
    uint64_t time_ms;
};
struct kith_field {
    const char *name;
    bool is_list;     /* a set or entries */
    bool is_keyed;    /* one value for each key */
    bool is_conflict; /* several values that a person must settle */
    size_t value_count;
    const struct kith_value *values; /* the one that stands first */
};
enum kith_place { KITH_ON_DEVICE, KITH_AT_HUB };

/* What a visit lacks, or what its reader should know. */
struct kith_lack {
    const char *kind; /* missing, conflict, order, overlap, clock, credential, late */
    const char *field;
    const char *text; /* as a person would say it */
    bool is_blocking; /* it cannot be signed like this */
};
/* What was done to a note as a whole. */
struct kith_step {
    const char *kind; /* sign, submit, cosign, return, void, addend, keep */
    const char *person;
    uint32_t device;
    uint64_t time_ms;        /* claimed, corrected by what the hub's clock said last */
    int64_t clock_offset_ms; /* that correction */
    const char *text;        /* of an addendum, return or void */
    const char *addendum;    /* addendum, correction, late_entry; "" for other steps */
    const char *credential;
    const char *covers; /* the content or version it is about, in hexadecimal */
    size_t change_count;
    const struct kith_change *changes; /* what an addendum corrects */
    bool is_verified;                  /* its signature */
    bool counts; /* the signature that stands, the co-signature of this version, ... */
};
struct kith_change {
    const char *field;
    const char *old;
    const char *value;
};
/* An edit that came too late for the signature. */
struct kith_late_edit {
    const char *field;
    char op;
    const char *value;
    const char *person;
    uint32_t device;
    uint64_t time_ms;
    bool is_taken; /* an addendum speaks for it */
};
/* Where a visit stands. Lists that were not asked for are empty. */
struct kith_note {
    const char *hash;         /* the version: of content and addenda; NULL for a draft */
    const char *content;      /* the hash of what was signed; NULL for a draft */
    int64_t minutes;          /* of service; -1 if not known */
    int64_t units_tenths;     /* by the rules in force on the day of the visit; -1 if not known */
    const char *rules;        /* their name and version */
    const char *rules_signed; /* those that the signature names; NULL for a draft */
    int64_t units_tenths_signed; /* by these; -1 if they or the minutes are not known */
    size_t lack_count;
    const struct kith_lack *lacks;
    size_t step_count;
    const struct kith_step *steps;
    size_t late_count;
    const struct kith_late_edit *late;
    size_t label_count;
    const char *const *labels; /* derived: nobody can take them away */
};
struct kith_record {
    char id[KITH_ID_TEXT];
    const char *type;
    const char *state;
    char circle[KITH_ID_TEXT]; /* the chart it belongs to: the participant's id */
    size_t field_count;
    const struct kith_field *fields; /* in the schema's order; unknown ones left out */
    enum kith_place place;           /* whether this device's part of it is durable at the hub */
    uint64_t receipt_n; /* the receipt that says so: the own chain through this number */
    uint64_t created_ms;
    uint64_t touched_ms;
    const struct kith_note *note; /* of a visit; otherwise NULL */
};
/* Freed with kith_record_free. */
KITH_API int kith_record_show(struct kith *kith, const char *type, const char *id,
                              struct kith_record **record);
KITH_API void kith_record_free(struct kith_record **record);

struct kith_filter {
    const char *participant; /* id prefix or name; NULL for all */
    uint64_t since_ms;       /* touched at or after; 0 for all */
    const char *state;       /* NULL for all */
};
struct kith_list {
    size_t count;
    struct kith_record **records; /* newest last */
};
KITH_API int kith_record_list(struct kith *kith, const char *type, const struct kith_filter *filter,
                              struct kith_list **list);
KITH_API void kith_list_free(struct kith_list **list);

/* All records in which each of the words stands somewhere, whatever the case of its letters A to Z.
 * Freed with kith_list_free. */
KITH_API int kith_search(struct kith *kith, const char *const *words, size_t count,
                         struct kith_list **list);

/* The people one works with. Dates are text like 2026-03-02, "" for none. */
struct kith_case {
    char id[KITH_ID_TEXT]; /* the participant's */
    const char *name;
    const char *preferred_name;
    const char *engagement;
    const char *last_visit; /* the latest day of a visit that is not voided */
    const char *follow_up;  /* by when to see the person again, while that has not happened */
    uint64_t visits;
    uint64_t drafts;
    uint64_t open_goals;
    bool do_not_contact;
};
struct kith_caseload {
    size_t count;
    const struct kith_case *cases; /* by name */
};
KITH_API int kith_caseload(struct kith *kith, struct kith_caseload **caseload);
KITH_API void kith_caseload_free(struct kith_caseload **caseload);

/* What waits for this person, the most urgent first. */
struct kith_task {
    const char *kind; /* concern, note, returned, late_edits, cosign, voided, duplicate, conflict,
                         follow_up, referral, goal, credential, authorization, consent, plan,
                         supervision, limit, task */
    const char *due;  /* a date, "" if at once */
    const char *text; /* as a person would say it */
    const char *type; /* of the record it is about */
    char id[KITH_ID_TEXT];
    char participant[KITH_ID_TEXT]; /* "" if it is about nobody */
    const char *name;               /* of the participant */
    bool is_overdue;
};
struct kith_tasks {
    size_t count;
    const struct kith_task *tasks;
};
KITH_API int kith_tasks(struct kith *kith, struct kith_tasks **tasks);
KITH_API void kith_tasks_free(struct kith_tasks **tasks);

/* Units of service between two days, both included (text like 2026-03-02). */
struct kith_unit_row {
    char id[KITH_ID_TEXT]; /* the visit's */
    char participant[KITH_ID_TEXT];
    const char *name; /* the participant's */
    const char *date;
    const char *person; /* who made it */
    const char *code;
    const char *state;
    const char *rules;    /* in force on that day */
    const char *why_not;  /* why it does not count yet; "" if it counts */
    int64_t minutes;      /* -1: not known */
    int64_t units_tenths; /* of this visit, or 0 where the day is reckoned as a whole and the first
                             visit of it has them */
    const char *rules_signed;    /* when the signature names others: these, else NULL */
    int64_t units_tenths_signed; /* and what they give */
};
struct kith_units {
    size_t count;
    const struct kith_unit_row *rows; /* by day */
    int64_t minutes;                  /* of those that count */
    int64_t units_tenths;
};
KITH_API int kith_units(struct kith *kith, const char *from, const char *to,
                        struct kith_units **units);
KITH_API void kith_units_free(struct kith_units **units);

/* Reports, reckoned anew from the records each time. Days as for kith_units. */

/* Why visits do not count yet. */
struct kith_why {
    const char *text;
    uint64_t visits;
    int64_t minutes;
};
struct kith_worker {
    const char *person; /* "" for all together */
    uint64_t visits;    /* that are not voided; also where nobody was met */
    uint64_t contacts;  /* that took place */
    uint64_t people;    /* with whom */
    uint64_t due;       /* notes that are signed, or should be by now */
    uint64_t on_time;   /* of these, signed in time */
    uint64_t counting;  /* visits */
    int64_t minutes;    /* of visits that count */
    int64_t units_tenths;
    size_t why_count;
    const struct kith_why *whys;
};
struct kith_productivity {
    size_t count;
    const struct kith_worker *workers; /* by name */
    struct kith_worker total;
};
KITH_API int kith_productivity(struct kith *kith, const char *from, const char *to,
                               struct kith_productivity **report);
KITH_API void kith_productivity_free(struct kith_productivity **report);

/* What signed notes say about goals. */
struct kith_progress_step {
    char visit[KITH_ID_TEXT];
    const char *date;
    const char *word; /* worse, same, better, reached; "" if the note does not say */
};
struct kith_goal_progress {
    char id[KITH_ID_TEXT];
    char participant[KITH_ID_TEXT];
    const char *name; /* the participant's */
    const char *text;
    const char *domain;
    const char *status;
    size_t step_count;
    const struct kith_progress_step *steps; /* by day */
};
struct kith_progress {
    size_t count;
    const struct kith_goal_progress *goals; /* by participant */
};
/* `participant` may be NULL. */
KITH_API int kith_progress_of(struct kith *kith, const char *participant, const char *from,
                              const char *to, struct kith_progress **report);
KITH_API void kith_progress_free(struct kith_progress **report);

/* Training and supervision, and what the rules in force today ask. */
struct kith_asked {
    const char *what;   /* training, a category of it, supervision, sessions */
    const char *unit;   /* hours, sessions */
    const char *since;  /* what was before that day does not count; "" for ever */
    int64_t has_tenths; /* of the unit */
    int64_t asked_tenths;
};
struct kith_trained {
    const char *person;
    uint32_t number; /* the person's */
    size_t count;
    const struct kith_asked *asked;
};
struct kith_training {
    const char *rules; /* whose */
    size_t count;
    const struct kith_trained *people; /* of whom something is known here, by name */
};
KITH_API int kith_training(struct kith *kith, struct kith_training **report);
KITH_API void kith_training_free(struct kith_training **report);

/* A worker's own hours and earnings against the limits of a benefit: records `ledger` and `limit`,
 * which nobody else can read. */
struct kith_limit {
    char id[KITH_ID_TEXT];
    const char *name;
    const char *per;  /* month, year */
    const char *from; /* the first day of the period */
    int64_t earned_cents;
    int64_t earned_limit_cents; /* 0: none */
    int64_t minutes;
    int64_t minutes_limit; /* 0: none */
    int64_t percent;       /* of whichever is nearer */
    bool is_near;          /* 80 percent or more */
    bool is_over;
};
struct kith_ledger {
    int64_t month_cents; /* of the month of that day */
    int64_t month_minutes;
    size_t count;
    const struct kith_limit *limits; /* in force on that day */
};
/* `day` may be NULL: today. */
KITH_API int kith_ledger(struct kith *kith, const char *day, struct kith_ledger **ledger);
KITH_API void kith_ledger_free(struct kith_ledger **ledger);

/* Exports: a file of signed visits between two days, both included, for somebody outside. */
struct kith_export_options {
    const char *from;
    const char *to;
    const char *path;           /* of a file that is not there yet; it gets mode 0600 */
    const char *participant;    /* id prefix or name; NULL for everybody */
    const char *recipient;      /* for whom; NULL for what is usual */
    const char *purpose;        /* likewise */
    bool is_again;              /* billing: also lines that were exported before, as they were */
    const char *const *through; /* chart: a program (NULL-terminated, found in PATH) that makes the
                                   file of the page: it reads one and writes the other. NULL: the
                                   page is the file. */
    kith_progress *progress;    /* told every chart or visit; NULL */
    void *owner;
};
/* What is not in the file, and why. */
struct kith_left_out {
    char id[KITH_ID_TEXT]; /* the visit's, or the participant's where all of a chart is left out */
    char participant[KITH_ID_TEXT];
    const char *name; /* the participant's */
    const char *date;
    const char *why;
};
struct kith_export {
    uint64_t lines; /* of billing: new ones, replacements, voids and repeated ones; else visits */
    uint64_t new_lines;
    uint64_t replacements;
    uint64_t voids;
    uint64_t unchanged; /* billing: exported before, and not in this file */
    uint64_t refused;   /* of what was left out, for want of a consent */
    uint64_t charts;
    int64_t minutes; /* of the lines that are no voids */
    int64_t units_tenths;
    size_t left_out_count;
    const struct kith_left_out *left_out;
};
/* Claim lines as CSV: docs/billing.md says what each column is. Only visits that count, each
 * version of a line once; what was exported and has changed since becomes a replacement or a void.
 * No narrative. What 42 CFR Part 2 protects only with a consent that names payment and the payer;
 * if nothing is left for want of it, NOT_ALLOWED. NOT_FOUND if there is nothing to write. */
KITH_API int kith_export_billing(struct kith *kith, const struct kith_export_options *options,
                                 struct kith_export **made);
/* One participant's record as a page of HTML, for reading and printing: who the person is, plans,
 * goals, referrals, consents, and the signed notes with what was added to them, in order. `from`
 * and `to` may be NULL. Without a recipient it is the person's own copy, which needs no consent;
 * for anybody else 42 CFR Part 2 asks for one that names recipient and purpose: NOT_ALLOWED. */
KITH_API int kith_export_chart(struct kith *kith, const struct kith_export_options *options,
                               struct kith_export **made);
/* Signed visits and the charts that they are in as one FHIR R4 Bundle, in JSON, for another system:
 * docs/exports.md. `from` and `to` may be NULL. What 42 CFR Part 2 protects only with a consent
 * that names recipient and purpose ("treatment" unless said): NOT_ALLOWED if nothing else is left.
 * NOT_FOUND if there is nothing to write. */
KITH_API int kith_export_fhir(struct kith *kith, const struct kith_export_options *options,
                              struct kith_export **made);
/* Also after a failure: what was left out is in it. */
KITH_API void kith_export_free(struct kith_export **made);

/* Every value ever written to a record, by the times that the devices gave it, but never an effect
 * before its cause: a wrong clock misplaces nothing that others had read. */
struct kith_event {
    const char *field;
    char op; /* as in kith_input; also for what a list got */
    const char *value;
    const char *person;
    uint32_t device;
    uint64_t n;       /* which change of that device in this chart */
    uint64_t time_ms; /* claimed */
    bool is_live;     /* not replaced by a later write */
};
struct kith_history {
    size_t count;
    const struct kith_event *events;
};
KITH_API int kith_record_history(struct kith *kith, const char *type, const char *id,
                                 struct kith_history **history);
KITH_API void kith_history_free(struct kith_history **history);

/* The life of a visit's note. Each step is signed with this device's key and works offline. `id` as
 * above. SIGNED, NOT_ALLOWED, INCOMPLETE, UNSETTLED, STATE, INPUT, with kith_detail. */

enum kith_sign_options { KITH_CLOCK_OK = 1 /* the clock's warning was read */ };
/* Fixes what stands now. INCOMPLETE or UNSETTLED while kith_record_show names something that
 * blocks. */
KITH_API int kith_visit_sign(struct kith *kith, const char *id, unsigned options);
KITH_API int kith_visit_submit(struct kith *kith, const char *id);
/* `hash` is the version that was looked at, or NULL for the one known here: STALE if it is no
 * longer that. */
KITH_API int kith_visit_cosign(struct kith *kith, const char *id, const char *hash);
KITH_API int kith_visit_return(struct kith *kith, const char *id, const char *reason);
KITH_API int kith_visit_void(struct kith *kith, const char *id, const char *reason);
struct kith_addendum {
    const char *kind; /* addendum, correction, late_entry */
    const char *text;
    const struct kith_input *changes; /* fields that it corrects; op '=' */
    size_t change_count;
    bool takes_late; /* it speaks for the late edits known here: they are quoted in it */
};
KITH_API int kith_visit_addend(struct kith *kith, const char *id,
                               const struct kith_addendum *addendum);
/* Of several signatures over different content, made at the same time, keeps the one with this
 * place (from 1) in the conflict 'signature'. */
KITH_API int kith_visit_keep(struct kith *kith, const char *id, size_t place);

/* The schema, for forms, templates and completion. Static memory. */
struct kith_schema_field {
    const char *name;
    const char *kind;  /* text, prose, date, time, number, flag, choice, person, record, participant
                        */
    const char *class; /* last, set, restrict, narrative, exact, fixed, entries */
    const char *choices; /* words with spaces between, "" if free */
    const char *help;
    const char *asks; /* what signing asks for, as a person would say it; "" if it does not */
    bool is_required; /* for a new record */
    bool is_keyed;    /* a value for each record that is named: FIELD.ID=VALUE */
    bool is_billed;   /* for whoever pays: refused in an agency of volunteers */
    uint32_t record;  /* the record type's number on the wire: a visit's fields are in two */
    uint32_t number;  /* the field's */
};
/* NULL-terminated names of all types. */
KITH_API const char *const *kith_schema_types(void);
KITH_API const struct kith_schema_field *kith_schema_fields(const char *type, size_t *count);
/* Whether a new record of the type needs 'participant': whose chart it belongs to. */
KITH_API bool kith_schema_is_in_chart(const char *type);

#ifdef __cplusplus
}
#endif

#endif
