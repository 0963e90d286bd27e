/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/flow.h"

#include <assert.h>
#include <string.h>

#include "protocol/limits.h"

void flow_init(struct flow *flow)
{
    memset(flow, 0, sizeof *flow);
    flow->window = FLOW_WINDOW;
}

void flow_widen(struct flow *flow)
{
    flow->window = WINDOW_BYTES;
}

size_t flow_room(const struct flow *flow)
{
    /* Two batches fill a window: one is on its way while the other is answered. */
    uint32_t batch = flow->window / 2 < BATCH_MAX ? flow->window / 2 : BATCH_MAX;

    return flow->under_way == 0 || flow->under_way + batch <= flow->window ? batch : 0;
}

void flow_sent(struct flow *flow, size_t bytes, uint32_t now_ms)
{
    assert(bytes <= NOISE_MESSAGE_MAX && flow->under_way <= UINT32_MAX / 2);
    flow->under_way += (uint32_t)bytes;
    if (flow->probe || flow->under_way < flow->window / 2)
        return;
    flow->probe = flow->under_way;
    flow->probe_ms = now_ms;
}

static uint64_t window_after(const struct flow *flow, uint32_t took_ms)
{
    uint64_t window = flow->window;

    if (took_ms > FLOW_TARGET_MS)
        return window * FLOW_TARGET_MS / took_ms;
    return took_ms < FLOW_TARGET_MS / 2 ? window * 2 : window + window / 8;
}

bool flow_answered(struct flow *flow, uint64_t bytes, uint32_t now_ms)
{
    if (bytes > flow->under_way)
        return false;
    flow->under_way -= (uint32_t)bytes;
    if (bytes < flow->probe || !flow->probe) {
        flow->probe -= flow->probe ? (uint32_t)bytes : 0;
        return true;
    }
    uint64_t window = window_after(flow, now_ms - flow->probe_ms);
    if (window < FLOW_WINDOW_MIN)
        window = FLOW_WINDOW_MIN;
    flow->window = window < WINDOW_BYTES ? (uint32_t)window : WINDOW_BYTES;
    flow->probe = 0;
    return true;
}
