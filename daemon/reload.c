/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reload.h"

#include <signal.h>

#include "daemon/hub.h"
#include "daemon/log.h"

enum kith_err reload_init(struct reload *reload, struct hub *hub)
{
    reload->hub = hub;
    if (uv_signal_init(&hub->loop, &reload->hangup) < 0)
        return KITH_BUSY;
    reload->hangup.data = reload;
    return KITH_OK;
}

void reload_take(struct reload *reload, const struct config *config)
{
    uint32_t changed = 0;

    for (size_t i = 0; i < config_count(); i++) {
        uint32_t from = 0;
        uint32_t to = 0;
        if (!config_differs(&reload->given, config, i))
            continue;
        if (config_change(i) == CONFIG_AT_START) {
            log_setting(LOG_SETTING_WAITS, i, NULL, NULL);
            continue;
        }
        bool is_number = config_number(&reload->given, i, &from) && config_number(config, i, &to);
        log_setting(LOG_SETTING_CHANGED, i, is_number ? &from : NULL, is_number ? &to : NULL);
        config_copy(&reload->given, config, i);
        changed++;
    }
    log_event(LOG_RELOADED, changed, 0, KITH_OK);
    hub_configure(reload->hub, &reload->given);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct reload *reload = handle->data;
    struct config config;
    enum kith_err err = reload->read(reload->owner, &config);

    (void)number;
    if (err)
        log_event(LOG_RELOAD_REFUSED, 0, 0, err);
    else
        reload_take(reload, &config);
}

void reload_start(struct reload *reload, void *owner,
                  enum kith_err (*read)(void *owner, struct config *config))
{
    reload->owner = owner;
    reload->read = read;
    (void)uv_signal_start(&reload->hangup, on_hangup, SIGHUP);
}
