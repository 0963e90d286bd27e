/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks on bytes: on what is encrypted, signed, compressed, stored and recorded. Numbers are
 * those of docs/security.md, "Attacks". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "client/vault.h"
#include "liar.h"
#include "protocol/compress.h"

static void fixed_header(struct change_header *header)
{
    *header = (struct change_header){.class = CHANGE_NORMAL, .epoch = 3, .device = 7, .n = 12};
    memset(header->agency, 1, ID_BYTES);
    memset(header->circle, 2, ID_BYTES);
    memset(header->prev, 3, HASH_BYTES);
}

static void seal_text(const struct change_header *header, const uint8_t key[static KEY_BYTES],
                      struct bytes text, struct buffer *sealed)
{
    uint8_t seed[KEY_BYTES] = {9};
    uint8_t public[KEY_BYTES];
    uint8_t secret[SIGN_KEY_BYTES];
    uint8_t id[HASH_BYTES];
    uint8_t signature[SIGNATURE_BYTES];

    seal_sign_keypair(seed, public, secret);
    buffer_reset(sealed);
    assert_int_equal(change_seal(header, key, secret, text, sealed, id, signature), KITH_OK);
}

static void a07_the_same_text_never_gives_the_same_bytes(void **state)
{
    enum { TIMES = 64 };
    static struct buffer sealed[TIMES];
    struct change_header header;
    uint8_t key[KEY_BYTES] = {5};

    (void)state;
    fixed_header(&header);
    for (size_t i = 0; i < TIMES; i++) {
        buffer_init(&sealed[i], CHANGE_SEALED_MAX);
        seal_text(&header, key, bytes_text("the same"), &sealed[i]);
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(sealed[i].ptr, sealed[k].ptr, NONCE_BYTES);
            assert_memory_not_equal(sealed[i].ptr + NONCE_BYTES, sealed[k].ptr + NONCE_BYTES,
                                    PADDED_MIN);
        }
    }
    for (size_t i = 0; i < TIMES; i++)
        buffer_clear(&sealed[i]);
}

/* Everything that says where a text belongs. */
static void move_elsewhere(struct change_header *header, size_t how)
{
    switch (how) {
    case 0:
        header->agency[0] ^= 1;
        return;
    case 1:
        header->circle[0] ^= 1;
        return;
    case 2:
        header->device++;
        return;
    case 3:
        header->n++;
        return;
    case 4:
        header->prev[0] ^= 1;
        return;
    case 5:
        header->epoch--;
        return;
    default:
        header->class = CHANGE_URGENT;
        return;
    }
}

static void a12_a_text_moved_anywhere_else_does_not_open(void **state)
{
    enum { PLACES = 7 };
    struct change_header header;
    struct change_header other;
    uint8_t key[KEY_BYTES] = {5};
    struct buffer sealed;
    struct buffer text;

    (void)state;
    buffer_init(&sealed, CHANGE_SEALED_MAX);
    buffer_init(&text, CHANGE_TEXT_MAX);
    fixed_header(&header);
    for (size_t from = 0; from < PLACES; from++) {
        for (size_t to = 0; to < PLACES; to++) {
            struct change_header here = header;
            move_elsewhere(&here, from);
            other = header;
            move_elsewhere(&other, to);
            seal_text(&here, key, bytes_text("stays here"), &sealed);
            buffer_reset(&text);
            assert_int_equal(change_open(&other, buffer_view(&sealed), key, &text),
                             from == to ? KITH_OK : KITH_DECRYPT);
        }
    }
    buffer_clear(&text);
    buffer_clear(&sealed);
}

#define NONCES 20000

static int compare_nonces(const void *a, const void *b)
{
    return memcmp(a, b, NONCE_BYTES);
}

/* How often each bit is set: within five standard deviations of the half. */
static void assert_even(const uint8_t (*nonces)[NONCE_BYTES])
{
    for (size_t bit = 0; bit < NONCE_BYTES * 8; bit++) {
        double ones = 0;
        for (size_t i = 0; i < NONCES; i++)
            ones += nonces[i][bit / 8] >> (bit % 8) & 1;
        assert_true(fabs(ones - NONCES / 2.0) < 5 * sqrt(NONCES) / 2);
    }
}

