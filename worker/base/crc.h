/*
 * crc.h - the checksums that S3 keeps of an object, beside the hashes of crypto.h.
 *
 * Thread: any.
 */
#ifndef WORKER_BASE_CRC_H
#define WORKER_BASE_CRC_H

#include "worker/base/text.h"

uint32_t crc32_of(struct text text);      /* ISO 3309, as in zlib */
uint32_t crc32c_of(struct text text);     /* Castagnoli */
uint64_t crc64_nvme_of(struct text text); /* NVM Express, reflected */

#endif
