/* SPDX-License-Identifier: Apache-2.0 */
/* What people paste and type: codes, ids, dates, times, settings. */
#include <stdlib.h>
#include <string.h>

#include "client/moment.h"
#include "daemon/config.h"
#include "protocol/invite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_code(const char *text)
{
    struct code code;
    struct code again;
    char written[CODE_TEXT_MAX];

    if (code_read(&code, text))
        return;
    if (code_write(&code, written) || code_read(&again, written) ||
        memcmp(&code, &again, sizeof code) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char moment[MOMENT_TEXT_MAX];
    char why[CONFIG_WHY_MAX];
    struct config config;
    uint8_t id[ID_BYTES];
    unsigned bits;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    read_code(text);
    (void)!id_read_prefix(text, id, &bits);
    (void)!moment_read_date(text, 1790000000000u, moment);
    (void)!moment_read_time(text, 1790000000000u, moment);
    config_defaults(&config);
    (void)!config_set(&config, "idle_s", text, why);
    (void)!config_set(&config, text, "1", why);
    free(text);
    return 0;
}