static void a13_nonces_are_random_and_not_counted(void **state)
{
    uint8_t(*nonces)[NONCE_BYTES] = calloc(NONCES, sizeof *nonces);
    uint8_t key[KEY_BYTES] = {5};
    struct buffer sealed;

    (void)state;
    assert_non_null(nonces);
    buffer_init(&sealed, 256);
    for (size_t i = 0; i < NONCES; i++) {
        buffer_reset(&sealed);
        seal_encrypt(key, bytes_text("x"), bytes_text("y"), &sealed);
        memcpy(nonces[i], sealed.ptr, NONCE_BYTES);
    }
    assert_even((const uint8_t(*)[NONCE_BYTES])nonces);
    qsort(nonces, NONCES, sizeof *nonces, compare_nonces);
    for (size_t i = 1; i < NONCES; i++)
        assert_memory_not_equal(nonces[i - 1], nonces[i], NONCE_BYTES);
    buffer_clear(&sealed);
    free(nonces);
}

/* What a device pushed: the sealed texts, one after another. */
struct heard {
    struct buffer sealed[16];
    size_t count;
};

static void hear_changes(void *owner, struct bytes frames)
{
    struct heard *heard = owner;
    struct liar_change changes[16];
    size_t count = liar_changes(frames, changes, 16);

    for (size_t i = 0; i < count && heard->count < 16; i++) {
        struct buffer *into = &heard->sealed[heard->count++];
        buffer_init(into, CHANGE_SEALED_MAX);
        buffer_add(into, changes[i].change.sealed.ptr, changes[i].change.sealed.len);
    }
}

static void heard_clear(struct heard *heard)
{
    for (size_t i = 0; i < heard->count; i++)
        buffer_clear(&heard->sealed[i]);
    heard->count = 0;
}

/* A laptop that was restored from an image writes the same number again, under the same key. */
static void a13_a_restored_laptop_repeats_a_number_and_no_nonce(void **state)
{
    struct office *office = *state;
    struct test_device restored;
    struct heard heard = {.count = 0};
    struct alarm alarm;
    const struct link_faults hear = {.hear = hear_changes, .owner = &heard};

    test_device_copy(&restored, &office->ana);
    struct dot first = office_write(office, &office->ana, "the same words");
    struct dot again = office_write(office, &restored, "the same words");
    assert_int_equal(first.n, again.n);
    assert_int_equal(office_sync(office, &office->ana, &hear).device_err, KITH_OK);
    assert_int_equal(office_sync(office, &restored, &hear).device_err, KITH_OK);
    assert_true(device_alarm(&restored, ALARM_COPIED, 0, &alarm));
    assert_int_equal(alarm.n, first.n);
    assert_int_equal(heard.count, 2);
    assert_memory_not_equal(heard.sealed[0].ptr, heard.sealed[1].ptr, NONCE_BYTES);
    heard_clear(&heard);
    test_device_close(&restored);
}

static void a20_every_purpose_has_its_own_tag_and_every_device_three_keys(void **state)
{
    uint8_t seed[KEY_BYTES] = {9};
    uint8_t public[KEY_BYTES];
    uint8_t secret[SIGN_KEY_BYTES];
    uint8_t hash[HASH_BYTES] = {4};
    uint8_t signature[SIGNATURE_BYTES];
    struct identity identity;
    struct device_public keys;

    (void)state;
    seal_sign_keypair(seed, public, secret);
    for (enum seal_tag made = 0; made < SEAL_TAG_COUNT; made++) {
        seal_sign(made, secret, hash, signature);
        for (enum seal_tag read = 0; read < SEAL_TAG_COUNT; read++)
            assert_int_equal(seal_verify(read, public, hash, signature),
                             made == read ? KITH_OK : KITH_SIGNATURE);
    }
    identity_make(&identity);
    identity_public(&identity, &keys);
    assert_memory_not_equal(identity.sign_secret, identity.noise.secret, KEY_BYTES);
    assert_memory_not_equal(identity.sign_secret, identity.box_secret, KEY_BYTES);
    assert_memory_not_equal(identity.noise.secret, identity.box_secret, KEY_BYTES);
    assert_memory_not_equal(keys.noise, keys.box, KEY_BYTES);
}

