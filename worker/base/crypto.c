#include "worker/base/crypto.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "worker/base/memory.h"

/* OpenSSL's digests fail only without memory or where the build lacks the algorithm; nothing
 * sensible can go on then. */
static void must(int status)
{
    if (status != 1)
        abort();
}

static void digest(const EVP_MD *kind, struct text text, uint8_t *ret_hash)
{
    must(EVP_Digest(text.start, text.bytes, ret_hash, NULL, kind, NULL));
}

static void fill_from_entropy(void *data, size_t bytes)
{
    uint8_t *at = data;
    while (bytes) {
        ssize_t got = getrandom(at, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); /* a predictable fence would be worse than no worker */
        at += got;
        bytes -= (size_t)got;
    }
}

/* ---- hashes ---------------------------------------------------------------------------------- */

struct sha256 {
    EVP_MD_CTX *context;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *sha256 = xmalloc(sizeof(*sha256));
    sha256->context = EVP_MD_CTX_new();
    must(sha256->context != NULL);
    must(EVP_DigestInit_ex(sha256->context, EVP_sha256(), NULL));
    return sha256;
}

void sha256_add(struct sha256 *sha256, const void *data, size_t bytes)
{
    must(EVP_DigestUpdate(sha256->context, data, bytes));
}

void sha256_finish(struct sha256 *sha256, uint8_t ret_hash[SHA256_BYTES])
{
    must(EVP_DigestFinal_ex(sha256->context, ret_hash, NULL));
    EVP_MD_CTX_free(sha256->context);
    xfree(sha256);
}

void sha256_of(struct text text, uint8_t ret_hash[SHA256_BYTES])
{
    digest(EVP_sha256(), text, ret_hash);
}

void hmac_sha256(struct text key, struct text message, uint8_t ret_mac[SHA256_BYTES])
{
    assert(key.bytes <= INT32_MAX);
    /* A NULL key would mean "the key of the call before" to OpenSSL. */
    const char *key_start = key.start ? key.start : "";
    must(HMAC(EVP_sha256(), key_start, (int)key.bytes, (const uint8_t *)message.start,
              message.bytes, ret_mac, NULL) != NULL);
}

void md5_of(struct text text, uint8_t ret_hash[16])
{
    digest(EVP_md5(), text, ret_hash);
}

void sha1_of(struct text text, uint8_t ret_hash[20])
{
    digest(EVP_sha1(), text, ret_hash);
}

bool secret_equal(struct text a, struct text b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || CRYPTO_memcmp(a.start, b.start, a.bytes) == 0);
}

/* ---- ids ------------------------------------------------------------------------------------- */

const struct uuid UUID_NIL = {{0}};

bool uuid_equal(struct uuid a, struct uuid b)
{
    return uuid_compare(a, b) == 0;
}

bool uuid_is_nil(struct uuid id)
{
    return uuid_equal(id, UUID_NIL);
}

int uuid_compare(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

/* Bytes before which a hyphen stands in the text: 8-4-4-4-12 digits. */
static bool has_hyphen_before(size_t at)
{
    return at == 4 || at == 6 || at == 8 || at == 10;
}

/* -1 for capitals, too: a second spelling of the same id would be a second key. */
static int lower_hex_digit(char c)
{
    return c >= 'A' && c <= 'F' ? -1 : text_hex_digit(c);
}

bool uuid_parse(struct text text, struct uuid *ret_id)
{
    struct uuid id;
    if (text.bytes != UUID_TEXT_BYTES - 1)
        return false;
    const char *from = text.start;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        if (has_hyphen_before(i) && *from++ != '-')
            return false;
        int high = lower_hex_digit(*from++), low = lower_hex_digit(*from++);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return true;
}

const char *uuid_format(struct uuid id, char buffer[UUID_TEXT_BYTES])
{
    char *to = buffer;
    for (size_t i = 0; i < sizeof(id.bytes); i++, to += 2) {
        if (has_hyphen_before(i))
            *to++ = '-';
        hex_format(&id.bytes[i], 1, to);
    }
    return buffer;
}

static struct uuid with_version(struct uuid id, uint8_t version)
{
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | version << 4);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80); /* the variant of RFC 9562 */
    return id;
}

