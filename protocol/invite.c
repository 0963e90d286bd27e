/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/invite.h"

#include <string.h>
#include <strings.h>

#include "protocol/seal.h"
#include "protocol/wire.h"

#define CODE_MARK        "kith1"
#define CODE_CHECK_BYTES 4
#define CODE_BYTES_MAX   (KEY_BYTES + ID_BYTES + CODE_SECRET_BYTES + ADDRESS_MAX + 32)
#define CODE_GROUP_CHARS 6
#define CODE_CHARS_MAX   ((CODE_BYTES_MAX * 8 + 4) / 5)

_Static_assert(sizeof CODE_MARK + CODE_CHARS_MAX + CODE_CHARS_MAX / CODE_GROUP_CHARS + 1 <=
                   CODE_TEXT_MAX,
               "the longest code fits its text");

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

void invite_derive(const uint8_t secret[static CODE_SECRET_BYTES], struct invite_keys *keys)
{
    uint8_t wide[KEY_BYTES] = {0};
    uint8_t seed[KEY_BYTES];

    memcpy(wide, secret, CODE_SECRET_BYTES);
    seal_derive(SEAL_INVITE_SIGN_SEED, wide, bytes_of(NULL, 0), seed);
    seal_sign_keypair(seed, keys->sign_public, keys->sign_secret);
    seal_derive(SEAL_INVITE_BOX_SEED, wide, bytes_of(NULL, 0), keys->box_secret);
    seal_box_public(keys->box_secret, keys->box_public);
    seal_derive(SEAL_INVITE_PSK, wide, bytes_of(NULL, 0), keys->psk);
    seal_wipe(wide, sizeof wide);
    seal_wipe(seed, sizeof seed);
}

size_t base32_chars(size_t len)
{
    return (len * 8 + 4) / 5;
}

void base32_write(struct bytes bytes, char *text)
{
    unsigned bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        bits = (bits << 8) | bytes.ptr[i];
        held += 8;
        while (held >= 5) {
            *text++ = alphabet[(bits >> (held - 5)) & 31u];
            held -= 5;
        }
        bits &= (1u << held) - 1;
    }
    if (held > 0)
        *text++ = alphabet[(bits << (5 - held)) & 31u];
    *text = '\0';
}

/* The value of a character, -1 if it has none. 0, 1 and 8 are read as the letters they are taken
 * for. */
static int base32_value(char c)
{
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= '2' && c <= '7')
        return c - '2' + 26;
    if (c == '0')
        return 'o' - 'a';
    if (c == '1')
        return 'l' - 'a';
    return c == '8' ? 'b' - 'a' : -1;
}

/* Reads what is left of `text` into `to`; the number of bytes, or 0 for a foreign character, no
 * room, or bits beyond the last byte that say anything: a text has one way to be written. */
static size_t base32_read(const char *text, uint8_t *to, size_t room)
{
    unsigned bits = 0;
    unsigned held = 0;
    size_t len = 0;

    for (; *text; text++) {
        if (*text == '-' || *text == ' ' || *text == '\n' || *text == '\r' || *text == '\t')
            continue;
        int value = base32_value(*text);
        if (value < 0)
            return 0;
        bits = ((bits << 5) | (unsigned)value) & 0xFFFu;
        held += 5;
        if (held < 8)
            continue;
        if (len == room)
            return 0;
        to[len++] = (uint8_t)(bits >> (held - 8));
        held -= 8;
    }
    return held < 5 && (bits & ((1u << held) - 1)) == 0 ? len : 0;
}

static void code_check(struct bytes body, uint8_t check[static HASH_BYTES])
{
    seal_hash(SEAL_CODE_CHECK, &body, 1, check);
}

/* "kith1-xxxxxx-xxxxxx...": groups that can be read aloud. */
static void code_group(struct bytes bytes, char text[static CODE_TEXT_MAX])
{
    char plain[CODE_TEXT_MAX];
    size_t at = strlen(CODE_MARK);

    base32_write(bytes, plain);
    memcpy(text, CODE_MARK, at);
    for (size_t i = 0; plain[i]; i++) {
        if (i % CODE_GROUP_CHARS == 0)
            text[at++] = '-';
        text[at++] = plain[i];
    }
    text[at] = '\0';
    seal_wipe(plain, sizeof plain);
}

