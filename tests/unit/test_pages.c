/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of a data file: every state that LMDB commits is sound, and damage is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "make.h"
#include "store/pages.h"
#include "store/txn.h"

#define VALUE_BYTES_MAX 20000
#define KEYS            4000

static char folder[64];
static uint8_t value[VALUE_BYTES_MAX];

static struct store *store_made(void)
{
    static const uint8_t key[KEY_BYTES] = {5};
    const struct store_options options = {
        .kind = STORE_HUB, .folder = folder, .key = key, .is_new = true, .is_volatile = true};
    struct store *store;

    (void)snprintf(folder, sizeof folder, "/tmp/kith-test-pages-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(store_open(&store, &options), KITH_OK);
    return store;
}

static void folder_remove(void)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[96];

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* Some rows come, some grow, some go: small and large, in two tables. */
static void change_rows(struct store *store, struct dice *dice, unsigned count)
{
    static const enum store_table tables[] = {TABLE_HUB_LOG, TABLE_HUB_CHAIN_LOG};
    struct store_txn txn = store_begin(store, STORE_WRITE);

    for (unsigned i = 0; i < count; i++) {
        struct key key = key_of_u64(dice_below(dice, KEYS));
        enum store_table table = tables[dice_below(dice, 2)];
        size_t len = dice_below(dice, 20) ? dice_below(dice, 300) : dice_below(dice, sizeof value);
        if (dice_below(dice, 3))
            store_put(&txn, table, key_bytes(&key), bytes_of(value, len));
        else
            store_delete(&txn, table, key_bytes(&key));
    }
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static enum kith_err check(struct store *store, struct pages *pages)
{
    struct store_txn txn = store_begin(store, STORE_READ);
    enum kith_err err = store_check_pages(&txn, pages);

    assert_int_equal(store_commit(&txn), KITH_OK);
    return err;
}

static void every_commit_leaves_sound_pages(void **state)
{
    struct store *store = store_made();
    struct dice dice = {.state = 1};
    struct pages pages;

    (void)state;
    assert_int_equal(check(store, &pages), KITH_OK);
    for (unsigned i = 0; i < 400; i++) {
        change_rows(store, &dice, 1 + dice_below(&dice, i % 7 ? 20 : 600));
        enum kith_err err = check(store, &pages);
        if (err)
            print_message("commit %u: page %llu\n", i, (unsigned long long)pages.fault);
        assert_int_equal(err, KITH_OK);
    }
    assert_true(pages.checked > 500);
    store_close(&store);
    folder_remove();
}

static void a_snapshot_is_checked_while_others_write(void **state)
{
    struct store *store = store_made();
    struct dice dice = {.state = 2};
    struct pages pages;

    (void)state;
    change_rows(store, &dice, 3000);
    struct store_txn txn = store_begin(store, STORE_READ);
    change_rows(store, &dice, 300);
    assert_int_equal(store_check_pages(&txn, &pages), KITH_OK);
    change_rows(store, &dice, 300);
    assert_int_equal(store_check_pages(&txn, &pages), KITH_RETRY);
    assert_int_equal(store_commit(&txn), KITH_OK);
    store_close(&store);
    folder_remove();
}

/* The whole file, and the transaction that LMDB takes for the newest. */
static uint8_t *file_read(size_t *len)
{
    char path[96];
    struct stat info;

    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    FILE *file = fopen(path, "rbe");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &info), 0);
    *len = (size_t)info.st_size;
    uint8_t *bytes = malloc(*len);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

#define PAGE         4096u
#define TXNID_OFFSET (16 + 24 + 96 + 8)
#define LAST_OFFSET  (16 + 24 + 96)
#define ROOT_OFFSET  (16 + 24 + 48 + 40)

static uint64_t number_at(const uint8_t *from)
{
    uint64_t number;

    memcpy(&number, from, sizeof number);
    return number;
}

static uint64_t newest(const uint8_t *file)
{
    uint64_t first = number_at(file + TXNID_OFFSET);
    uint64_t second = number_at(file + PAGE + TXNID_OFFSET);

    return first > second ? first : second;
}

static enum kith_err check_bytes(const uint8_t *file, size_t len)
{
    struct pages pages;

    return pages_check_bytes(bytes_of(file, len), newest(file), &pages);
}

static uint8_t *sound_file(size_t *len, unsigned commits)
{
    struct store *store = store_made();
    struct dice dice = {.state = 3};

    for (unsigned i = 0; i < commits; i++)
        change_rows(store, &dice, 400);
    store_close(&store);
    uint8_t *file = file_read(len);
    folder_remove();
    assert_int_equal(check_bytes(file, *len), KITH_OK);
    return file;
}

/* LMDB takes the head with the greater number: an altered one would show an older state as whole
 * and sound. */
static void an_altered_head_never_takes_back_a_commit(void **state)
{
    size_t len;

    (void)state;
    for (unsigned commits = 4; commits < 12; commits++) {
        uint8_t *file = sound_file(&len, commits);
        for (unsigned bit = 0; bit < 2 * 64; bit++) {
            size_t at = (bit < 64 ? 0 : PAGE) + TXNID_OFFSET + bit % 64 / 8;
            file[at] ^= (uint8_t)(1u << (bit % 8));
            assert_int_not_equal(check_bytes(file, len), KITH_OK);
            file[at] ^= (uint8_t)(1u << (bit % 8));
        }
        free(file);
    }
}

static void damaged_numbers_of_pages_are_found(void **state)
{
    size_t len;
    uint8_t *file = sound_file(&len, 9);
    size_t head = number_at(file + TXNID_OFFSET) == newest(file) ? 0 : PAGE;

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        const size_t places[] = {head + ROOT_OFFSET, head + ROOT_OFFSET - 48, head + LAST_OFFSET};
        for (size_t i = 0; i < COUNT_OF(places); i++) {
            file[places[i] + bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_int_equal(check_bytes(file, len), KITH_DAMAGED);
            file[places[i] + bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
    }
    free(file);
}

/* Whatever the bytes are: an answer, within them. Run under AddressSanitizer by `make sanitize`. */
static void damage_of_any_kind_is_survived(void **state)
{
    struct dice dice = {.state = 4};
    size_t len;
    uint8_t *file = sound_file(&len, 6);
    uint8_t *copy = malloc(len);
    unsigned found = 0;

    (void)state;
    assert_non_null(copy);
    for (unsigned i = 0; i < 2000; i++) {
        size_t kept = i % 5 ? len : (size_t)(dice_roll(&dice) % len);
        memcpy(copy, file, len);
        for (unsigned damage = dice_below(&dice, 4) + 1; damage > 0; damage--) {
            size_t at = (size_t)(dice_roll(&dice) % len) & ~(size_t)(i % 2 ? PAGE - 1 : 0);
            copy[at + dice_below(&dice, 60) % (len - at)] = (uint8_t)dice_roll(&dice);
        }
        found += check_bytes(copy, kept) != KITH_OK;
    }
    assert_in_range(found, 700, 2000); /* the rest lay in free pages and within values */
    free(copy);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_commit_leaves_sound_pages),
        cmocka_unit_test(a_snapshot_is_checked_while_others_write),
        cmocka_unit_test(an_altered_head_never_takes_back_a_commit),
        cmocka_unit_test(damaged_numbers_of_pages_are_found),
        cmocka_unit_test(damage_of_any_kind_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
