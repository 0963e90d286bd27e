/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzer over files, without a fuzzing engine: replay FOLDER... Each file as it is, and some
 * variants of it: cut, and with a byte changed. A finding ends the program.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (64u * 1024)
#define VARIANTS  8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Not every fuzzer has one. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static unsigned long inputs;

static void try_one(const uint8_t *bytes, size_t size)
{
    /* Of the size that it has, so that what is read behind it is seen. */
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    memcpy(copy, bytes, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    inputs++;
}

static void try_variants(uint8_t *bytes, size_t size)
{
    try_one(bytes, size);
    for (size_t i = 1; i <= VARIANTS && size > 0; i++) {
        size_t at = size * i / (VARIANTS + 1);
        uint8_t kept = bytes[at];
        bytes[at] ^= (uint8_t)(1u << (i % 8));
        try_one(bytes, size);
        bytes[at] = kept;
        try_one(bytes, at);
    }
}

static void try_folder(const char *folder)
{
    static uint8_t bytes[INPUT_MAX];
    char path[4096];
    DIR *files = opendir(folder);

    for (struct dirent *one = files ? readdir(files) : NULL; one; one = readdir(files)) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
        FILE *file = one->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        size_t size = fread(bytes, 1, sizeof bytes, file);
        (void)fclose(file);
        try_variants(bytes, size);
    }
    if (files)
        (void)closedir(files);
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize)
        (void)LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        try_folder(argv[i]);
    (void)fprintf(stderr, "%lu inputs\n", inputs);
    return inputs == 0;
}
