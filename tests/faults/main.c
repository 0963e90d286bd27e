/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rebuilds the disks that a power cut can leave from a recording, and looks whether each opens with
 * all that was promised.
 *
 *   power key HOME PASSPHRASE-FILE KEY-FILE          opens a home once: its data key, for the rest
 *   power mark HOME KEY-FILE LAPTOP-LOG HUB-LOG      writes down what is promised now; - for none
 *   power device HOME KEY-FILE                       its number
 *   power tell hub|laptop LOG KEY-FILE|- DEVICE FOLDER TOLD     what the other side knows, and when
 *   power try hub|laptop LOG KEY-FILE|- COUNT SEED FOLDER TOLD|- nothing|syncs|through|all
 *   power image hub|laptop LOG KEY-FILE|- POINT:VARIANT SEED FOLDER TOLD|- ...   leaves one there
 *
 * The last word names what is neglected once all is ready: a control, which must find losses.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/vault.h"
#include "protocol/seal.h"
#include "store/file.h"
#include "tests/faults/trial.h"

static int misused(void)
{
    (void)fputs("usage: power key|mark|device|tell|try|image ... (see tests/faults/main.c)\n",
                stderr);
    return 2;
}

static int failed(const char *what, enum kith_err err)
{
    (void)fprintf(stderr, "%s: %s\n", what, error_name(err));
    return 2;
}

static void parent_of(const char *path, char folder[static 4096], const char **name)
{
    const char *slash = strrchr(path, '/');

    (void)snprintf(folder, 4096, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    *name = slash ? slash + 1 : path;
}

static enum kith_err key_read(const char *path, uint8_t key[static KEY_BYTES])
{
    char folder[4096];
    const char *name;
    struct buffer content;

    parent_of(path, folder, &name);
    enum kith_err err = file_read(folder, name, KEY_BYTES, &content);
    if (!err && content.len != KEY_BYTES)
        err = KITH_DAMAGED;
    if (!err)
        memcpy(key, content.ptr, KEY_BYTES);
    buffer_clear(&content);
    return err;
}

static int command_key(char **argv)
{
    char passphrase[256];
    char folder[4096];
    const char *name;
    uint8_t key[KEY_BYTES];
    FILE *file = fopen(argv[1], "re");

    if (!file || !fgets(passphrase, sizeof passphrase, file))
        return failed(argv[1], KITH_NOT_FOUND);
    (void)fclose(file);
    passphrase[strcspn(passphrase, "\n")] = '\0';
    parent_of(argv[2], folder, &name);
    enum kith_err err = vault_open(argv[0], passphrase, key);
    if (!err)
        err = file_write(folder, name, bytes_of(key, sizeof key));
    return err ? failed(argv[0], err) : 0;
}

static int command_mark(char **argv)
{
    uint8_t key[KEY_BYTES];
    enum kith_err err = key_read(argv[1], key);

    if (err)
        return failed(argv[1], err);
    promises_write(argv[0], key, promise_now(), argv[2], argv[3]);
    return 0;
}

static int command_device(char **argv)
{
    uint8_t key[KEY_BYTES];
    enum kith_err err = key_read(argv[1], key);

    if (err)
        return failed(argv[1], err);
    (void)printf("%" PRIu32 "\n", promise_device(argv[0], key));
    return 0;
}

static int neglect_read(const char *word, enum disk_neglect *neglect)
{
    static const char *const words[] = {"nothing", "syncs", "through", "all"};

    for (unsigned i = 0; i < 4; i++)
        if (strcmp(word, words[i]) == 0) {
            *neglect = (enum disk_neglect)i;
            return 0;
        }
    return -1;
}

/* hub|laptop LOG KEY-FILE|- */
static int subject_read(char **argv, struct trial *trial)
{
    *trial = (struct trial){.log = argv[1], .is_hub = strcmp(argv[0], "hub") == 0};
    if (!trial->is_hub && strcmp(argv[0], "laptop") != 0)
        return -1;
    return strcmp(argv[2], "-") == 0 || !key_read(argv[2], trial->key) ? 0 : -1;
}

static int trial_read(char **argv, struct trial *trial)
{
    if (subject_read(argv, trial))
        return -1;
    trial->count = strtoull(argv[3], NULL, 10);
    trial->seed = strtoull(argv[4], NULL, 10);
    trial->folder = argv[5];
    trial->told = strcmp(argv[6], "-") == 0 ? NULL : argv[6];
    return neglect_read(argv[7], &trial->neglect);
}

static int command_tell(char **argv)
{
    struct trial trial;

    if (subject_read(argv, &trial))
        return misused();
    trial.folder = argv[4];
    trial_tell(&trial, (uint32_t)strtoul(argv[3], NULL, 10), argv[5]);
    return 0;
}

static int command_try(char **argv)
{
    struct trial trial;
    struct timespec began;
    struct timespec ended;

    if (trial_read(argv, &trial))
        return misused();
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    trial_run(&trial);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    (void)printf("{\"images\": %" PRIu64 ", \"points\": %" PRIu64 ", \"lost\": %" PRIu64
                 ", \"seed\": %" PRIu64 ", \"seconds\": %.1f}\n",
                 trial.images, trial.points, trial.lost, trial.seed,
                 (double)(ended.tv_sec - began.tv_sec) +
                     (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return trial.lost ? 1 : 0;
}

static int command_image(char **argv)
{
    struct trial trial;
    uint64_t point;
    unsigned variant;

    if (sscanf(argv[3], "%" SCNu64 ":%u", &point, &variant) != 2 || trial_read(argv, &trial))
        return misused();
    return trial_image(&trial, point, variant) ? 0 : 1;
}

static const struct command {
    const char *name;
    int arguments;
    int (*run)(char **argv);
} commands[] = {
    {"key", 3, command_key},   {"mark", 4, command_mark}, {"device", 2, command_device},
    {"tell", 6, command_tell}, {"try", 8, command_try},   {"image", 8, command_image},
};

int main(int argc, char **argv)
{
    if (seal_start())
        return failed("libsodium", KITH_MEMORY);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 == commands[i].arguments)
            return commands[i].run(argv + 2);
    return misused();
}