/* How large Ana's note is when Rosa wrote `foreign` into the same field before. */
static size_t size_beside(struct office *office, const char *foreign)
{
    struct heard heard = {.count = 0};
    const struct link_faults hear = {.hear = hear_changes, .owner = &heard};

    (void)office_write(office, &office->rosa, foreign);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    (void)office_write(office, &office->ana,
                       "HIV test positive, told her sister; HIV test positive, told her sister");
    assert_int_equal(office_sync(office, &office->ana, &hear).device_err, KITH_OK);
    assert_int_equal(heard.count, 1);
    size_t size = heard.sealed[0].len;
    heard_clear(&heard);
    return size;
}

/* Nobody's text is compressed together with anybody else's, and a key with nothing. */
static void a22_a_foreign_text_does_not_change_a_stored_size(void **state)
{
    struct office *office = *state;
    struct epoch_place place = {.epoch = 1, .device = 2};
    uint8_t zeros[KEY_BYTES] = {0};
    uint8_t box[BOX_BYTES];
    struct device_public keys;
    const size_t unrelated = size_beside(office, "Walked the dog and fed the cat, then home again");

    assert_int_equal(size_beside(office, "HIV test positive, told her sister"), unrelated);
    assert_int_equal(size_beside(office, "HIV test negative, told her sister"), unrelated);
    /* A key that would compress to nothing takes what any other takes. */
    identity_public(replica_identity(office->rosa.replica), &keys);
    memset(box, 0xa5, sizeof box);
    assert_int_equal(box_seal(&place, keys.box, zeros, box), KITH_OK);
    assert_int_equal(
        box_open(&place, replica_identity(office->rosa.replica)->box_secret, box, zeros), KITH_OK);
}

static void a23_lengths_fall_into_few_sizes(void **state)
{
    struct change_header header;
    uint8_t key[KEY_BYTES] = {5};
    uint8_t text[4000];
    uint32_t lengths_of[8192] = {0};
    struct buffer sealed;
    uint32_t sizes = 0;
    uint32_t shared = UINT32_MAX;

    (void)state;
    buffer_init(&sealed, CHANGE_SEALED_MAX);
    fixed_header(&header);
    randombytes_buf(text, sizeof text);
    for (size_t len = 0; len < sizeof text; len++) {
        seal_text(&header, key, bytes_of(text, len), &sealed);
        assert_in_range(sealed.len, PADDED_MIN, sizeof lengths_of / sizeof *lengths_of - 1);
        lengths_of[sealed.len]++;
    }
    for (size_t size = 0; size < COUNT_OF(lengths_of); size++) {
        sizes += lengths_of[size] > 0;
        if (lengths_of[size] && lengths_of[size] < shared)
            shared = lengths_of[size];
    }
    print_message("4000 lengths, %u sizes, each shared by %u or more\n", sizes, shared);
    assert_in_range(sizes, 2, 11);
    assert_in_range(shared, 50, 4000);
    buffer_clear(&sealed);
}

/* One sealed text that opens under the keys of two epochs: Poly1305 does not commit to a key, and
 * whoever chooses both can make one. What an epoch's key must be stands in the access chain. */
