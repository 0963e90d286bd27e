/* SPDX-License-Identifier: Apache-2.0 */
#include "store/position.h"

#include <assert.h>
#include <string.h>

#include "protocol/wire.h"

#define CURSOR_FORM 2
#define NEAR        1024
/* The agency's circle is the first that a hub gets; who everybody is comes before what they wrote.
 */
#define FIRST_CIRCLE 1

static void read_round(struct position *position, struct wire_in *in)
{
    position->horizon = wire_uint(in, UINT64_MAX);
    position->turn = wire_uint(in, UINT64_MAX);
    position->within = wire_uint(in, UINT64_MAX);
}

static void read_ahead(struct position *position, struct wire_in *in)
{
    uint32_t count = wire_array(in, 2 * AHEAD_MAX);

    for (uint32_t i = 0; i + 1 < count; i += 2) {
        struct ahead *ahead = &position->ahead[position->ahead_count++];
        ahead->circle = (uint32_t)wire_uint(in, UINT32_MAX);
        ahead->through = wire_uint(in, UINT64_MAX);
    }
    if (count % 2)
        wire_array_exact(in, UINT32_MAX);
}

bool position_decode(struct position *position, struct bytes cursor)
{
    struct wire_in in = wire_open(cursor);

    memset(position, 0, sizeof *position);
    uint64_t form = wire_uint(&in, CURSOR_FORM);
    position->base = wire_uint(&in, UINT64_MAX);
    position->roster = (uint32_t)wire_uint(&in, UINT32_MAX);
    position->removals = (uint32_t)wire_uint(&in, UINT32_MAX);
    position->removal = wire_uint(&in, UINT64_MAX);
    position->urgent = wire_uint(&in, UINT64_MAX);
    wire_bin_exact(&in, position->digest, DIGEST_BYTES);
    if (in.left.len > 0) {
        read_round(position, &in);
        read_ahead(position, &in);
    }
    if (!wire_close(&in) && form == CURSOR_FORM)
        return true;
    memset(position, 0, sizeof *position);
    return false;
}

/* What is not under way takes no room: a device that has all sends and gets this each time. */
size_t position_encode(const struct position *position, uint8_t cursor[static CURSOR_MAX])
{
    struct buffer out;

    buffer_init(&out, CURSOR_MAX);
    wire_put_uint(&out, CURSOR_FORM);
    wire_put_uint(&out, position->base);
    wire_put_uint(&out, position->roster);
    wire_put_uint(&out, position->removals);
    wire_put_uint(&out, position->removal);
    wire_put_uint(&out, position->urgent);
    wire_put_bin(&out, bytes_of(position->digest, DIGEST_BYTES));
    if (position->horizon || position->ahead_count) {
        wire_put_uint(&out, position->horizon);
        wire_put_uint(&out, position->turn);
        wire_put_uint(&out, position->within);
        wire_put_array(&out, 2 * position->ahead_count);
        for (uint32_t i = 0; i < position->ahead_count; i++) {
            wire_put_uint(&out, position->ahead[i].circle);
            wire_put_uint(&out, position->ahead[i].through);
        }
    }
    size_t len = out.err ? 0 : out.len;
    if (len)
        memcpy(cursor, out.ptr, len);
    buffer_clear(&out);
    return len;
}

uint64_t position_turn(const struct position *position, struct store_txn *txn, uint32_t circle)
{
    if (circle == FIRST_CIRCLE)
        return TURN_PENDING - 1;
    return hub_circle_last_through(txn, circle, position->horizon);
}

static uint64_t through_in_turn(const struct position *position, struct store_txn *txn,
                                uint32_t circle, uint64_t granted)
{
    uint64_t before = granted > position->base ? 0 : position->base;

    if (!position->horizon || granted > position->horizon)
        return before;
    uint64_t turn = position_turn(position, txn, circle);
    if (turn > position->turn)
        return position->horizon;
    return turn == position->turn ? position->within : before;
}

static uint64_t through_ahead(const struct position *position, uint32_t circle)
{
    for (uint32_t i = 0; i < position->ahead_count; i++)
        if (position->ahead[i].circle == circle)
            return position->ahead[i].through;
    return 0;
}

uint64_t position_through(const struct position *position, struct store_txn *txn, uint32_t circle,
                          uint64_t granted)
{
    uint64_t in_turn = through_in_turn(position, txn, circle, granted);
    uint64_t ahead = through_ahead(position, circle);

    return in_turn > ahead ? in_turn : ahead;
}

bool position_may_be_ahead(const struct position *position, uint32_t circle)
{
    return position->ahead_count < AHEAD_MAX || through_ahead(position, circle) > 0;
}

void position_put_ahead(struct position *position, uint32_t circle, uint64_t through)
{
    uint32_t i = 0;

    while (i < position->ahead_count && position->ahead[i].circle != circle)
        i++;
    assert(i < AHEAD_MAX);
    if (i == position->ahead_count)
        position->ahead[position->ahead_count++].circle = circle;
    position->ahead[i].through = through;
}

void position_forget(struct position *position, uint32_t circle)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < position->ahead_count; i++)
        if (position->ahead[i].circle != circle)
            position->ahead[kept++] = position->ahead[i];
    position->ahead_count = kept;
}

bool position_is_near(const struct position *position, uint64_t newest)
{
    return position->horizon == 0 && newest - position->base < NEAR;
}

void position_end_round(struct position *position, struct store_txn *txn, uint32_t device)
{
    uint32_t kept = 0;

    position->base = position->horizon;
    position->horizon = position->turn = position->within = 0;
    for (uint32_t i = 0; i < position->ahead_count; i++) {
        struct ahead ahead = position->ahead[i];
        uint64_t granted = hub_granted(txn, device, ahead.circle);
        /* Taken out, and not told yet: what was delivered is to be taken back. */
        if (ahead.through > position->base || granted > position->base || granted == 0)
            position->ahead[kept++] = ahead;
    }
    position->ahead_count = kept;
}