struct uuid uuid_v5(struct uuid space, struct text name)
{
    uint8_t hash[20];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL);
    must(EVP_DigestInit_ex(context, EVP_sha1(), NULL));
    must(EVP_DigestUpdate(context, space.bytes, sizeof(space.bytes)));
    must(EVP_DigestUpdate(context, name.start, name.bytes));
    must(EVP_DigestFinal_ex(context, hash, NULL));
    EVP_MD_CTX_free(context);
    struct uuid id;
    memcpy(id.bytes, hash, sizeof(id.bytes));
    return with_version(id, 5);
}

struct uuid uuid_v4(void)
{
    struct uuid id;
    fill_from_entropy(id.bytes, sizeof(id.bytes));
    return with_version(id, 4);
}

uint64_t random_u63(void)
{
    static _Thread_local uint64_t drawn[64]; /* a draw for each costs as much as parsing an id */
    static _Thread_local size_t left;
    uint64_t value;
    do {
        if (left == 0) {
            fill_from_entropy(drawn, sizeof(drawn));
            left = COUNT_OF(drawn);
        }
        value = drawn[--left] & INT64_MAX;
    } while (value == 0);
    return value;
}

/* ---- spellings ------------------------------------------------------------------------------- */

void hex_format(const uint8_t *data, size_t bytes, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        *ret_hex++ = digits[data[i] >> 4];
        *ret_hex++ = digits[data[i] & 15];
    }
    *ret_hex = '\0';
}

bool hex_parse(struct text hex, uint8_t *ret_data, size_t bytes)
{
    if (hex.bytes % 2 != 0 || hex.bytes / 2 != bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        int high = text_hex_digit(hex.start[2 * i]), low = text_hex_digit(hex.start[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_data[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encoded_bytes(size_t bytes)
{
    return bytes / 3 * 4 + (bytes % 3 ? 4 : 0);
}

void base64_encode(struct text data, char *ret_text)
{
    const uint8_t *from = (const uint8_t *)data.start;
    for (size_t left = data.bytes; left; from += 3, ret_text += 4) {
        uint32_t bits = (uint32_t)from[0] << 16 | (left > 1 ? (uint32_t)from[1] << 8 : 0) |
                        (left > 2 ? from[2] : 0);
        for (unsigned i = 0; i < 4; i++)
            ret_text[i] = (char)(i <= left ? BASE64[bits >> (18 - 6 * i) & 63] : '=');
        if (left <= 3)
            return;
        left -= 3;
    }
}

static int base64_digit(char c)
{
    const char *found = c ? strchr(BASE64, c) : NULL;
    return found ? (int)(found - BASE64) : -1;
}

/* Four characters with pad_count of them "=": 3 - pad_count bytes. */
static bool decode_quad(const char *from, size_t pad_count, uint8_t *ret_data)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < 4 - pad_count ? base64_digit(from[i]) : 0;
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
    }
    if (bits & ((1u << 8 * pad_count) - 1))
        return false; /* bits that no encoder sets: a second spelling of the same bytes */
    for (size_t i = 0; i < 3 - pad_count; i++)
        ret_data[i] = (uint8_t)(bits >> (16 - 8 * i));
    return true;
}

bool base64_decode(struct text text, uint8_t *ret_data, size_t data_bytes_max, size_t *ret_bytes)
{
    size_t pad_count = 0;
    if (text.bytes % 4 != 0)
        return false;
    while (pad_count < 2 && pad_count < text.bytes && text.start[text.bytes - 1 - pad_count] == '=')
        pad_count++;
    size_t bytes = text.bytes / 4 * 3 - pad_count;
    if (bytes > data_bytes_max)
        return false;
    for (size_t at = 0; at < text.bytes; at += 4, ret_data += 3)
        if (!decode_quad(text.start + at, at + 4 == text.bytes ? pad_count : 0, ret_data))
            return false;
    *ret_bytes = bytes;
    return true;
}
