/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/flow.h"

#include <string.h>

#include "protocol/limits.h"

void flow_init(struct flow *flow)
{
    memset(flow, 0, sizeof *flow);
    flow->window = FLOW_WINDOW;
}

size_t flow_room(const struct flow *flow)
{
    uint64_t under_way = flow->sent - flow->answered;
    /* Two batches fill a window: one is on its way while the other is answered. */
    size_t batch = flow->window / 2 < BATCH_MAX ? (size_t)flow->window / 2 : BATCH_MAX;

    return under_way == 0 || under_way + batch <= flow->window ? batch : 0;
}

void flow_sent(struct flow *flow, size_t bytes, uint64_t now_ms)
{
    flow->sent += bytes;
    if (flow->probe || flow->sent - flow->answered < flow->window / 2)
        return;
    flow->probe = flow->sent;
    flow->probe_ms = now_ms;
}

static uint64_t window_after(const struct flow *flow, uint64_t took_ms)
{
    if (took_ms > FLOW_TARGET_MS)
        return flow->window * FLOW_TARGET_MS / took_ms;
    return took_ms < FLOW_TARGET_MS / 2 ? flow->window * 2 : flow->window + flow->window / 8;
}

bool flow_answered(struct flow *flow, uint64_t bytes, uint64_t now_ms)
{
    if (bytes > flow->sent - flow->answered)
        return false;
    flow->answered += bytes;
    if (!flow->probe || flow->answered < flow->probe)
        return true;
    uint64_t window = window_after(flow, now_ms > flow->probe_ms ? now_ms - flow->probe_ms : 0);
    if (window < FLOW_WINDOW_MIN)
        window = FLOW_WINDOW_MIN;
    flow->window = window < WINDOW_BYTES ? window : WINDOW_BYTES;
    flow->probe = 0;
    return true;
}
