/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commits brought, and whom it concerns.
 *
 * Devices are named, some of them twice, or it is everybody. What one message brought to one circle
 * is *live* if that is changes of one device and nothing else: it is kept as it is sent, once for
 * all who had all that came before, and they need not look into the store.
 */
#ifndef KITH_STORE_NEWS_H
#define KITH_STORE_NEWS_H

#include "protocol/message.h"

/* Beyond so many devices it is everybody; what does not fit into these bytes is not live. */
#define NEWS_DEVICES_MAX 65536
#define NEWS_LIVE_BYTES  (256u * 1024)
#define NEWS_LIVE_MAX    4096

struct news_live {
    uint8_t circle[ID_BYTES];
    uint32_t changes;
    uint64_t first; /* sequence of the first of them in the log, and of the last */
    uint64_t last;
    uint8_t digest[DIGEST_BYTES]; /* of them */
    size_t frames_at;             /* in news.frames */
    size_t frames_len;
    uint32_t devices_at; /* in news.live_devices */
    uint32_t device_count;
};

struct news_devices {
    uint32_t *list;
    uint32_t count;
    uint32_t room;
};

struct news {
    struct news_devices devices;
    struct news_devices live_devices;
    struct news_live *lives;
    uint32_t live_count;
    uint32_t live_room;
    struct buffer frames;
    bool is_everybody;
};

/* Zero is a news without anything. */
void news_clear(struct news *news);
/* Forgets all and keeps the memory. */
void news_reset(struct news *news);
/* Without memory it is everybody. */
void news_add(struct news *news, const uint32_t *devices, uint32_t count);
/* `live` without its places; news for its devices, if there is no room for that. */
void news_add_live(struct news *news, const struct news_live *live, struct bytes frames,
                   const uint32_t *devices, uint32_t count);
void news_append(struct news *news, const struct news *more);

/* The cursor of a device that had all before, once it has this. False if it did not: then it has to
 * look into the store. */
MUST_USE bool news_live_cursor(const struct news_live *live, struct bytes cursor,
                               uint8_t next[static CURSOR_MAX], size_t *next_len);

#endif
