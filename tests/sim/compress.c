/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zstd with one context for all calls: the same bytes come out, and no time goes into making and
 * freeing one of some hundred kilobytes for every sentence.
 */
#include <stdlib.h>
#include <zstd.h>

size_t ZSTD_compress(void *dst, size_t dstCapacity, const void *src, size_t srcSize,
                     int compressionLevel)
{
    static ZSTD_CCtx *context;

    if (!context)
        context = ZSTD_createCCtx();
    if (!context)
        abort();
    return ZSTD_compressCCtx(context, dst, dstCapacity, src, srcSize, compressionLevel);
}

size_t ZSTD_decompress(void *dst, size_t dstCapacity, const void *src, size_t compressedSize)
{
    static ZSTD_DCtx *context;

    if (!context)
        context = ZSTD_createDCtx();
    if (!context)
        abort();
    return ZSTD_decompressDCtx(context, dst, dstCapacity, src, compressedSize);
}
