/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trains the compression dictionary on synthetic notes and writes it as C.
 *
 *     train PHRASES > protocol/dictionary.c
 *
 * The notes are made of the phrases by fixed dice, in the form in which changes hold them
 * (protocol/payload.h, docs/records.md): the same phrases and the same zstd give the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zdict.h>

#include "protocol/payload.h"

#define DICTIONARY_BYTES 16384
#define NOTES            6000
#define SECTIONS_MAX     16
#define PHRASES_MAX      64
#define SAMPLES_MAX      (16u << 20)
#define NOW_MS           UINT64_C(1772452800000)

struct section {
    char name[32];
    char *phrases[PHRASES_MAX];
    size_t count;
};

static struct section sections[SECTIONS_MAX];
static size_t section_count;
static uint64_t dice_state = 1;

/* splitmix64. */
static uint64_t roll(void)
{
    uint64_t mixed = (dice_state += 0x9E3779B97F4A7C15u);

    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

static size_t below(size_t count)
{
    return (size_t)(roll() % count);
}

static void stop(const char *what)
{
    (void)fprintf(stderr, "train: %s\n", what);
    exit(1);
}

static void read_phrases(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[1024];

    if (!file)
        stop("no phrases");
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || !line[0])
            continue;
        if (line[0] == '[') {
            if (section_count == SECTIONS_MAX)
                stop("too many sections");
            (void)snprintf(sections[section_count++].name, sizeof sections->name, "%.*s",
                           (int)strcspn(line + 1, "]"), line + 1);
            continue;
        }
        struct section *section = &sections[section_count - 1];
        if (section_count == 0 || section->count == PHRASES_MAX)
            stop("a phrase without a section, or too many");
        section->phrases[section->count++] = strdup(line);
    }
    (void)fclose(file);
}

static const char *phrase(const char *name)
{
    for (size_t i = 0; i < section_count; i++)
        if (strcmp(sections[i].name, name) == 0)
            return sections[i].phrases[below(sections[i].count)];
    stop("no such section");
    return "";
}

static void put(struct payload_writer *writer, const uint8_t *record, uint32_t type, uint32_t field,
                enum op_kind kind, const char *text)
{
    struct buffer value;
    struct op op = {.type = type, .field = field, .kind = kind};

    buffer_init(&value, VALUE_MAX);
    wire_put_text(&value, bytes_text(text));
    memcpy(op.record, record, ID_BYTES);
    op.value = buffer_view(&value);
    payload_add(writer, &op, NULL, 0);
    buffer_clear(&value);
}

static void put_number(struct payload_writer *writer, const uint8_t *record, uint32_t type,
                       uint32_t field, uint64_t number)
{
    struct buffer value;
    struct op op = {.type = type, .field = field, .kind = OP_PUT};

    buffer_init(&value, VALUE_MAX);
    wire_put_uint(&value, number);
    memcpy(op.record, record, ID_BYTES);
    op.value = buffer_view(&value);
    payload_add(writer, &op, NULL, 0);
    buffer_clear(&value);
}

/* One to three phrases of a section. */
static const char *prose(const char *name, char *text, size_t size)
{
    size_t count = 1 + below(3);
    size_t at = 0;

    for (size_t i = 0; i < count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? " " : "", phrase(name));
    return text;
}

