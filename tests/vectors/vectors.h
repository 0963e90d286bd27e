/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test vectors: for each layer of the protocol a file of cases that any client can be held to.
 *
 * A file is one JSON object, {"cases": [...]}, one case a line. Bytes are lower-case hexadecimal.
 * Numbers that may pass 2^53 are text. A case that must be refused has "refused", with this
 * program's reason (only that it is refused is normative). Randomness is seeded and time is handed
 * in: the same code writes the same bytes.
 */
#ifndef KITH_TESTS_VECTORS_VECTORS_H
#define KITH_TESTS_VECTORS_VECTORS_H

#include "client/cli/json.h"
#include "tests/unit/make.h"

struct vectors {
    FILE *out;
    bool has_case;
    struct json json; /* of the case that is open */
};

/* A case is one object, ended by vector_end. */
struct json *vector_begin(struct vectors *vectors, const char *name);
void vector_end(struct vectors *vectors);
/* A case whose verdict is `err`: nothing is added for KITH_OK, otherwise "refused". */
void vector_verdict(struct json *json, enum kith_err err);

void vector_hex(struct json *json, const char *name, struct bytes bytes);
void vector_key(struct json *json, const char *name, const uint8_t key[static KEY_BYTES]);
void vector_id(struct json *json, const char *name, const uint8_t id[static ID_BYTES]);
/* As text: it may pass 2^53. */
void vector_u64(struct json *json, const char *name, uint64_t number);

/* What follows from here on out of libsodium's randomness is the same in each run. */
void vectors_seed(uint64_t seed);

typedef void vectors_write(struct vectors *vectors);
vectors_write vectors_handshake;
vectors_write vectors_wire;
vectors_write vectors_pack;
vectors_write vectors_payload;
vectors_write vectors_change;
vectors_write vectors_tags;
vectors_write vectors_epoch;
vectors_write vectors_code;
vectors_write vectors_frames;
vectors_write vectors_roster;
vectors_write vectors_circle;
vectors_write vectors_merge;

#endif
