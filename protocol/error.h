/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of what can go wrong: the code, who can do something about it, and the sentence a
 * person reads.
 *
 * Codes travel on the wire as refusal reasons, so a number never changes its meaning and is never
 * used again.
 */
#ifndef KITH_PROTOCOL_ERROR_H
#define KITH_PROTOCOL_ERROR_H

#include <stdbool.h>

#define MUST_USE __attribute__((warn_unused_result))

/* Who can act on it. */
enum kith_actor {
    KITH_NOBODY,   /* all is well */
    KITH_PROGRAM,  /* a fault of ours */
    KITH_PEER,     /* the other side sent something wrong */
    KITH_PERSON,   /* the person at the keyboard */
    KITH_OPERATOR, /* whoever runs the hub or the machine */
    KITH_TIME,     /* it passes by itself: try again */
};

/* X(number, NAME, actor, sentence). Sorted by theme: bytes, cryptography, chains, sessions, store,
 * people. */
#define KITH_ERRORS(X)                                                                             \
    X(0, OK, NOBODY, "done")                                                                       \
    X(1, CUT, PEER, "the message ends too early")                                                  \
    X(2, MALFORMED, PEER, "the message is not well formed")                                        \
    X(3, TOO_LARGE, PEER, "a length is over its limit")                                            \
    X(4, UNKNOWN_TYPE, PEER, "a kind of message or entry that this version does not know")         \
    X(5, VERSION, OPERATOR, "the other side speaks another version: update the older one")         \
    X(10, HANDSHAKE, PEER,                                                                         \
      "the handshake failed: not the hub, or not the device, that was expected")                   \
    X(11, DECRYPT, PEER,                                                                           \
      "a message could not be decrypted: it was altered or is not meant for us")                   \
    X(12, SIGNATURE, PEER, "a signature is wrong")                                                 \
    X(13, COMMITMENT, PEER, "a key does not match the commitment published for it")                \
    X(14, NO_KEY, TIME, "the key for this has not arrived yet")                                    \
    X(20, GAP, PEER, "a number is missing in a chain")                                             \
    X(21, FORKED, PEER, "this device has written two histories: it was copied or restored")        \
    X(22, STALE, TIME, "built on an older head: fetch what is new and build it again")             \
    X(23, NOT_MEMBER, PERSON, "this device may not write to this chart")                           \
    X(24, NOT_ALLOWED, PERSON, "this role may not do that")                                        \
    X(25, UNKNOWN_CIRCLE, PEER, "this chart is not known here")                                    \
    X(26, UNKNOWN_DEVICE, PEER, "this device is not enrolled in this agency")                      \
    X(27, EXPIRED, PERSON, "the invitation has expired or was used: ask for a new one")            \
    X(28, FOREIGN, PEER, "it belongs to another agency")                                           \
    X(29, EPOCH, PEER, "written under a key epoch that is not valid here")                         \
    X(30, FOUNDED, PERSON, "this hub already serves an agency")                                    \
    X(31, NOT_FOUNDED, PERSON, "this hub serves no agency yet: found one first")                   \
    X(32, TOO_MANY, TIME, "too many attempts: wait a while and try again")                         \
    X(33, STATE, PEER, "a message that has no place at this point of the session")                 \
    X(34, BUSY, TIME, "the hub is busy: try again shortly")                                        \
    X(35, ENDED, PERSON, "this device was removed from the agency")                                \
    X(36, HELD, PERSON,                                                                            \
      "the hub holds this until a supervisor decides: this device had left before it arrived")     \
    X(37, HELD_FULL, PERSON,                                                                       \
      "the hub holds as much of this device as it may: a supervisor has to decide first")          \
    X(40, FULL, PERSON, "the disk is full: make room, nothing was lost")                           \
    X(41, IO, OPERATOR, "the disk reported an error: check it before going on")                    \
    X(42, DAMAGED, OPERATOR, "stored data is damaged: run verify")                                 \
    X(43, IN_USE, PERSON, "another program is using this store")                                   \
    X(44, NEWER_STORE, OPERATOR, "the store was written by a newer version: update this program")  \
    X(45, PERMISSION, PERSON, "permission denied")                                                 \
    X(46, NOT_FOUND, PERSON, "there is no such thing here")                                        \
    X(47, EXISTS, PERSON, "it already exists")                                                     \
    X(48, MEMORY, OPERATOR, "out of memory")                                                       \
    X(49, RETRY, TIME, "the map grew: run the transaction again")                                  \
    X(60, INPUT, PERSON, "that value does not fit this field")                                     \
    X(61, PASSPHRASE, PERSON, "wrong passphrase")                                                  \
    X(62, LOCKED, PERSON, "locked: unlock with the passphrase first")                              \
    X(63, AMBIGUOUS, PERSON, "more than one thing matches: give more characters")                  \
    X(64, UNREACHABLE, TIME, "the hub was not reached")                                            \
    X(65, LOST, TIME, "the connection was lost")                                                   \
    X(66, UNSETTLED, PERSON, "a person has to decide first")                                       \
    X(67, CODE, PERSON, "this is not a valid code: check that it was copied whole")                \
    X(68, ADDRESS, PERSON, "the address is not usable")                                            \
    X(69, PORT_TAKEN, OPERATOR, "the port is taken by another program")                            \
    X(70, SIGNED, PERSON, "it is signed and stays as it is")                                       \
    X(71, INCOMPLETE, PERSON, "something is still missing")                                        \
    X(72, NOT_HUB, TIME, "what answers at the hub's address is no hub")                            \
    X(73, CERTIFICATE, OPERATOR, "the certificate at the hub's address is not trusted")            \
    X(74, PRACTICE, PERSON, "this is for practice: nothing of it goes anywhere")

enum kith_err {
    /* Never a result: with a negative member the enum's type is int for every compiler, as public
       functions return it. */
    KITH_ERROR_NONE = -1,
#define KITH_ERROR_CODE(number, name, actor, sentence) KITH_##name = (number),
    KITH_ERRORS(KITH_ERROR_CODE)
#undef KITH_ERROR_CODE
};

/* The code's name in lower case, as logs and `--json` show it: "too_large". A number that is not
 * listed gives "unknown". */
const char *error_name(enum kith_err err);

/* The sentence a person reads. */
const char *error_text(enum kith_err err);

enum kith_actor error_actor(enum kith_err err);

/* Whether a number from the wire is on the list. */
bool error_is_known(unsigned number);

#endif
