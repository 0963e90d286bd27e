/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the msgpack reader accepts is exactly one encoding: reading it and writing it again
 * gives the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy_value(struct wire_in *in, struct buffer *out)
{
    uint32_t count;

    switch (wire_peek(in)) {
    case WIRE_NIL:
        wire_nil(in);
        wire_put_nil(out);
        return;
    case WIRE_BOOL:
        wire_put_bool(out, wire_bool(in));
        return;
    case WIRE_INT:
        /* The top half of the unsigned range has no signed value: it is copied as it stands. */
        wire_put_value(out, wire_value(in));
        return;
    case WIRE_TEXT:
        wire_put_text(out, wire_text(in, SIZE_MAX));
        return;
    case WIRE_BIN:
        wire_put_bin(out, wire_bin(in, SIZE_MAX));
        return;
    case WIRE_ARRAY:
        count = wire_array(in, UINT32_MAX);
        wire_put_array(out, count);
        while (count-- > 0)
            copy_value(in, out);
        return;
    case WIRE_MAP:
        count = wire_map(in, UINT32_MAX);
        wire_put_map(out, count);
        for (uint32_t i = 0; i < 2 * count; i++)
            copy_value(in, out);
        return;
    case WIRE_NONE:
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct wire_in in = wire_open(input);
    struct buffer out;

    if (!wire_is_value(input))
        return 0;
    buffer_init(&out, size + 64);
    copy_value(&in, &out);
    if (wire_close(&in) || out.err || !bytes_equal(buffer_view(&out), input))
        abort();
    buffer_clear(&out);
    return 0;
}