static const char *one_of(const char *const *words, size_t count)
{
    return words[below(count)];
}
#define ONE_OF(...)                                                                                \
    one_of((const char *const[]){__VA_ARGS__},                                                     \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static const char *day(unsigned number, char *text, size_t size)
{
    (void)snprintf(text, size, "2026-%02u-%02u", 1 + number / 28 % 12, 1 + number % 28);
    return text;
}

static void add_facts(struct payload_writer *writer, const uint8_t *id)
{
    char date[16];
    char text[64];
    unsigned number = (unsigned)below(336);
    unsigned hour = 8 + (unsigned)below(9);
    const char *zone = ONE_OF("-05:00", "-06:00", "-08:00", "-04:00", "-07:00");

    put_number(writer, id, 6, 1, 1 + below(40));
    put(writer, id, 6, 2, OP_PUT, day(number, date, sizeof date));
    (void)snprintf(text, sizeof text, "%sT%02u:%02u%s", date, hour, (unsigned)below(12) * 5, zone);
    put(writer, id, 6, 3, OP_PUT, text);
    (void)snprintf(text, sizeof text, "%sT%02u:%02u%s", date, hour + 1, (unsigned)below(12) * 5,
                   zone);
    put(writer, id, 6, 4, OP_PUT, text);
    put(writer, id, 6, 6, OP_PUT, ONE_OF("H0038", "H0038", "H0038", "H2015", "T1012"));
    put(writer, id, 6, 8, OP_PUT,
        ONE_OF("home", "home", "shelter", "clinic", "office", "community", "telehealth",
               "hospital"));
    put(writer, id, 6, 9, OP_PUT, ONE_OF("in_person", "in_person", "phone", "video"));
    if (below(3) == 0)
        put(writer, id, 6, 10, OP_PUT, phrase("place"));
    put(writer, id, 6, 13, OP_PUT, ONE_OF("done", "done", "done", "no_show", "cancelled"));
}

static void add_note(struct payload_writer *writer, const uint8_t *id)
{
    char text[2048];

    put(writer, id, 7, 2, OP_ADD, ONE_OF("shared_lived_experience", "motivational_interviewing"));
    put(writer, id, 7, 2, OP_ADD,
        ONE_OF("problem_solving", "skills_practice", "linkage", "advocacy", "wellness_planning",
               "crisis_support", "engagement"));
    put(writer, id, 7, 4, OP_PUT, prose("purpose", text, sizeof text));
    put(writer, id, 7, 5, OP_PUT, prose("what_was_done", text, sizeof text));
    put(writer, id, 7, 6, OP_PUT, prose("response", text, sizeof text));
    if (below(3) == 0)
        put(writer, id, 7, 7, OP_PUT, prose("barriers", text, sizeof text));
    put(writer, id, 7, 8, OP_PUT, prose("plan_next", text, sizeof text));
    if (below(2) == 0)
        put(writer, id, 7, 10, OP_PUT, ONE_OF("none", "none", "none", "concern", "urgent"));
}

/* A whole visit mostly; now and then a goal, a referral or a later edit. */
static void add_records(struct payload_writer *writer)
{
    uint8_t id[ID_BYTES];
    char text[2048];

    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)roll();
    switch (below(6)) {
    case 0:
        put(writer, id, 5, 2, OP_PUT, phrase("goal"));
        put(writer, id, 5, 3, OP_PUT,
            ONE_OF("health", "home", "work", "relationships", "recovery"));
        put(writer, id, 5, 7, OP_PUT, ONE_OF("open", "met"));
        return;
    case 1:
        put(writer, id, 9, 2, OP_PUT, phrase("reason"));
        put(writer, id, 9, 3, OP_APPEND, ONE_OF("offered", "accepted", "scheduled", "attended"));
        return;
    case 2:
        put(writer, id, 7, 6, OP_PUT, prose("response", text, sizeof text));
        return;
    default:
        add_facts(writer, id);
        add_note(writer, id);
        return;
    }
}

static void add_sample(struct buffer *samples, size_t *size)
{
    struct payload_writer writer;
    struct dot seen = {1 + (uint32_t)below(5), 1 + below(300)};
    size_t start = samples->len;
    uint64_t hlc = (NOW_MS + below(30000000) * 1000) << 16;

    payload_begin(&writer, samples, hlc, &seen, below(4) == 0, NULL);
    add_records(&writer);
    if (payload_end(&writer) || samples->err)
        stop("a sample was refused");
    *size = samples->len - start;
}

static void write_dictionary(const uint8_t *dictionary, size_t len)
{
    (void)printf(
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        "/* Made by `make dictionary` from deploy/dictionary/phrases.txt. Its bytes are part of "
        "the protocol:\n * another dictionary is another codec. */\n"
        "#include \"protocol/dictionary.h\"\n\n"
        "/* clang-format off */\n"
        "const uint8_t dictionary_1[] = {");
    for (size_t i = 0; i < len; i++)
        (void)printf("%s%u,", i % 24 == 0 ? "\n" : "", dictionary[i]);
    (void)printf(
        "\n};\n/* clang-format on */\nconst size_t dictionary_1_len = sizeof dictionary_1;\n");
}

int main(int argc, char **argv)
{
    static uint8_t dictionary[DICTIONARY_BYTES];
    static size_t sizes[NOTES];
    struct buffer samples;

    if (argc != 2)
        stop("usage: train PHRASES");
    read_phrases(argv[1]);
    buffer_init(&samples, SAMPLES_MAX);
    for (size_t i = 0; i < NOTES; i++)
        add_sample(&samples, &sizes[i]);
    size_t len = ZDICT_trainFromBuffer(dictionary, sizeof dictionary, samples.ptr, sizes, NOTES);
    if (ZDICT_isError(len))
        stop(ZDICT_getErrorName(len));
    write_dictionary(dictionary, len);
    buffer_clear(&samples);
    return 0;
}