static void a24_of_two_keys_for_one_text_only_the_published_one_is_taken(void **state)
{
    static const uint8_t sealed[] = {
        0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
        0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x4e, 0x07, 0x40, 0x85, 0x62, 0xbe,
        0xdb, 0x8b, 0x60, 0xce, 0x05, 0xc1, 0xde, 0xcf, 0xe3, 0xad, 0x07, 0x4d, 0xb8, 0xf0, 0xd3,
        0xc4, 0x3f, 0x3e, 0x39, 0xde, 0xdc, 0x10, 0xe3, 0xb7, 0x9b, 0xd0, 0x33, 0xd2, 0x16, 0x6e,
        0xe3, 0x23, 0xba, 0x9f, 0x3c, 0xd0, 0xa4, 0x81, 0x66, 0xda, 0x18, 0x65};
    uint8_t epoch_keys[2][KEY_BYTES];
    uint8_t commitments[2][HASH_BYTES];
    uint8_t circle[ID_BYTES];
    struct buffer texts[2];

    (void)state;
    for (uint8_t i = 0; i < ID_BYTES; i++)
        circle[i] = i;
    for (size_t k = 0; k < 2; k++) {
        uint8_t key[KEY_BYTES];
        for (uint8_t i = 0; i < KEY_BYTES; i++)
            epoch_keys[k][i] = (uint8_t)((k ? 101 : 1) + i);
        buffer_init(&texts[k], 256);
        seal_derive(SEAL_CHANGE_KEY, epoch_keys[k], bytes_of(circle, ID_BYTES), key);
        assert_int_equal(
            seal_decrypt(key, bytes_text("two keys"), bytes_of(sealed, sizeof sealed), &texts[k]),
            KITH_OK);
        epoch_commit(epoch_keys[k], 1, commitments[k]);
    }
    assert_memory_not_equal(texts[0].ptr, texts[1].ptr, texts[0].len);
    assert_memory_not_equal(commitments[0], commitments[1], HASH_BYTES);
    buffer_clear(&texts[0]);
    buffer_clear(&texts[1]);
}

#define VAULT_FILE_MAX 512
#define VAULT_MEMORY   12 /* where the vault file has its cost, in KiB, and its passes */
#define VAULT_PASSES   16
#define VAULT_COMMIT   36

static size_t vault_read(const char *home, uint8_t file[static VAULT_FILE_MAX])
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/vault", home);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t len = fread(file, 1, VAULT_FILE_MAX, in);
    assert_int_equal(fclose(in), 0);
    return len;
}

/* Whoever stole the disk can compute the checksum, too. */
static void vault_write(const char *home, uint8_t *file, size_t len)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/vault", home);
    (void)crypto_generichash(file + len - HASH_BYTES, HASH_BYTES, file, len - HASH_BYTES, NULL, 0);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(file, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static void a25_a_vault_that_is_cheap_to_guess_is_not_opened(void **state)
{
    char home[] = "/tmp/kith-attack-XXXXXX";
    char path[128];
    uint8_t key[KEY_BYTES];
    uint8_t file[VAULT_FILE_MAX];
    uint8_t cheap[VAULT_FILE_MAX];

    (void)state;
    assert_non_null(mkdtemp(home));
    assert_int_equal(vault_create(home, "correct horse battery staple", key), KITH_OK);
    size_t len = vault_read(home, file);
    assert_in_range(get_u32(file + VAULT_MEMORY), 64 * 1024, 256 * 1024);
    assert_in_range(get_u32(file + VAULT_PASSES), 3, 256);
    memcpy(cheap, file, sizeof file);
    put_u32(cheap + VAULT_MEMORY, 8 * 1024);
    vault_write(home, cheap, len);
    assert_int_equal(vault_open(home, "correct horse battery staple", key), KITH_DAMAGED);
    memcpy(cheap, file, sizeof file);
    put_u32(cheap + VAULT_PASSES, 1);
    vault_write(home, cheap, len);
    assert_int_equal(vault_open(home, "correct horse battery staple", key), KITH_DAMAGED);
    /* The commitment comes before the key: a file for two passphrases opens with neither. */
    memcpy(cheap, file, sizeof file);
    cheap[VAULT_COMMIT] ^= 1;
    vault_write(home, cheap, len);
    assert_int_equal(vault_open(home, "correct horse battery staple", key), KITH_PASSPHRASE);
    (void)snprintf(path, sizeof path, "%s/vault", home);
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(home), 0);
}

