/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bench.h"

static const char *const words[] = {
    "we",     "walked",  "talked",    "about",     "the",     "bus",     "group",    "her",
    "his",    "family",  "sleep",     "work",      "goal",    "again",   "together", "library",
    "clinic", "doctor",  "medicine",  "fear",      "better",  "worse",   "tired",    "hopeful",
    "and",    "then",    "because",   "with",      "without", "before",  "after",    "Thursday",
    "Monday", "morning", "evening",   "called",    "wrote",   "asked",   "said",     "felt",
    "went",   "stayed",  "practised", "breathing", "cooking", "money",   "rent",     "landlord",
    "court",  "school",  "sister",    "brother",   "friend",  "meeting", "relapse",  "craving",
    "plan",   "step",    "small",     "first",     "next",    "last",    "own",      "years",
};
#define WORDS (sizeof words / sizeof *words)

static void write_words(char *text, size_t size, uint64_t *state)
{
    size_t len = 0;

    for (;;) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        const char *word = words[(*state >> 40) % WORDS];
        size_t word_len = strlen(word);
        if (len + word_len + 2 > size)
            break;
        if (len > 0)
            text[len++] = ' ';
        memcpy(text + len, word, word_len);
        len += word_len;
    }
    memset(text + len, 0, size - len);
}

void bench_write_texts(unsigned number, struct bench_texts *texts)
{
    uint64_t state = number * 0x9E3779B97F4A7C15u + 1;

    write_words(texts->purpose, sizeof texts->purpose, &state);
    write_words(texts->done, sizeof texts->done, &state);
    write_words(texts->response, sizeof texts->response, &state);
    write_words(texts->plan, sizeof texts->plan, &state);
}
