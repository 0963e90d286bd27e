/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind a `struct kith`: the open home, and what the parts of libkith share. */
#ifndef KITH_CLIENT_HOME_H
#define KITH_CLIENT_HOME_H

#include "client/kith.h"
#include "client/rules.h"
#include "client/schema.h"
#include "protocol/channel.h"
#include "store/replica.h"

#define DETAIL_MAX 512

/* One worker's or device's name, from the agency's circle. */
struct name_row {
    uint32_t number;
    char name[KITH_NAME_TEXT];
};

struct name_list {
    struct name_row *rows;
    size_t count;
    size_t room;
};

struct kith {
    char *home;
    uint8_t data_key[KEY_BYTES];
    struct replica *replica;
    int64_t clock_offset_ms;
    char detail[DETAIL_MAX];
    bool has_names;
    struct name_list people;
    struct name_list devices;
    bool has_rules;
    struct rules_list rules;
    char
        name_text[KITH_NAME_TEXT]; /* what home_person_name gave last for somebody without a name */
};

/* Says more about a failure, and returns it. */
enum kith_err home_fail(struct kith *kith, enum kith_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Milliseconds since 1970, corrected by what the hub's clock said last. */
uint64_t home_now_ms(const struct kith *kith);
/* The clock as it is. */
uint64_t home_clock_ms(void);

/* Names. They are read when first asked for and again after home_forget_names. */
void home_forget_names(struct kith *kith);
MUST_USE enum kith_err home_read_names(struct kith *kith);
const char *home_person_name(struct kith *kith, uint32_t number);
const char *home_device_name(struct kith *kith, uint32_t number);
bool home_has_device_name(struct kith *kith, uint32_t number);
/* Writes down what a person, device or agency is called: its record in the agency's circle.
 * `number` 0: no number. */
MUST_USE enum kith_err home_save_name(struct kith *kith, enum record_type type, uint32_t number,
                                      const char *name);
/* Why a device was ended stands beside its name, where the hub cannot read it. */
#define DEVICE_NAME_FIELD   2
#define DEVICE_REASON_FIELD 3
/* One field of a device's record, which is made if there is none. */
MUST_USE enum kith_err home_save_device(struct kith *kith, uint32_t number, uint32_t field,
                                        const char *said);
/* By number, or by name whatever the case. NOT_FOUND, AMBIGUOUS. */
MUST_USE enum kith_err home_person(struct kith *kith, const char *text, uint32_t *number);
struct schema_names home_names(struct kith *kith);

/* The agency's rule packs, read when first asked for and again after home_forget_names. */
MUST_USE enum kith_err home_rules(struct kith *kith, const struct rules_list **rules);

/* A participant's chart by id prefix or by name; with kith_detail on failure. */
MUST_USE enum kith_err home_participant(struct kith *kith, const char *text,
                                        uint8_t circle[static ID_BYTES]);
/* A record of a command type by id prefix. The caller has begun `txn`. */
MUST_USE enum kith_err home_find(struct kith *kith, struct store_txn *txn,
                                 const struct schema_type *type, const char *id,
                                 struct found_record *found);

/* The type of a command's word; INPUT with kith_detail if there is none. Begins a call: forgets the
 * last detail. */
MUST_USE enum kith_err home_type(struct kith *kith, const char *word,
                                 const struct schema_type **type);

struct exchange_live;
/* One exchange with the hub, in client/net.c and engine.c. `request` may be NULL. */
struct exchange {
    enum channel_mode mode;
    const uint8_t *psk;
    struct roster_request *request; /* filled in: is_done or refusal */
    struct exchange_live *live;     /* NULL: it ends when all is exchanged */
    bool is_single;                 /* in one HTTP request; LOST if that could not bring all */
    struct kith_sync_report report;
};
/* An exchange that stays; called back within home_exchange. */
struct exchange_live {
    int wake_fd; /* -1: none */
    uint32_t keep_alive_ms;
    /* All was exchanged. `has_more`: something is to be sent because of this. */
    enum kith_err (*settled)(struct exchange_live *live, const struct kith_sync_report *report,
                             bool *has_more);
    /* wake_fd is readable. */
    enum kith_live_next (*woken)(struct exchange_live *live);
};
MUST_USE enum kith_err home_exchange(struct kith *kith, struct exchange *exchange);

/* Whether this device was ended and has nothing left; KITH_ENDED with kith_detail. */
MUST_USE enum kith_err home_check_not_removed(struct kith *kith);
/* PRACTICE with kith_detail in a home for practice: nothing of it leaves the device. */
MUST_USE enum kith_err home_check_not_practice(struct kith *kith);
bool home_is_practice(const struct kith *kith);
/* Nobody is billed for what volunteers do; NOT_ALLOWED with kith_detail from what would. */
bool home_is_volunteers(const struct kith *kith);
MUST_USE enum kith_err home_check_billing(struct kith *kith);
/* What founding ends with, wherever the roster is: the agency's circle and its first names. Each
 * step is left out where an earlier try has done it. */
MUST_USE enum kith_err home_found_agency(struct kith *kith, const char *agency, const char *person);

/* Who could read a circle once. */
MUST_USE enum kith_err home_circle_left(struct kith *kith, const struct circle *known,
                                        struct kith_circle *circle);
/* Why a device was ended, as it was given; "" if nothing was said. */
MUST_USE enum kith_err home_end_reason(struct kith *kith, uint32_t device,
                                       char reason[static KITH_NAME_TEXT]);
/* Charts whose key somebody outside has, and changes that wait for this person's decision. */
MUST_USE enum kith_err home_count_leaving(struct kith *kith, struct kith_status *status);

/* How many fields wait for a person to decide. */
MUST_USE enum kith_err home_conflicts(struct kith *kith, uint64_t *count);
/* When each device last wrote something that is known here, by its own clock. */
MUST_USE enum kith_err home_last_seen(struct kith *kith, struct kith_device *devices, size_t count);

/* What of edits is urgent goes before everything else, both ways. */
enum change_class edits_class(const struct edit *edits, uint32_t count);
/* Makes a circle with its first edits: for the author alone (a person's own), or for the author,
 * the custodians, and by kind the author's supervisor (a chart), the named persons (a concern), the
 * named persons and their supervisors (a worker's file). `kept_out`: a person who is not let in, 0
 * for nobody. Where an edit's record id is zeros it becomes the circle's. */
MUST_USE enum kith_err home_found_circle(struct kith *kith, enum circle_kind kind,
                                         const uint32_t *named, uint32_t named_count,
                                         uint32_t kept_out, const struct edit *edits,
                                         uint32_t count, uint8_t id[static ID_BYTES]);
/* Who must know of a concern when nobody is named: up the line of supervisors, never `kept_out`. 0
 * if there is nobody. */
uint32_t home_leader(const struct kith *kith, uint32_t kept_out);
/* This person's own circle, that nobody else reads. NOT_FOUND until something is in it. */
MUST_USE enum kith_err home_own_circle(struct kith *kith, uint8_t circle[static ID_BYTES]);
/* The circle with a worker's file that this device may write to. NOT_FOUND. */
MUST_USE enum kith_err home_work_file(struct kith *kith, uint32_t holder,
                                      uint8_t circle[static ID_BYTES]);

/* Saves edits in a circle. */
MUST_USE enum kith_err home_save(struct kith *kith, const uint8_t circle[static ID_BYTES],
                                 const struct edit *edits, uint32_t count);

#endif
