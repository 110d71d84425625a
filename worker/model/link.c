#include "worker/model/link.h"

#include "worker/base/crypto.h"

#define QUERY_HASH_BYTES 8 /* of SHA-256: told apart are the files of one path */

bool link_is_link(struct text text)
{
    return text_starts_with(text, TEXT("https://")) || text_starts_with(text, TEXT("http://"));
}

struct parts { /* of a link that link_is_link */
    bool is_https;
    struct text host, path, query; /* path begins with '/' or is empty; query without '?' */
};

static struct parts parts_of(struct text link)
{
    struct parts parts = {.is_https = text_starts_with(link, TEXT("https://"))};
    struct text rest = text_slice(link, parts.is_https ? 8 : 7, link.bytes);
    size_t end = 0;
    while (end < rest.bytes && rest.start[end] != '/' && rest.start[end] != '?')
        end++;
    parts.host = text_slice(rest, 0, end);
    parts.path = text_cut(text_slice(rest, end, rest.bytes), '?', &parts.query);
    return parts;
}

struct text link_host(struct text link)
{
    return link_is_link(link) ? parts_of(link).host : TEXT_NONE;
}

bool link_check(struct text link, bool allows_http, struct error *err)
{
    if (!link_is_link(link) || link.bytes > LINK_BYTES_MAX)
        return error_set(err, ERR_LINK_REFUSED, "not a link, or longer than a link may be");
    struct parts parts = parts_of(link);
    if (!parts.is_https && !allows_http)
        return error_set(err, ERR_LINK_REFUSED, "a link without TLS (http)");
    for (size_t i = 0; i < link.bytes; i++) {
        unsigned char c = (unsigned char)link.start[i];
        if (c <= ' ' || c >= 0x7f || c == '#' || c == '\\' || c == '"')
            return error_set(err, ERR_LINK_REFUSED,
                             "a link with a character that would have to be encoded");
    }
    size_t at;
    if (!parts.host.bytes || text_find(parts.host, TEXT("@"), &at))
        return error_set(err, ERR_LINK_REFUSED, "a link without a host, or with a user name");
    return true;
}

bool link_resolve(struct text link, struct text location, struct buffer *ret_link)
{
    buffer_clear(ret_link);
    if (link_is_link(location))
        return buffer_append_text(ret_link, location);
    if (!text_starts_with(location, TEXT("/")) || text_starts_with(location, TEXT("//")))
        return false;
    struct parts parts = parts_of(link);
    return buffer_append_text(ret_link, parts.is_https ? TEXT("https://") : TEXT("http://")) &&
           buffer_append_text(ret_link, parts.host) && buffer_append_text(ret_link, location);
}

/* Parameters that only say who may fetch, and until when. The names of some are short enough to be
 * anybody's: they count beside the vendor's own signature only. */
static const struct {
    const char *signature;
    const char *names[24];
} VENDORS[] = {
    {"X-Amz-Signature",
     {"X-Amz-Signature", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
      "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "x-id",
      "x-amz-checksum-mode"}},
    {"X-Goog-Signature",
     {"X-Goog-Signature", "X-Goog-Algorithm", "X-Goog-Credential", "X-Goog-Date", "X-Goog-Expires",
      "X-Goog-SignedHeaders"}},
    {"Signature",
     {"Signature", "AWSAccessKeyId", "GoogleAccessId", "Expires", "Policy", "Key-Pair-Id",
      "x-amz-security-token"}},
    {"sig",
     {"sig", "sv", "ss", "srt", "sp", "st", "se", "sr", "spr", "sip", "sdd", "skoid", "sktid",
      "skt", "ske", "sks", "skv", "ses"}},
};

static bool has_parameter(struct text query, struct text name)
{
    while (query.bytes) {
        struct text value, parameter = text_cut(query, '&', &query);
        if (text_equal(text_cut(parameter, '=', &value), name))
            return true;
    }
    return false;
}

static bool is_signature(struct text name, struct text query)
{
    for (size_t i = 0; i < COUNT_OF(VENDORS); i++) {
        if (!has_parameter(query, text_from(VENDORS[i].signature)))
            continue;
        for (size_t j = 0; j < COUNT_OF(VENDORS[i].names) && VENDORS[i].names[j]; j++)
            if (text_equal(name, text_from(VENDORS[i].names[j])))
                return true;
    }
    return false;
}

static void append_query_hash(struct buffer *key, struct text query)
{
    AUTO_BUFFER struct buffer kept = buffer_new(LINK_BYTES_MAX);
    uint8_t hash[SHA256_BYTES];
    char hex[2 * QUERY_HASH_BYTES + 1];
    for (struct text rest = query; rest.bytes;) {
        struct text value, parameter = text_cut(rest, '&', &rest);
        if (is_signature(text_cut(parameter, '=', &value), query) || !parameter.bytes)
            continue;
        buffer_append_char(&kept, '&');
        buffer_append_text(&kept, parameter);
    }
    if (!kept.bytes)
        return;
    sha256_of(buffer_text(&kept), hash);
    hex_format(hash, QUERY_HASH_BYTES, hex);
    buffer_format(key, "~%s", hex);
}

/* Empty and dot segments are no part of a key: nobody's idea of a path may lead out of a prefix. */
static void append_path(struct buffer *key, struct text path)
{
    while (path.bytes) {
        struct text segment = text_cut(path, '/', &path);
        bool is_none =
            !segment.bytes || text_equal(segment, TEXT(".")) || text_equal(segment, TEXT(".."));
        if (!is_none)
            buffer_format(key, "/%.*s", TEXT_ARGS(segment));
    }
}

bool link_key(struct text link, const struct tenant *tenant, struct buffer *ret_key,
              struct error *err)
{
    struct parts parts = parts_of(link);
    struct tenant owner;
    buffer_clear(ret_key);
    buffer_format(ret_key, "%s%.*s", tenant->prefix, TEXT_ARGS(parts.host));
    append_path(ret_key, parts.path);
    append_query_hash(ret_key, parts.query);
    return tenant_from_key(buffer_text(ret_key), &owner, err);
}
