/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roster: the agency's signed, hash-linked, append-only list of people and devices.
 *
 * An entry is a msgpack body followed by an Ed25519 signature over its hash. The agency's id is the
 * hash of the first entry, so whoever knows the id can check every entry after it, one by one, and
 * trusts nobody. The hub serialises the list (an entry names the head it follows) and holds to the
 * same rules; it cannot add to it. An invitation reserves a device number with one-time keys; the
 * enrolment, signed with them, replaces them by the device's own. So keys can be sealed to a device
 * before it exists, and nobody need be online when it joins. A device that was ended stays so:
 * whoever goes on does it under a new number, invited or, renewing itself, signed for by the old
 * one while that was active. No names are in here: people's names are records in the agency's
 * circle. Source: docs/protocol.md, section 6.
 */
#ifndef KITH_PROTOCOL_ROSTER_H
#define KITH_PROTOCOL_ROSTER_H

#include "protocol/bytes.h"
#include "protocol/chain.h"
#include "protocol/limits.h"
#include "protocol/noise.h"

/* Roles are few and their meaning is fixed: the table is in roster.c and in docs/security.md. */
#define ROLES(X)                                                                                   \
    X(SPECIALIST, 1, "specialist")                                                                 \
    X(TRAINEE, 2, "trainee")                                                                       \
    X(VOLUNTEER, 4, "volunteer")                                                                   \
    X(SUPERVISOR, 8, "supervisor")                                                                 \
    X(CUSTODIAN, 16, "custodian")                                                                  \
    X(ADMIN, 32, "admin")

enum role {
#define ROLE_BIT(name, bit, word) ROLE_##name = (bit),
    ROLES(ROLE_BIT)
#undef ROLE_BIT
        ROLE_ALL = 63
};

/* What a role may do; the checks name these, never roles. */
enum role_right {
    MAY_INVITE,   /* anybody, with any role */
    MAY_REGISTER, /* a new participant: the genesis of a chart */
    MAY_GRANT,    /* let others into a chart it is a member of */
    MAY_LEAD,     /* be named as somebody's supervisor */
    MAY_END,      /* end anybody's device */
    MAY_WITHDRAW, /* take anybody but a custodian out of a chart; decide about what is held */
};

bool role_may(unsigned roles, enum role_right right);
/* The role of a word; 0 if it is none. */
unsigned role_of(struct bytes word);
/* The words of a set of roles, for one role only; "" for 0. */
const char *role_word(unsigned role);

enum roster_type {
    ROSTER_FOUND = 1,
    ROSTER_INVITE = 2,
    ROSTER_ENROL = 3,
    ROSTER_ROLE = 4,
    ROSTER_END = 5,   /* a device is ended, for ever */
    ROSTER_RENEW = 6, /* a device ends itself and goes on as a new one */
};

/* Why a device, or a person in a circle, is there no more. A larger number is stricter. */
enum leaving {
    LEAVING_NOT = 0,
    LEAVING_TRANSFERRED = 1, /* handed over: what it had not sent is taken for a set time */
    LEAVING_RETIRED = 2,     /* left: what it had not sent is held for a decision */
    LEAVING_REVOKED = 3,     /* lost or stolen: held, and marked suspect */
    LEAVING_RENEWED = 4,     /* goes on under a new number: only a roster's RENEW says so */
};
/* "transferred", "retired", "revoked", "renewed"; "" for LEAVING_NOT. */
const char *leaving_word(enum leaving leaving);

enum device_state { DEVICE_INVITED = 1, DEVICE_ACTIVE = 2, DEVICE_ENDED = 3 };

/* What an agency is for; it is said once, in the first entry, which the agency's id is the hash of.
 */
enum agency_kind {
    AGENCY_SERVICES = 0,   /* services that somebody may pay for */
    AGENCY_PRACTICE = 1,   /* made-up people, on one device alone: no hub takes it */
    AGENCY_VOLUNTEERS = 2, /* nobody is billed for anything */
};
#define AGENCY_KIND_MAX AGENCY_VOLUNTEERS

/* The public halves of a device's three key pairs. */
struct device_public {
    uint8_t sign[KEY_BYTES];
    uint8_t noise[KEY_BYTES];
    uint8_t box[KEY_BYTES];
};

struct roster_device {
    uint32_t number;
    uint32_t person;
    uint32_t invited_by; /* device number; 0 for the founder's */
    enum device_state state;
    struct device_public keys; /* while invited: the invitation's, without a noise key */
    uint8_t
        invite_sign[KEY_BYTES]; /* the invitation's, for ever: it shows who signed the enrolment */
    uint64_t expires_s;         /* of the invitation */
    uint32_t since;             /* the seq of its newest entry but its end */
    uint32_t ended;             /* the seq of the entry that ended it; 0: none did */
    enum leaving leaving;       /* why */
    uint64_t until_s;           /* TRANSFERRED: until when what it had not sent is taken */
    uint32_t renews;            /* the number that it goes on from; 0 */
};

