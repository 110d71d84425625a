/*
 * checksum.h - what a server says about an object's bytes, and whether the bytes agree. Pure.
 *
 * A checksum of the whole object is checked, whichever of S3's it is; one that is composed of the
 * parts of an upload ("...-4") says nothing about the whole and is passed over, as is what we do
 * not know. Without one, an eTag of 32 hex digits is taken for the MD5 that it mostly is.
 * Thread: any.
 */
#ifndef QUEUE_CHECKSUM_H
#define QUEUE_CHECKSUM_H

#include "worker/base/crypto.h"

#define CHECKSUM_BYTES_MAX SHA256_BYTES

enum checksum_kind {
    CHECKSUM_NONE,
    CHECKSUM_MD5, /* of an eTag */
    CHECKSUM_SHA256,
    CHECKSUM_SHA1,
    CHECKSUM_CRC64_NVME,
    CHECKSUM_CRC32C,
    CHECKSUM_CRC32,
    CHECKSUM_KIND_COUNT
};

struct checksum {
    enum checksum_kind kind;
    uint8_t digest[CHECKSUM_BYTES_MAX];
};

/* "x-amz-checksum-sha256" for the kinds that have a header, else NULL. */
const char *checksum_header(enum checksum_kind kind);
/* The header's value; false when it is no checksum of a whole object. */
bool checksum_parse(enum checksum_kind kind, struct text value, struct checksum *ret) MUST_CHECK;
/* Computes the same kind over the bytes. */
struct checksum checksum_of(enum checksum_kind kind, struct text body);
bool checksum_equal(const struct checksum *a, const struct checksum *b);

#endif
