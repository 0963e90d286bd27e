/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compression dictionary that is part of the protocol (codec 2): trained on synthetic notes by
 * `make dictionary`, never on anybody's own. Source: RFC 8878, section 5 (zstd dictionaries).
 */
#ifndef KITH_PROTOCOL_DICTIONARY_H
#define KITH_PROTOCOL_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

extern const uint8_t dictionary_1[];
extern const size_t dictionary_1_len;

#endif
