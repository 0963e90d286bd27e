/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/address.h"

#include <string.h>

#define PORT_WS   80
#define PORT_WSS  443
#define LETTERS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define HOST_MADE LETTERS ".-_:%"
#define PATH_MADE LETTERS ".-_~/"

/* Digits alone, up to the end. */
static bool port_read(const char *text, uint16_t *port)
{
    uint32_t sum = 0;

    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9')
            return false;
        sum = sum * 10 + (uint32_t)(*at - '0');
        if (sum > UINT16_MAX)
            return false;
    }
    *port = (uint16_t)sum;
    return *text != '\0';
}

/* What a host may be made of: it is printed in JSON, in commands and in requests as it is. */
static bool host_is_plain(const struct address *address)
{
    return *address->host && strspn(address->host, HOST_MADE) == strlen(address->host) &&
           (address->is_numeric_v6 || !strchr(address->host, ':'));
}

/* A path in front of ours; a slash at its end adds nothing. */
static bool path_read(char *slash, struct address *address)
{
    size_t len = strlen(slash);

    while (len > 0 && slash[len - 1] == '/')
        len--;
    memcpy(address->path, slash, len);
    address->path[len] = '\0';
    *slash = '\0';
    return strspn(address->path, PATH_MADE) == len && !strstr(address->path, "//");
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT. */
static bool authority_read(const char *text, struct address *address)
{
    const char *bracket = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = bracket ? bracket + 1 : strrchr(text, ':');
    const char *start = text + (bracket != NULL);
    const char *end = bracket ? bracket : colon;

    if (colon && !*colon)
        colon = NULL;
    if (colon && (*colon != ':' || !port_read(colon + 1, &address->port)))
        return false;
    if (!colon && address->kind == ADDRESS_TCP)
        return false;
    address->is_numeric_v6 = bracket != NULL;
    size_t len = end ? (size_t)(end - start) : strlen(start);
    memcpy(address->host, start, len);
    address->host[len] = '\0';
    return host_is_plain(address);
}

bool address_read(const char *text, struct address *address)
{
    char rest[ADDRESS_MAX];
    bool is_plain = strncmp(text, "ws://", 5) == 0;
    bool is_sealed = strncmp(text, "wss://", 6) == 0;

    memset(address, 0, sizeof *address);
    if (strlen(text) >= ADDRESS_MAX)
        return false;
    memcpy(rest, text, strlen(text) + 1);
    if (!is_plain && !is_sealed)
        return authority_read(rest, address);
    address->kind = is_sealed ? ADDRESS_WSS : ADDRESS_WS;
    address->port = is_sealed ? PORT_WSS : PORT_WS;
    char *authority = rest + (is_sealed ? 6 : 5);
    char *slash = strchr(authority, '/');
    return (!slash || path_read(slash, address)) && authority_read(authority, address);
}
