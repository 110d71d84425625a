#include "queue/checksum.h"

#include <string.h>

#include "worker/base/crc.h"

static const struct {
    const char *header;
    size_t bytes;
} KINDS[CHECKSUM_KIND_COUNT] = {
    [CHECKSUM_NONE] = {NULL, 0},
    [CHECKSUM_MD5] = {NULL, 16},
    [CHECKSUM_SHA256] = {"x-amz-checksum-sha256", SHA256_BYTES},
    [CHECKSUM_SHA1] = {"x-amz-checksum-sha1", 20},
    [CHECKSUM_CRC64_NVME] = {"x-amz-checksum-crc64nvme", 8},
    [CHECKSUM_CRC32C] = {"x-amz-checksum-crc32c", 4},
    [CHECKSUM_CRC32] = {"x-amz-checksum-crc32", 4},
};

const char *checksum_header(enum checksum_kind kind)
{
    return KINDS[kind].header;
}

bool checksum_parse(enum checksum_kind kind, struct text value, struct checksum *ret)
{
    struct checksum found = {.kind = kind};
    size_t bytes;
    if (kind == CHECKSUM_MD5 ? !hex_parse(value, found.digest, KINDS[kind].bytes)
                             : !base64_decode(value, found.digest, sizeof(found.digest), &bytes) ||
                                   bytes != KINDS[kind].bytes)
        return false;
    *ret = found;
    return true;
}

/* S3 writes numbers with the highest byte first. */
static void put_number(uint8_t *digest, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        digest[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
}

struct checksum checksum_of(enum checksum_kind kind, struct text body)
{
    struct checksum sum = {.kind = kind};
    switch (kind) {
    case CHECKSUM_NONE:
    case CHECKSUM_KIND_COUNT:
        break;
    case CHECKSUM_MD5:
        md5_of(body, sum.digest);
        break;
    case CHECKSUM_SHA256:
        sha256_of(body, sum.digest);
        break;
    case CHECKSUM_SHA1:
        sha1_of(body, sum.digest);
        break;
    case CHECKSUM_CRC64_NVME:
        put_number(sum.digest, crc64_nvme_of(body), KINDS[kind].bytes);
        break;
    case CHECKSUM_CRC32C:
        put_number(sum.digest, crc32c_of(body), KINDS[kind].bytes);
        break;
    case CHECKSUM_CRC32:
        put_number(sum.digest, crc32_of(body), KINDS[kind].bytes);
        break;
    }
    return sum;
}

bool checksum_equal(const struct checksum *a, const struct checksum *b)
{
    return a->kind == b->kind && memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}
