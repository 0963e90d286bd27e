/* SPDX-License-Identifier: Apache-2.0 */
/* A hub or a home whose making was interrupted, by a power cut between two of its steps, is made to
 * its end by the same command; one that is there is never made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/home.h"
#include "client/vault.h"
#include "daemon/keys.h"
#include "protocol/seal.h"
#include "store/hub_rows.h"

#define PASSPHRASE "a passphrase that only tests use"

static char folder[64];
static struct ledger_keys keys;
static const uint8_t founding_psk[KEY_BYTES];

static int folder_make_one(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/kith-interrupted-XXXXXX");
    keys_make(&keys);
    return !mkdtemp(folder);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static int folder_remove(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static enum kith_err open_and_close(void)
{
    struct ledger *ledger;
    const struct ledger_options options = {.folder = folder, .keys = &keys};
    enum kith_err err = ledger_open(&ledger, &options);

    ledger_close(&ledger);
    return err;
}

/* As a first write of LMDB's looks of which no sector reached the disk. */
static void data_file_of_zeros(off_t len)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, len), 0);
    assert_int_equal(close(fd), 0);
}

static void a_hub_of_which_not_even_the_header_is_whole_is_made_to_its_end(void **state)
{
    off_t page = (off_t)sysconf(_SC_PAGESIZE);

    (void)state;
    for (off_t len = 0; len <= 2 * page; len += page) {
        data_file_of_zeros(len);
        assert_int_equal(open_and_close(), KITH_NOT_FOUND);
    }
    assert_int_equal(ledger_create(folder, &keys, founding_psk), KITH_OK);
    assert_int_equal(open_and_close(), KITH_OK);
}

static void a_longer_file_is_somebodys_and_damaged(void **state)
{
    (void)state;
    data_file_of_zeros(3 * (off_t)sysconf(_SC_PAGESIZE));
    assert_int_equal(open_and_close(), KITH_DAMAGED);
    assert_int_equal(ledger_create(folder, &keys, founding_psk), KITH_DAMAGED);
}

static struct store *hub_store(bool is_new)
{
    struct store *store;
    const struct store_options options = {
        .kind = STORE_HUB, .folder = folder, .key = keys.storage, .is_new = is_new};

    assert_int_equal(store_open(&store, &options), KITH_OK);
    return store;
}

static void a_hub_with_tables_and_nothing_in_them_is_made_to_its_end(void **state)
{
    struct store *store = hub_store(true);

    (void)state;
    store_close(&store);
    assert_int_equal(open_and_close(), KITH_NOT_FOUND);
    assert_int_equal(ledger_create(folder, &keys, founding_psk), KITH_OK);
    assert_int_equal(open_and_close(), KITH_OK);
}

static void a_hub_that_is_there_is_not_made_anew(void **state)
{
    (void)state;
    assert_int_equal(ledger_create(folder, &keys, founding_psk), KITH_OK);
    assert_int_equal(ledger_create(folder, &keys, founding_psk), KITH_EXISTS);
    assert_int_equal(open_and_close(), KITH_OK);
}

static void a_hub_that_lost_its_incarnation_is_damaged_and_not_made_anew(void **state)
{
    struct key incarnation = key_of_text("incarnation");

    (void)state;
    assert_int_equal(ledger_create(folder, &keys, founding_psk), KITH_OK);
    struct store *store = hub_store(false);
    struct store_txn txn = store_begin(store, STORE_WRITE);
    store_delete(&txn, TABLE_HUB_META, key_bytes(&incarnation));
    hub_roster_put(&txn, 1, bytes_text("an entry"));
    assert_int_equal(store_commit(&txn), KITH_OK);
    store_close(&store);
    assert_int_equal(open_and_close(), KITH_DAMAGED);
    assert_int_equal(ledger_create(folder, &keys, founding_psk), KITH_EXISTS);
}

static void a_home_with_a_vault_alone_is_made_to_its_end_with_its_passphrase(void **state)
{
    uint8_t key[KEY_BYTES];
    uint8_t same[KEY_BYTES];
    struct kith *kith;

    (void)state;
    assert_int_equal(vault_create(folder, PASSPHRASE, key), KITH_OK);
    assert_int_equal(kith_open_with_key(folder, key, &kith), KITH_NOT_FOUND);
    data_file_of_zeros(2 * (off_t)sysconf(_SC_PAGESIZE));
    assert_int_equal(kith_open_with_key(folder, key, &kith), KITH_NOT_FOUND);
    assert_int_equal(kith_create(folder, "another", &kith), KITH_EXISTS);
    assert_int_equal(kith_create(folder, PASSPHRASE, &kith), KITH_OK);
    kith_data_key(kith, same);
    assert_memory_equal(same, key, KEY_BYTES);
    kith_close(&kith);
    assert_int_equal(kith_create(folder, PASSPHRASE, &kith), KITH_EXISTS);
    assert_int_equal(kith_open_with_key(folder, key, &kith), KITH_OK);
    kith_close(&kith);
}

static struct identity identity_after_opening(const uint8_t key[static KEY_BYTES])
{
    struct kith *kith;

    assert_int_equal(kith_open_with_key(folder, key, &kith), KITH_OK);
    const struct identity identity = *replica_identity(kith->replica);
    kith_close(&kith);
    return identity;
}

static void store_make(const uint8_t key[static KEY_BYTES], const struct identity *identity)
{
    struct replica *replica;
    const struct replica_options options = {.folder = folder, .key = key, .is_new = true};

    assert_int_equal(replica_open(&replica, &options), KITH_OK);
    if (identity)
        assert_int_equal(replica_set_identity(replica, identity), KITH_OK);
    replica_close(&replica);
}

static void a_home_without_keys_gets_them_once(void **state)
{
    static const uint8_t none[SIGN_KEY_BYTES];
    const uint8_t key[KEY_BYTES] = {1};

    (void)state;
    store_make(key, NULL);
    const struct identity first = identity_after_opening(key);
    const struct identity second = identity_after_opening(key);
    assert_memory_not_equal(first.sign_secret, none, SIGN_KEY_BYTES);
    assert_memory_not_equal(first.noise.secret, none, KEY_BYTES);
    assert_memory_equal(second.sign_secret, first.sign_secret, SIGN_KEY_BYTES);
    assert_memory_equal(second.noise.secret, first.noise.secret, KEY_BYTES);
}

static void a_device_that_was_ended_gets_no_keys_again(void **state)
{
    static const uint8_t none[SIGN_KEY_BYTES];
    const uint8_t key[KEY_BYTES] = {1};
    const struct identity ended = {.device = 7};

    (void)state;
    store_make(key, &ended);
    const struct identity identity = identity_after_opening(key);
    assert_memory_equal(identity.sign_secret, none, SIGN_KEY_BYTES);
    assert_int_equal(identity.device, 7);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make_one, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_hub_with_tables_and_nothing_in_them_is_made_to_its_end),
        IN_A_FOLDER(a_hub_of_which_not_even_the_header_is_whole_is_made_to_its_end),
        IN_A_FOLDER(a_longer_file_is_somebodys_and_damaged),
        IN_A_FOLDER(a_hub_that_is_there_is_not_made_anew),
        IN_A_FOLDER(a_hub_that_lost_its_incarnation_is_damaged_and_not_made_anew),
        IN_A_FOLDER(a_home_with_a_vault_alone_is_made_to_its_end_with_its_passphrase),
        IN_A_FOLDER(a_home_without_keys_gets_them_once),
        IN_A_FOLDER(a_device_that_was_ended_gets_no_keys_again),
    };

    return seal_start() || cmocka_run_group_tests(tests, NULL, NULL);
}
