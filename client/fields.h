/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a merged record says in a field, for parts that derive something from it. Fields are named
 * as in the schema: a name that is not there is a mistake of the caller.
 */
#ifndef KITH_CLIENT_FIELDS_H
#define KITH_CLIENT_FIELDS_H

#include "client/schema.h"

/* The text of an encoded value; empty if it is none. */
struct bytes value_text(struct bytes value);
/* The field's text as it reads, by its class; empty if it says nothing. */
struct bytes field_text(const struct schema_type *type, const struct record *record,
                        const char *name);
/* Whether any value that stands says yes. */
bool field_flag(const struct schema_type *type, const struct record *record, const char *name);
/* A worker's number; 0 for nobody. */
uint32_t field_person(const struct schema_type *type, const struct record *record,
                      const char *name);
/* A whole number; 0 if there is none. */
uint64_t field_number(const struct schema_type *type, const struct record *record,
                      const char *name);
/* The elements of a set, as they are encoded, in an array of the arena. */
const struct bytes *field_set(const struct schema_type *type, const struct record *record,
                              const char *name, struct arena *arena, uint32_t *count);
/* The first field of class exact that waits for a decision; NULL if none does. */
const char *fields_unsettled(const struct schema_type *type, const struct record *record);

#endif
