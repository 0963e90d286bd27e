/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/error.h"

/* The one thing the list cannot make: the preprocessor does not lower a letter. -Wswitch-enum keeps
 * it complete. */
/* NOLINTNEXTLINE(readability-function-size): it is a list */
const char *error_name(enum kith_err err)
{
    switch (err) {
    case KITH_ERROR_NONE:
        break;
    case KITH_OK:
        return "ok";
    case KITH_CUT:
        return "cut";
    case KITH_MALFORMED:
        return "malformed";
    case KITH_TOO_LARGE:
        return "too_large";
    case KITH_UNKNOWN_TYPE:
        return "unknown_type";
    case KITH_VERSION:
        return "version";
    case KITH_HANDSHAKE:
        return "handshake";
    case KITH_DECRYPT:
        return "decrypt";
    case KITH_SIGNATURE:
        return "signature";
    case KITH_COMMITMENT:
        return "commitment";
    case KITH_NO_KEY:
        return "no_key";
    case KITH_GAP:
        return "gap";
    case KITH_FORKED:
        return "forked";
    case KITH_STALE:
        return "stale";
    case KITH_NOT_MEMBER:
        return "not_member";
    case KITH_NOT_ALLOWED:
        return "not_allowed";
    case KITH_UNKNOWN_CIRCLE:
        return "unknown_circle";
    case KITH_UNKNOWN_DEVICE:
        return "unknown_device";
    case KITH_EXPIRED:
        return "expired";
    case KITH_FOREIGN:
        return "foreign";
    case KITH_EPOCH:
        return "epoch";
    case KITH_FOUNDED:
        return "founded";
    case KITH_NOT_FOUNDED:
        return "not_founded";
    case KITH_TOO_MANY:
        return "too_many";
    case KITH_STATE:
        return "state";
    case KITH_BUSY:
        return "busy";
    case KITH_ENDED:
        return "ended";
    case KITH_HELD:
        return "held";
    case KITH_HELD_FULL:
        return "held_full";
    case KITH_FULL:
        return "full";
    case KITH_IO:
        return "io";
    case KITH_DAMAGED:
        return "damaged";
    case KITH_IN_USE:
        return "in_use";
    case KITH_NEWER_STORE:
        return "newer_store";
    case KITH_PERMISSION:
        return "permission";
    case KITH_NOT_FOUND:
        return "not_found";
    case KITH_EXISTS:
        return "exists";
    case KITH_MEMORY:
        return "memory";
    case KITH_RETRY:
        return "retry";
    case KITH_INPUT:
        return "input";
    case KITH_PASSPHRASE:
        return "passphrase";
    case KITH_LOCKED:
        return "locked";
    case KITH_AMBIGUOUS:
        return "ambiguous";
    case KITH_UNREACHABLE:
        return "unreachable";
    case KITH_LOST:
        return "lost";
    case KITH_UNSETTLED:
        return "unsettled";
    case KITH_CODE:
        return "code";
    case KITH_ADDRESS:
        return "address";
    case KITH_PORT_TAKEN:
        return "port_taken";
    case KITH_SIGNED:
        return "signed";
    case KITH_INCOMPLETE:
        return "incomplete";
    case KITH_NOT_HUB:
        return "not_hub";
    case KITH_CERTIFICATE:
        return "certificate";
    case KITH_PRACTICE:
        return "practice";
    }
    return "unknown";
}

const char *error_text(enum kith_err err)
{
    switch (err) {
    case KITH_ERROR_NONE:
        break;
#define KITH_ERROR_TEXT(number, name, actor, sentence)                                             \
    case KITH_##name:                                                                              \
        return sentence;
        KITH_ERRORS(KITH_ERROR_TEXT)
#undef KITH_ERROR_TEXT
    }
    return "an error that this version does not know";
}

enum kith_actor error_actor(enum kith_err err)
{
    switch (err) {
    case KITH_ERROR_NONE:
        break;
#define KITH_ERROR_ACTOR(number, name, actor, sentence)                                            \
    case KITH_##name:                                                                              \
        return KITH_##actor;
        KITH_ERRORS(KITH_ERROR_ACTOR)
#undef KITH_ERROR_ACTOR
    }
    return KITH_PROGRAM;
}

bool error_is_known(unsigned number)
{
    static const unsigned known[] = {
#define KITH_ERROR_NUMBER(number, name, actor, sentence) (number),
        KITH_ERRORS(KITH_ERROR_NUMBER)
#undef KITH_ERROR_NUMBER
    };

    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i] == number) {
            return true;
        }
    }
    return false;
}
