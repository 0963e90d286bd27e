/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected hears of what was stored: without being asked, and only whom it concerns.
 *
 * What is live (store/news.h) goes as it is to every session that had all before. Everybody else is
 * notified: their next batch is read from the store. A device that several messages concern at once
 * reads them from there, too, in the order of the log.
 */
#ifndef KITH_DAEMON_ANNOUNCE_H
#define KITH_DAEMON_ANNOUNCE_H

#include "store/news.h"

struct hub;

void announce(struct hub *hub, const struct news *news);

#endif