struct roster_person {
    uint32_t number;
    unsigned roles;          /* as of the head */
    uint32_t supervisor;     /* person number, 0 for none */
    uint32_t newest_change;  /* of the person's roles: an index behind it */
    uint32_t next_custodian; /* who was made one before: see roster.custodian; 0: nobody */
    bool is_custodian_listed;
};

/* The changes of one person's roles hang together: a roster may have very many people. */
struct roster_role_change {
    uint32_t seq;
    uint32_t person;
    unsigned roles;
    uint32_t before; /* the person's change before it: an index behind it; 0: there is none */
};

struct roster {
    uint8_t agency[ID_BYTES];
    enum agency_kind kind;
    uint8_t root[KEY_BYTES];
    uint8_t hub_noise[KEY_BYTES];
    uint8_t hub_sign[KEY_BYTES];
    uint32_t count; /* entries so far */
    uint8_t head[HASH_BYTES];
    struct roster_device *devices; /* number - 1 is the index */
    uint32_t device_count;
    struct roster_person *people; /* likewise */
    uint32_t person_count;
    struct roster_role_change *changes; /* ascending by seq */
    uint32_t change_count;
    uint32_t custodian; /* of all who are or were one, who was made one last; 0: nobody */
};

void roster_init(struct roster *roster);
void roster_clear(struct roster *roster);

/* NULL if there is no such number. */
const struct roster_device *roster_device(const struct roster *roster, uint64_t number);
const struct roster_person *roster_person(const struct roster *roster, uint64_t number);
/* The person behind a device and the roles it had when the roster had `seq` entries; 0 for nobody.
 */
unsigned roster_roles_at(const struct roster *roster, uint32_t person, uint32_t seq);
/* The entry that gave the person its roles of now; 0 for nobody. */
uint32_t roster_roles_since(const struct roster *roster, uint32_t person);
/* The next of those who are or were custodians, in no order, from `person` 0 on; NULL at the end.
 */
const struct roster_person *roster_next_custodian(const struct roster *roster, uint32_t person);
/* The roles now of the person behind a device; 0 for an unknown device. */
unsigned roster_device_roles(const struct roster *roster, uint32_t device);
/* Whether the device had been ended when the roster had `seq` entries. */
bool roster_is_ended_at(const struct roster_device *device, uint32_t seq);

/* Checks one entry against the head and adds it: signature, place, and whether its author may do
 * that. Nothing is changed on failure: STALE if it does not follow the head, SIGNATURE,
 * NOT_ALLOWED, MALFORMED, ... The agency's id is set by the first entry; a roster whose `agency` is
 * already known (not zero) refuses another with KITH_FOREIGN. */
MUST_USE enum kith_err roster_append(struct roster *roster, struct bytes entry);

/* Adds an entry that this store checked before and kept sealed: form and place only. KITH_DAMAGED
 * if it does not fit. */
MUST_USE enum kith_err roster_replay(struct roster *roster, struct bytes entry);

/* What an entry says, read without checking anything but its form. */
struct roster_entry {
    struct chain_link link;
    uint32_t author;
    uint64_t time_s;
    enum roster_type type;
    uint8_t root[KEY_BYTES];      /* FOUND */
    uint8_t hub_noise[KEY_BYTES]; /* FOUND */
    uint8_t hub_sign[KEY_BYTES];  /* FOUND */
    enum agency_kind agency_kind; /* FOUND */
    uint32_t device;              /* INVITE, RENEW: the next; END: which */
    uint32_t person;              /* INVITE, ROLE */
    unsigned roles;               /* FOUND, INVITE, ROLE */
    uint32_t supervisor;          /* INVITE, ROLE */
    uint64_t expires_s;           /* INVITE */
    struct device_public keys;    /* FOUND, ENROL, RENEW; INVITE: sign and box */
    enum leaving leaving;         /* END */
    uint64_t until_s;             /* END: TRANSFERRED only, otherwise 0 */
};

MUST_USE enum kith_err roster_entry_read(struct roster_entry *entry, struct bytes bytes);
/* Appends the entry, signed, to `out`. its place and hash are filled in from the
 * roster's head. */
MUST_USE enum kith_err roster_entry_write(const struct roster *roster, struct roster_entry *entry,
                                          const uint8_t sign_secret[static SIGN_KEY_BYTES],
                                          struct buffer *out);

#endif