/* Everything a hub ever gets to see of a device: decrypted frames and raw bytes. */
static void hear_all(void *owner, struct bytes frames)
{
    buffer_add(owner, frames.ptr, frames.len);
}

static void tap(void *owner, struct bytes *wire, bool is_from_device)
{
    if (is_from_device)
        buffer_add(owner, wire->ptr, wire->len);
}

static void assert_absent(const struct buffer *from, const void *secret, size_t len)
{
    assert_null(memmem(from->ptr, from->len, secret, len));
}

static void assert_no_secrets(struct office *office, const struct buffer *seen)
{
    const struct identity *identity = replica_identity(office->ana.replica);
    uint8_t key[KEY_BYTES];

    assert_true(device_epoch_key(&office->ana, office->chart, 1, key));
    assert_absent(seen, key, KEY_BYTES);
    assert_absent(seen, office->ana.key, KEY_BYTES);
    assert_absent(seen, identity->sign_secret, KEY_BYTES);
    assert_absent(seen, identity->noise.secret, KEY_BYTES);
    assert_absent(seen, identity->box_secret, KEY_BYTES);
    assert_absent(seen, "We walked to the clinic", 23);
    assert_absent(seen, "Maria Lopez", 11);
}

static void a26_no_secret_and_no_text_is_ever_sent(void **state)
{
    struct office *office = *state;
    struct buffer seen;
    const struct link_faults ears = {.hear = hear_all, .alter = tap, .owner = &seen};
    uint8_t chart[ID_BYTES];
    struct roster_request invite = {
        .is_wanted = true, .sign_secret = replica_identity(office->ana.replica)->sign_secret};
    struct identity tablet;

    buffer_init(&seen, 1 << 20);
    (void)office_write(office, &office->ana, "We walked to the clinic");
    link_chart(&office->ana, "Maria Lopez", chart);
    /* With an invitation for a further device of her own. */
    identity_make(&tablet);
    invite.entry = (struct roster_entry){.type = ROSTER_INVITE,
                                         .author = ANA_DEVICE,
                                         .person = 3,
                                         .roles = ROLE_SPECIALIST,
                                         .supervisor = 2,
                                         .expires_s = LINK_NOW_MS / 1000 + 3600};
    identity_public(&tablet, &invite.entry.keys);
    assert_int_equal(
        link_connect(&office->hub, &office->ana, CHANNEL_SYNC, NULL, &invite, &ears).device_err,
        KITH_OK);
    assert_true(invite.is_done);
    assert_int_equal(office_sync(office, &office->ana, &ears).device_err, KITH_OK);
    assert_non_null(memmem(seen.ptr, seen.len, chart, ID_BYTES)); /* the ears do hear */
    assert_no_secrets(office, &seen);
    assert_absent(&seen, tablet.sign_secret, KEY_BYTES);
    buffer_clear(&seen);
}

static void read_disk(const char *folder, struct buffer *disk)
{
    char path[128];
    uint8_t bytes[65536];

    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    buffer_reset(disk);
    for (size_t len = fread(bytes, 1, sizeof bytes, in); len > 0;
         len = fread(bytes, 1, sizeof bytes, in))
        buffer_add(disk, bytes, len);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(disk->err, KITH_OK);
}

/* What docs/security.md says of stolen disks. */
static void a27_a_stolen_disk_shows_no_text_no_key_and_no_id(void **state)
{
    struct office *office = *state;
    struct heard heard = {.count = 0};
    const struct link_faults hear = {.hear = hear_changes, .owner = &heard};
    struct buffer disk;

    buffer_init(&disk, SIZE_MAX);
    (void)office_write(office, &office->ana, "We walked to the clinic");
    assert_int_equal(office_sync(office, &office->ana, &hear).device_err, KITH_OK);
    const uint8_t *agency = replica_roster(office->ana.replica)->agency;
    read_disk(office->ana.folder, &disk);
    assert_no_secrets(office, &disk);
    assert_absent(&disk, office->chart, ID_BYTES);
    assert_absent(&disk, agency, ID_BYTES);
    assert_absent(&disk, heard.sealed[0].ptr, 48);
    read_disk(office->hub.folder, &disk);
    assert_no_secrets(office, &disk);
    assert_absent(&disk, office->chart, ID_BYTES);
    assert_absent(&disk, agency, ID_BYTES);
    assert_absent(&disk, heard.sealed[0].ptr, 48);
    assert_absent(&disk, office->hub.keys.sign_secret, KEY_BYTES);
    heard_clear(&heard);
    buffer_clear(&disk);
}

