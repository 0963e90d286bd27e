/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for words in all records: everything is decrypted and read, nothing is indexed, so there
 * is no index to leak. */
#include <stdlib.h>
#include <string.h>

#include "client/access.h"
#include "client/shower.h"
#include "client/visit.h"

#define SEARCH_WORDS_MAX 16

struct searcher {
    struct kith *kith;
    struct store_txn *txn;
    const struct schema_type *type;
    const char *const *words;
    size_t word_count;
    struct kith_list *list;
    size_t room;
    enum kith_err err;
};

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 'a' - 'A') : byte;
}

static bool begins_with(const uint8_t *at, const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(at[i]) != lower((uint8_t)word[i]))
            return false;
    return true;
}

static bool has_word(struct bytes text, const char *word)
{
    size_t len = strlen(word);

    for (size_t at = 0; at + len <= text.len; at++)
        if (begins_with(text.ptr + at, word, len))
            return true;
    return false;
}

static bool value_has_word(struct bytes value, const char *word)
{
    struct wire_in in = wire_open(value);

    return wire_peek(&in) == WIRE_TEXT && has_word(wire_text(&in, VALUE_MAX), word);
}

/* In any value that stands, or that stands beside others. An entry's text is in its address. */
static bool record_has_word(const struct record *record, const char *word)
{
    for (uint32_t i = 0; i < record->register_count; i++) {
        const struct merge_register *reg = &record->registers[i];
        struct wire_in entry = wire_open(reg->element);
        if (reg->field >= NOTE_FIELDS_END || reg->live_count == 0)
            continue;
        if (wire_peek(&entry) == WIRE_ARRAY) {
            wire_array_exact(&entry, 3);
            (void)wire_uint(&entry, DEVICE_MAX);
            (void)wire_uint(&entry, UINT64_MAX);
        }
        if (!entry.err && value_has_word(entry.left, word))
            return true;
        for (uint32_t k = 0; k < reg->live_count; k++)
            if (value_has_word(reg->live[k].value, word))
                return true;
    }
    return false;
}

static bool steps_have_word(const struct visit *visit, const char *word)
{
    for (uint32_t i = 0; i < visit->step_count; i++)
        if (has_word(visit->steps[i].text, word))
            return true;
    return false;
}

static bool visit_has_words(struct searcher *searcher, const struct found_record *found)
{
    struct visit visit;

    searcher->err =
        visit_read(searcher->txn, replica_roster(searcher->kith->replica), found, &visit);
    for (size_t i = 0; i < searcher->word_count && !searcher->err; i++) {
        const char *word = searcher->words[i];
        if (!record_has_word(&visit.facts, word) && !record_has_word(&visit.note, word) &&
            !steps_have_word(&visit, word))
            return false;
    }
    return !searcher->err;
}

static bool has_words(struct searcher *searcher, const struct found_record *found)
{
    if (searcher->type->record == RECORD_VISIT)
        return visit_has_words(searcher, found);
    for (size_t i = 0; i < searcher->word_count; i++)
        if (!record_has_word(&found->record, searcher->words[i]))
            return false;
    return true;
}

static bool search_visit(void *owner, const struct found_record *found)
{
    struct searcher *searcher = owner;

    if (has_words(searcher, found) && !searcher->err)
        searcher->err = record_list_add(searcher->kith, searcher->txn, searcher->type, found,
                                        searcher->list, &searcher->room);
    return !searcher->err;
}

int kith_search(struct kith *kith, const char *const *words, size_t count, struct kith_list **list)
{
    struct searcher searcher = {.kith = kith, .words = words, .word_count = count};
    enum kith_err err = KITH_OK;

    *list = NULL;
    kith->detail[0] = '\0';
    if (count == 0 || count > SEARCH_WORDS_MAX)
        return home_fail(kith, KITH_INPUT, "give 1 to %d words", SEARCH_WORDS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!*words[i] || !wire_is_utf8(bytes_text(words[i])))
            return home_fail(kith, KITH_INPUT, "a word must be text in UTF-8");
    err = home_read_names(kith);
    if (err)
        return err;
    searcher.list = calloc(1, sizeof *searcher.list);
    *list = searcher.list;
    if (!*list)
        return KITH_MEMORY;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    searcher.txn = &txn;
    for (size_t i = 0; i < schema_type_count && !err; i++) {
        searcher.type = &schema_types[i];
        err = replica_each(&txn, searcher.type->record, NULL, search_visit, &searcher);
        err = err ? err : searcher.err;
    }
    store_abort(&txn);
    if (err)
        kith_list_free(list);
    else
        access_listed(kith, NULL, (*list)->count);
    return err;
}
