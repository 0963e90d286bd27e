/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a payload before encryption: compressed if that helps, framed, padded to one of
 * few sizes.
 *
 * Layout: codec (1 byte: 0 as it is, 1 zstd without a dictionary, 2 zstd with dictionary 1 of
 * protocol/dictionary.h; 2 is written), length of what follows (3 bytes,
 * big-endian), the data, zeros. Sizes go up by the square root of two from 128 to 4096 and follow
 * Padmé above (Nikitin et al., PURBs, PoPETs 2019): the size of a ciphertext says little about the
 * text. One author's one change is compressed alone; keys never are. Output of decompression is
 * bounded by CHANGE_TEXT_MAX. Source: RFC 8878 (zstd).
 */
#ifndef KITH_PROTOCOL_COMPRESS_H
#define KITH_PROTOCOL_COMPRESS_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

#define PADDED_MIN 128

/* The padded size for `len` bytes. */
size_t padded_size(size_t len);

/* Appends the packed text to `packed`. KITH_TOO_LARGE when even compressed it is over what a change
 * may hold. */
MUST_USE enum kith_err text_pack(struct bytes text, struct buffer *packed);
/* Appends the text to `text`, whose maximum must be at least CHANGE_TEXT_MAX. */
MUST_USE enum kith_err text_unpack(struct bytes packed, struct buffer *text);

#endif