static void a34_a_recorded_first_flight_changes_nothing(void **state)
{
    struct office *office = *state;
    struct buffer recorded;
    struct ledger_stats before;
    struct ledger_stats after;
    const struct link_faults ears = {.alter = tap, .owner = &recorded};
    uint8_t head[HASH_BYTES];

    buffer_init(&recorded, 1 << 20);
    (void)office_write(office, &office->ana, "We walked to the clinic");
    assert_int_equal(office_sync(office, &office->ana, &ears).device_err, KITH_OK);
    (void)office_write(office, &office->ana, "and back");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(ledger_stats(office->hub.ledger, &before), KITH_OK);
    for (int i = 0; i < 3; i++)
        (void)link_replay(&office->hub, buffer_view(&recorded));
    assert_int_equal(ledger_stats(office->hub.ledger, &after), KITH_OK);
    assert_int_equal(after.changes, before.changes);
    assert_int_equal(after.sequence, before.sequence);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(device_received(&office->rosa, office->chart, ANA_DEVICE, head), 3);
    buffer_clear(&recorded);
}

/* Whatever is wrong with a handshake, whoever tries gets the same answer: none. */
static void a05_no_altered_handshake_is_answered(void **state)
{
    struct office *office = *state;
    struct buffer recorded;
    const struct link_faults ears = {.alter = tap, .owner = &recorded};
    const size_t first = 5; /* preamble and length; then message 1 */

    buffer_init(&recorded, 1 << 20);
    assert_int_equal(office_sync(office, &office->ana, &ears).device_err, KITH_OK);
    size_t end = first + get_u16(recorded.ptr + 3);
    assert_in_range(link_replay(&office->hub, buffer_view(&recorded)), 1, 1 << 20);
    for (size_t at = 0; at < end; at++) {
        if (at == 3 || at == 4)
            continue; /* another length: the rest of the message is still awaited */
        recorded.ptr[at] ^= 0x04;
        assert_int_equal(link_replay(&office->hub, bytes_of(recorded.ptr, end)), 0);
        recorded.ptr[at] ^= 0x04;
    }
    buffer_clear(&recorded);
}

static void alter_version(void *owner, struct bytes *wire, bool is_from_device)
{
    static uint8_t copy[SESSION_READ_MAX];
    size_t *seen = owner;

    if (is_from_device && *seen == 0) {
        memcpy(copy, wire->ptr, wire->len);
        copy[1] = 0;
        wire->ptr = copy;
    }
    *seen += is_from_device;
}

static void alter_mode(void *owner, struct bytes *wire, bool is_from_device)
{
    alter_version(owner, wire, is_from_device);
    if (is_from_device && wire->len > 3 && wire->ptr[1] == 0) {
        static uint8_t copy[SESSION_READ_MAX];
        memcpy(copy, wire->ptr, wire->len);
        copy[1] = KITH_PROTOCOL_VERSION;
        copy[2] = CHANNEL_JOIN;
        wire->ptr = copy;
    }
}

