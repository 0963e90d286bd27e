/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the test vectors. Usage: vectors FOLDER */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/dictionary.h"
#include "tests/vectors/vectors.h"

#define PATH_MAX_CHARS 4096

static struct dice behind_sodium;

static const char *seeded_name(void)
{
    return "seeded";
}

static uint32_t seeded_random(void)
{
    return (uint32_t)(dice_roll(&behind_sodium) >> 32);
}

static void seeded_buf(void *const to, const size_t len)
{
    dice_bytes(&behind_sodium, to, len);
}

void vectors_seed(uint64_t seed)
{
    behind_sodium.state = seed;
}

static void random_install(void)
{
    static randombytes_implementation seeded = {
        .implementation_name = seeded_name, .random = seeded_random, .buf = seeded_buf};

    (void)randombytes_set_implementation(&seeded);
}

struct json *vector_begin(struct vectors *vectors, const char *name)
{
    if (vectors->has_case)
        (void)fputc(',', vectors->out);
    vectors->has_case = true;
    vectors->json = json_to(vectors->out);
    json_object(&vectors->json, NULL);
    json_text(&vectors->json, "name", name);
    return &vectors->json;
}

void vector_end(struct vectors *vectors)
{
    json_end(&vectors->json);
}

void vector_verdict(struct json *json, enum kith_err err)
{
    if (err)
        json_text(json, "refused", error_name(err));
}

void vector_hex(struct json *json, const char *name, struct bytes bytes)
{
    char *text = calloc(2 * bytes.len + 1, 1);

    assert_non_null(text);
    bytes_hex(bytes, text);
    json_text(json, name, text);
    free(text);
}

void vector_key(struct json *json, const char *name, const uint8_t key[static KEY_BYTES])
{
    vector_hex(json, name, bytes_of(key, KEY_BYTES));
}

void vector_id(struct json *json, const char *name, const uint8_t id[static ID_BYTES])
{
    vector_hex(json, name, bytes_of(id, ID_BYTES));
}

void vector_u64(struct json *json, const char *name, uint64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    json_text(json, name, text);
}

/* False, and said why, if the file was not written whole. */
static bool write_layer(const char *folder, const char *layer, vectors_write *write)
{
    char path[PATH_MAX_CHARS];
    struct vectors vectors = {0};

    (void)snprintf(path, sizeof path, "%s/%s.json", folder, layer);
    vectors.out = fopen(path, "w");
    if (!vectors.out) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    (void)fputs("{\"cases\": [\n", vectors.out);
    write(&vectors);
    (void)fputs("]}\n", vectors.out);
    bool is_bad = ferror(vectors.out) != 0;
    if (fclose(vectors.out) != 0 || is_bad) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

/* The compression dictionary as it is (codec 2). */
static bool write_dictionary(const char *folder)
{
    char path[PATH_MAX_CHARS];

    (void)snprintf(path, sizeof path, "%s/dictionary.bin", folder);
    FILE *out = fopen(path, "wb");
    bool is_written = out && fwrite(dictionary_1, dictionary_1_len, 1, out) == 1;
    if (out && fclose(out) != 0)
        is_written = false;
    if (!is_written)
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return is_written;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *layer;
        vectors_write *write;
    } layers[] = {
        {"tags", vectors_tags},     {"code", vectors_code},       {"epoch", vectors_epoch},
        {"wire", vectors_wire},     {"frames", vectors_frames},   {"handshake", vectors_handshake},
        {"pack", vectors_pack},     {"payload", vectors_payload}, {"change", vectors_change},
        {"roster", vectors_roster}, {"circle", vectors_circle},   {"merge", vectors_merge},
    };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: vectors FOLDER\n");
        return 2;
    }
    random_install();
    if (seal_start())
        return 1;
    for (size_t i = 0; i < COUNT_OF(layers); i++) {
        vectors_seed(i + 1);
        if (!write_layer(argv[1], layers[i].layer, layers[i].write))
            return 1;
    }
    return write_dictionary(argv[1]) ? 0 : 1;
}
