/*
 * crypto.h - hashes, derived ids and their spellings.
 *
 * Thread: any.
 */
#ifndef WORKER_BASE_CRYPTO_H
#define WORKER_BASE_CRYPTO_H

#include "worker/base/text.h"

#define SHA256_BYTES 32
#define UUID_TEXT_BYTES 37 /* 36 characters and a NUL */

struct uuid {
    uint8_t bytes[16];
};

struct sha256; /* incremental */
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *sha256, const void *data, size_t bytes);
void sha256_finish(struct sha256 *sha256, uint8_t ret_hash[SHA256_BYTES]); /* and frees it */
void sha256_of(struct text text, uint8_t ret_hash[SHA256_BYTES]);
void hmac_sha256(struct text key, struct text message, uint8_t ret_mac[SHA256_BYTES]);
void md5_of(struct text text, uint8_t ret_hash[16]);  /* eTags only */
void sha1_of(struct text text, uint8_t ret_hash[20]); /* S3's checksums only */
bool secret_equal(struct text a, struct text b); /* in a time that tells nothing but the length */

extern const struct uuid UUID_NIL;
bool uuid_equal(struct uuid a, struct uuid b);
bool uuid_is_nil(struct uuid id);
int uuid_compare(struct uuid a, struct uuid b);
/* Only the canonical form: 36 characters, lower case, hyphens in place. */
bool uuid_parse(struct text text, struct uuid *ret_id) MUST_CHECK;
const char *uuid_format(struct uuid id, char buffer[UUID_TEXT_BYTES]); /* returns buffer */
struct uuid uuid_v5(struct uuid space, struct text name);              /* RFC 9562 5.5 */
struct uuid uuid_v4(void); /* from the kernel's entropy */

void hex_format(const uint8_t *data, size_t bytes,
                char *ret_hex); /* 2 x bytes + 1 (NUL), lower case */
/* Exactly 2 x bytes digits. On failure ret_data may be written to. */
bool hex_parse(struct text hex, uint8_t *ret_data, size_t bytes) MUST_CHECK;
size_t base64_encoded_bytes(size_t bytes);            /* without a NUL */
void base64_encode(struct text data, char *ret_text); /* that many characters, no NUL */
/* RFC 4648 section 4 with its padding, and no other spelling of the same bytes. On failure ret_data
 * may be written to, never beyond data_bytes_max. */
bool base64_decode(struct text text, uint8_t *ret_data, size_t data_bytes_max,
                   size_t *ret_bytes) MUST_CHECK;
/* 1 .. 2^63-1, from the kernel's entropy: fences. Drawn ahead: of a process that forks and goes on
 * without exec, only one may ask for more. */
uint64_t random_u63(void);

#endif