enum kith_err code_write(const struct code *code, char text[static CODE_TEXT_MAX])
{
    uint8_t check[HASH_BYTES];
    struct buffer out;
    size_t address_len = strlen(code->address);
    enum kith_err err = KITH_ADDRESS;

    buffer_init(&out, CODE_BYTES_MAX);
    if (address_len == 0 || address_len >= ADDRESS_MAX)
        goto out;
    wire_put_array(&out, 5);
    wire_put_bin(&out, bytes_of(code->hub_key, KEY_BYTES));
    wire_put_bin(&out, bytes_of(code->agency, ID_BYTES));
    wire_put_uint(&out, code->device);
    wire_put_bin(&out, bytes_of(code->secret, CODE_SECRET_BYTES));
    wire_put_text(&out, bytes_text(code->address));
    code_check(buffer_view(&out), check);
    buffer_add(&out, check, CODE_CHECK_BYTES);
    err = out.err;
    if (!err)
        code_group(buffer_view(&out), text);
out:
    buffer_clear(&out);
    return err;
}

static enum kith_err code_parse(struct code *code, struct bytes body)
{
    struct wire_in in = wire_open(body);

    wire_array_exact(&in, 5);
    wire_bin_exact(&in, code->hub_key, KEY_BYTES);
    wire_bin_exact(&in, code->agency, ID_BYTES);
    code->device = (uint32_t)wire_uint(&in, DEVICE_MAX);
    wire_bin_exact(&in, code->secret, CODE_SECRET_BYTES);
    struct bytes address = wire_text(&in, ADDRESS_MAX - 1);
    if (wire_close(&in) || address.len == 0)
        return KITH_CODE;
    memcpy(code->address, address.ptr, address.len);
    return KITH_OK;
}

enum kith_err code_read(struct code *code, const char *text)
{
    uint8_t bytes[CODE_BYTES_MAX];
    uint8_t check[HASH_BYTES];
    enum kith_err err = KITH_CODE;

    memset(code, 0, sizeof *code);
    text += strspn(text, " \t\r\n");
    if (strncasecmp(text, CODE_MARK, strlen(CODE_MARK)) != 0)
        return KITH_CODE;
    size_t len = base32_read(text + strlen(CODE_MARK), bytes, sizeof bytes);
    if (len <= CODE_CHECK_BYTES)
        goto out;
    struct bytes body = bytes_of(bytes, len - CODE_CHECK_BYTES);
    code_check(body, check);
    if (seal_equal(check, bytes + body.len, CODE_CHECK_BYTES))
        err = code_parse(code, body);
out:
    seal_wipe(bytes, sizeof bytes);
    return err;
}

void id_write(const uint8_t id[static ID_BYTES], char text[static ID_TEXT_CHARS + 1])
{
    base32_write(bytes_of(id, ID_BYTES), text);
}

enum kith_err id_read_prefix(const char *text, uint8_t id[static ID_BYTES], unsigned *bits)
{
    memset(id, 0, ID_BYTES);
    *bits = 0;
    for (; *text; text++) {
        int value = base32_value(*text);
        if (value < 0 || *bits >= ID_TEXT_CHARS * 5)
            return KITH_INPUT;
        for (unsigned b = 5; b > 0; b--, (*bits)++) {
            bool is_set = ((unsigned)value >> (b - 1)) & 1u;
            if (is_set && *bits >= ID_BYTES * 8)
                return KITH_INPUT;
            if (is_set)
                id[*bits / 8] |= (uint8_t)(0x80u >> (*bits % 8));
        }
    }
    if (*bits > ID_BYTES * 8)
        *bits = ID_BYTES * 8;
    return KITH_OK;
}

bool id_has_prefix(const uint8_t id[static ID_BYTES], const uint8_t prefix[static ID_BYTES],
                   unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(id, prefix, whole) != 0)
        return false;
    return rest == 0 || (id[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}
