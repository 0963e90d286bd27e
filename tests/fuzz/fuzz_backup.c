/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backup files: any bytes; and parts of any content under a foot and a hash that are right, without
 * a store, which would be LMDB's to read. Whatever it is, nothing stays of it in the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/backup.h"
#include "protocol/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char folder[64];

static void remove_folder(void)
{
    char path[96];

    (void)snprintf(path, sizeof path, "%s/backup", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    (void)snprintf(folder, sizeof folder, "%s/kith-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder) || !freopen("/dev/null", "w", stdout))
        abort();
    return atexit(remove_folder);
}

/* The first byte shares the rest between settings and keys. */
static void write_good(struct buffer *file, struct bytes rest)
{
    uint8_t foot[24];
    uint8_t hash[HASH_BYTES];
    size_t settings = rest.len ? rest.ptr[0] * (rest.len - 1) / 255 : 0;
    size_t keys = rest.len ? rest.len - 1 - settings : 0;

    buffer_add(file, "kithbak1", 8);
    if (rest.len)
        buffer_add(file, rest.ptr + 1, rest.len - 1);
    put_u64(foot, 0);
    put_u64(foot + 8, settings);
    put_u64(foot + 16, keys);
    buffer_add(file, foot, sizeof foot);
    const struct bytes all = buffer_view(file);
    seal_hash(SEAL_BACKUP, &all, 1, hash);
    buffer_add(file, hash, sizeof hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char from[96];
    char to[96];
    struct buffer file;

    if (size < 1)
        return 0;
    buffer_init(&file, SIZE_MAX);
    if (data[0] & 1)
        write_good(&file, bytes_of(data + 1, size - 1));
    else
        buffer_add(&file, data + 1, size - 1);
    (void)snprintf(from, sizeof from, "%s/backup", folder);
    (void)snprintf(to, sizeof to, "%s/hub", folder);
    int fd = open(from, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, file.ptr, file.len) != (ssize_t)file.len || close(fd) != 0)
        abort();
    const struct options options = {.from = from, .data = to};
    if (command_restore(&options) == EXIT_DONE)
        abort(); /* there was no store in it */
    if (rmdir(to) != 0 && errno != ENOENT)
        abort(); /* something stayed */
    buffer_clear(&file);
    return 0;
}
