/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a forgotten passphrase: any bytes as slots, request and answer. */
#include <stdlib.h>

#include "protocol/recovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t secret[KEY_BYTES] = {64, 1};
    struct bytes file = bytes_of(data, size);
    struct recovery_request request;
    struct recovered found = {.device = 0};
    struct buffer answer;
    char check[RECOVERY_CHECK_TEXT];

    buffer_init(&answer, RECOVERY_FILE_MAX);
    (void)!recovery_slots_read(&request, file);
    if (!recovery_request_read(&request, file)) {
        (void)!recovery_open(&request, secret, &found);
        (void)!recovery_answer_write(file, &found, &answer);
        recovery_check(file, check);
    }
    if (!recovery_answer_read(file, file, secret, &found))
        abort(); /* nobody can have sealed it */
    buffer_clear(&answer);
    return 0;
}