static void a11_an_older_version_or_another_mode_is_not_spoken(void **state)
{
    struct office *office = *state;
    size_t seen = 0;
    const struct link_faults version = {.alter = alter_version, .owner = &seen};
    const struct link_faults mode = {.alter = alter_mode, .owner = &seen};
    struct ledger_stats before;
    struct ledger_stats after;

    (void)office_write(office, &office->ana, "We walked to the clinic");
    assert_int_equal(ledger_stats(office->hub.ledger, &before), KITH_OK);
    struct link_result older = office_sync(office, &office->ana, &version);
    assert_int_equal(older.device_err, KITH_LOST);
    assert_int_not_equal(older.hub_err, KITH_OK);
    seen = 0;
    struct link_result other = office_sync(office, &office->ana, &mode);
    assert_int_equal(other.device_err, KITH_LOST);
    assert_int_not_equal(other.hub_err, KITH_OK);
    assert_int_equal(ledger_stats(office->hub.ledger, &after), KITH_OK);
    assert_int_equal(after.changes, before.changes);
}

/* Montgomery u-coordinates of small order (RFC 7748, section 6.1): everybody agrees on zero. */
static const uint8_t small_order[][KEY_BYTES] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
     0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
     0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

/* A member who enrols a device that nobody can seal to would stop everybody who shares a chart with
 * them. */
static void a35_a_key_of_small_order_is_refused_everywhere(void **state)
{
    struct made_agency *agency = made_agency_new();
    struct epoch_place place = {.epoch = 1, .device = 2};
    uint8_t box[BOX_BYTES];
    struct made_device own;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(small_order); i++) {
        uint32_t number = made_invited(agency, 0, ROLE_SPECIALIST, 0);
        struct roster_entry enrol = {.type = ROSTER_ENROL, .author = number, .time_s = MADE_NOW_S};
        uint32_t known = agency->roster.count;
        assert_int_not_equal(box_seal(&place, small_order[i], agency->hub.sign_secret, box),
                             KITH_OK);
        made_device_keys(&own, 900 + number);
        enrol.keys = own.keys;
        memcpy(enrol.keys.box, small_order[i], KEY_BYTES);
        assert_int_equal(made_append(agency, &enrol, made_sign_secret(agency, number)),
                         KITH_MALFORMED);
        enrol.keys = own.keys;
        memcpy(enrol.keys.noise, small_order[i], KEY_BYTES);
        assert_int_equal(made_append(agency, &enrol, made_sign_secret(agency, number)),
                         KITH_MALFORMED);
        assert_int_equal(agency->roster.count, known);
        enrol.keys = own.keys;
        assert_int_equal(made_append(agency, &enrol, made_sign_secret(agency, number)), KITH_OK);
        agency->devices[number - 1] = own;
    }
    made_agency_free(&agency);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a05_no_altered_handshake_is_answered, office_open,
                                        office_close),
        cmocka_unit_test(a07_the_same_text_never_gives_the_same_bytes),
        cmocka_unit_test_setup_teardown(a11_an_older_version_or_another_mode_is_not_spoken,
                                        office_open, office_close),
        cmocka_unit_test(a12_a_text_moved_anywhere_else_does_not_open),
        cmocka_unit_test(a13_nonces_are_random_and_not_counted),
        cmocka_unit_test_setup_teardown(a13_a_restored_laptop_repeats_a_number_and_no_nonce,
                                        office_open, office_close),
        cmocka_unit_test(a20_every_purpose_has_its_own_tag_and_every_device_three_keys),
        cmocka_unit_test_setup_teardown(a22_a_foreign_text_does_not_change_a_stored_size,
                                        office_open, office_close),
        cmocka_unit_test(a23_lengths_fall_into_few_sizes),
        cmocka_unit_test(a24_of_two_keys_for_one_text_only_the_published_one_is_taken),
        cmocka_unit_test(a25_a_vault_that_is_cheap_to_guess_is_not_opened),
        cmocka_unit_test_setup_teardown(a26_no_secret_and_no_text_is_ever_sent, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a27_a_stolen_disk_shows_no_text_no_key_and_no_id,
                                        office_open, office_close),
        cmocka_unit_test_setup_teardown(a34_a_recorded_first_flight_changes_nothing, office_open,
                                        office_close),
        cmocka_unit_test(a35_a_key_of_small_order_is_refused_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
