/* SPDX-License-Identifier: Apache-2.0 */
#include "client/duplicates.h"

#include <stdlib.h>
#include <string.h>

#include "client/schema.h"

static struct bytes field_value(const struct record *record, const char *name)
{
    const struct schema_field *field = schema_field(schema_type("participant"), name);
    bool is_unsettled;
    const struct live *live = merge_read(record_register(record, field->number, bytes_of(NULL, 0)),
                                         field->class, NULL, &is_unsettled);

    return live ? live->value : bytes_of(NULL, 0);
}

static struct bytes field_text(const struct record *record, const char *name)
{
    struct wire_in in = wire_open(field_value(record, name));

    return wire_peek(&in) == WIRE_TEXT ? wire_text(&in, VALUE_MAX) : bytes_of(NULL, 0);
}

static bool is_upper(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static bool is_in_number(uint8_t byte)
{
    return is_upper(byte) || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

/* Without the differences that typing makes: capitals and blanks, in a number all but letters and
 * digits. `out` has room for the text. */
static size_t fold(struct bytes text, bool is_number, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        bool is_again = byte == ' ' && (len == 0 || out[len - 1] == ' ');
        if (is_number ? is_in_number(byte) : !is_again)
            out[len++] = (char)(is_upper(byte) ? byte + ('a' - 'A') : byte);
    }
    return len > 0 && out[len - 1] == ' ' ? len - 1 : len;
}

static const char *make_key(struct duplicates *duplicates, struct bytes text, struct bytes also,
                            bool is_number)
{
    char *key = arena_take(duplicates->arena, text.len + also.len + 2);

    if (!key)
        return NULL;
    size_t len = fold(text, is_number, key);
    if (also.len > 0) {
        key[len++] = '\n';
        memcpy(key + len, also.ptr, also.len);
        len += also.len;
    }
    key[len] = '\0';
    return key;
}

static enum kith_err make_room(struct duplicates *duplicates)
{
    if (duplicates->count < duplicates->room)
        return KITH_OK;
    size_t room = duplicates->room ? duplicates->room * 2 : 32;
    struct identity_card *larger = realloc(duplicates->cards, room * sizeof *larger);
    if (!larger)
        return KITH_MEMORY;
    duplicates->cards = larger;
    duplicates->room = room;
    return KITH_OK;
}

enum kith_err duplicates_add(struct duplicates *duplicates, const struct found_record *participant)
{
    const struct record *record = &participant->record;
    struct bytes birth = field_text(record, "dob");
    struct wire_in in = wire_open(field_value(record, "duplicate_of"));
    enum kith_err err = make_room(duplicates);

    if (err)
        return err;
    struct identity_card *card = &duplicates->cards[duplicates->count++];
    memset(card, 0, sizeof *card);
    memcpy(card->circle, participant->circle, ID_BYTES);
    card->created_hlc = record->created_hlc;
    /* Many people have the same name. */
    card->name_and_birth =
        birth.len > 0 ? make_key(duplicates, field_text(record, "name"), birth, false) : "";
    card->medicaid_id =
        make_key(duplicates, field_text(record, "medicaid_id"), bytes_of(NULL, 0), true);
    struct bytes link = wire_peek(&in) == WIRE_BIN ? wire_bin(&in, ID_BYTES) : bytes_of(NULL, 0);
    if (link.len == ID_BYTES)
        memcpy(card->duplicate_of, link.ptr, ID_BYTES);
    return card->name_and_birth && card->medicaid_id ? KITH_OK : KITH_MEMORY;
}

static int compare_ages(const struct identity_card *left, const struct identity_card *right)
{
    if (left->created_hlc != right->created_hlc)
        return left->created_hlc < right->created_hlc ? -1 : 1;
    return memcmp(left->circle, right->circle, ID_BYTES);
}

static int compare_births(const void *a, const void *b)
{
    const struct identity_card *left = a;
    const struct identity_card *right = b;
    int order = strcmp(left->name_and_birth, right->name_and_birth);

    return order ? order : compare_ages(left, right);
}

static int compare_numbers(const void *a, const void *b)
{
    const struct identity_card *left = a;
    const struct identity_card *right = b;
    int order = strcmp(left->medicaid_id, right->medicaid_id);

    return order ? order : compare_ages(left, right);
}

static bool is_same(const char *left, const char *right)
{
    return *left && strcmp(left, right) == 0;
}

static bool is_linked(const struct identity_card *a, const struct identity_card *b)
{
    static const uint8_t none[ID_BYTES];

    return memcmp(a->duplicate_of, b->circle, ID_BYTES) == 0 ||
           memcmp(b->duplicate_of, a->circle, ID_BYTES) == 0 ||
           (memcmp(a->duplicate_of, none, ID_BYTES) != 0 &&
            memcmp(a->duplicate_of, b->duplicate_of, ID_BYTES) == 0);
}

void duplicates_each(struct duplicates *duplicates, duplicates_tell *tell, void *owner)
{
    struct identity_card *cards = duplicates->cards;

    if (duplicates->count < 2)
        return;
    qsort(cards, duplicates->count, sizeof *cards, compare_numbers);
    for (size_t i = 1; i < duplicates->count; i++)
        if (is_same(cards[i - 1].medicaid_id, cards[i].medicaid_id) &&
            !is_linked(&cards[i - 1], &cards[i]))
            tell(owner, &cards[i - 1], &cards[i]);
    qsort(cards, duplicates->count, sizeof *cards, compare_births);
    for (size_t i = 1; i < duplicates->count; i++)
        if (is_same(cards[i - 1].name_and_birth, cards[i].name_and_birth) &&
            !is_same(cards[i - 1].medicaid_id, cards[i].medicaid_id) &&
            !is_linked(&cards[i - 1], &cards[i]))
            tell(owner, &cards[i - 1], &cards[i]);
}

void duplicates_clear(struct duplicates *duplicates)
{
    free(duplicates->cards);
    *duplicates = (struct duplicates){0};
}
