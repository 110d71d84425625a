#include "queue/s3_wire.h"

#include <string.h>

#include "worker/base/memory.h"
#include "worker/base/sigv4.h"

#define HOST_BYTES_MAX ((size_t)512)
#define URL_BYTES_MAX ((size_t)16 * 1024)
#define MD5_DIGITS ((size_t)32)
#define PARTS_BYTES_MAX ((size_t)6) /* "-10000" */

/* ---- where ----------------------------------------------------------------------------------- */

static bool is_host(struct text host)
{
    for (size_t i = 0; i < host.bytes; i++) {
        char c = host.start[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
        if (!is_fine)
            return false;
    }
    return host.bytes > 0 && host.bytes < HOST_BYTES_MAX;
}

static bool take_scheme(struct text *endpoint, bool *ret_is_https)
{
    *ret_is_https = text_starts_with(*endpoint, TEXT("https://"));
    if (!*ret_is_https && !text_starts_with(*endpoint, TEXT("http://")))
        return false;
    *endpoint = text_slice(*endpoint, *ret_is_https ? 8 : 7, endpoint->bytes);
    return true;
}

static bool place_from_endpoint(struct s3_place *place, struct text endpoint, struct error *err)
{
    struct text rest = endpoint, base;
    if (!take_scheme(&rest, &place->is_https))
        return error_set(
            err, ERR_CONFIG,
            "S3_ENDPOINT \"%.*s\" is neither https://host, http://host nor file:///dir",
            TEXT_ARGS(endpoint));
    struct text host = text_cut(rest, '/', &base);
    /* The HTTP client leaves the scheme's own port out of the Host header, which is signed. */
    struct text port = place->is_https ? TEXT(":443") : TEXT(":80");
    if (text_ends_with(host, port))
        host.bytes -= port.bytes;
    while (text_ends_with(base, TEXT("/")))
        base.bytes--;
    if (!is_host(host))
        return error_set(err, ERR_CONFIG, "S3_ENDPOINT \"%.*s\" names no host",
                         TEXT_ARGS(endpoint));
    AUTO_BUFFER struct buffer path = buffer_new(URL_BYTES_MAX);
    if (base.bytes)
        buffer_format(&path, "/%.*s", TEXT_ARGS(base));
    place->host = xstrdup(host);
    place->base = xstrdup(buffer_text(&path));
    return true;
}

static bool place_from_region(struct s3_place *place, struct error *err)
{
    char host[HOST_BYTES_MAX];
    if (!place->region[0])
        return error_set(err, ERR_CONFIG, "AWS_REGION is not set (and S3_ENDPOINT neither)");
    bool is_china = text_starts_with(text_from(place->region), TEXT("cn-"));
    if (!text_format(host, sizeof(host), "s3.%s.amazonaws.com%s", place->region,
                     is_china ? ".cn" : "") ||
        !is_host(text_from(host)))
        return error_set(err, ERR_CONFIG, "AWS_REGION is no name of a region");
    place->is_aws = place->is_https = true;
    place->host = xstrdup(text_from(host));
    place->base = xstrdup(TEXT_NONE);
    return true;
}

bool s3_place_init(struct s3_place *place, const struct objects_options *options, struct error *err)
{
    *place = (struct s3_place){.is_path_style = options->is_path_style || options->endpoint.bytes};
    /* What is no AWS rarely looks at the region, but it is part of the signature. */
    bool has_region = options->region.bytes || !options->endpoint.bytes;
    place->region = xstrdup(has_region ? options->region : TEXT("us-east-1"));
    if (options->endpoint.bytes ? place_from_endpoint(place, options->endpoint, err)
                                : place_from_region(place, err))
        return true;
    s3_place_release(place);
    return false;
}

void s3_place_release(struct s3_place *place)
{
    xfree(place->region);
    xfree(place->host);
    xfree(place->base);
    *place = (struct s3_place){0};
}

static bool is_bucket(struct text bucket)
{
    size_t at;
    if (bucket.bytes < 3 || bucket.bytes > 255 || text_find(bucket, TEXT(".."), &at) ||
        bucket.start[0] == '.')
        return false;
    for (size_t i = 0; i < bucket.bytes; i++) {
        char c = bucket.start[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
        if (!is_fine)
            return false;
    }
    return true;
}

static bool has_dot_segment(struct text key)
{
    for (struct text rest = key; rest.bytes;) {
        struct text segment = text_cut(rest, '/', &rest);
        if (text_equal(segment, TEXT(".")) || text_equal(segment, TEXT("..")))
            return true;
    }
    return false;
}

static bool check_names(const struct s3_where *where, struct error *err)
{
    size_t at;
    if (!is_bucket(where->bucket))
        return error_set(err, ERR_EVENT_BUCKET, "\"%.*s\" is no name of a bucket",
                         TEXT_ARGS(where->bucket));
    if (has_dot_segment(where->key) || text_find(where->key, (struct text){"", 1}, &at))
        return error_set(err, ERR_EVENT_KEY, "a \".\" or \"..\" segment or a NUL in the key");
    return true;
}

static void append_host(const struct s3_place *place, struct text region, struct buffer *host)
{
    bool is_china = text_starts_with(region, TEXT("cn-"));
    if (place->is_aws && region.bytes)
        buffer_format(host, "s3.%.*s.amazonaws.com%s", TEXT_ARGS(region), is_china ? ".cn" : "");
    else
        buffer_append_text(host, text_from(place->host));
}

static void write_address(const struct s3_place *place, const struct s3_where *where,
                          struct s3_address *address)
{
    size_t at;
    /* A certificate for *.s3... covers one label: names with dots go into the path. */
    bool is_in_path = place->is_path_style || text_find(where->bucket, TEXT("."), &at);
    if (!is_in_path)
        buffer_format(&address->host, "%.*s.", TEXT_ARGS(where->bucket));
    append_host(place, where->region, &address->host);
    buffer_append_text(&address->path, text_from(place->base));
    if (is_in_path)
        buffer_format(&address->path, "/%.*s", TEXT_ARGS(where->bucket));
    buffer_append_char(&address->path, '/');
    sigv4_encode(&address->path, where->key, '/');
    buffer_format(&address->url, "%s://%.*s%.*s%s%.*s", place->is_https ? "https" : "http",
                  TEXT_ARGS(buffer_text(&address->host)), TEXT_ARGS(buffer_text(&address->path)),
                  where->query.bytes ? "?" : "", TEXT_ARGS(where->query));
}

bool s3_address_of(const struct s3_place *place, const struct s3_where *where,
                   struct s3_address *ret_address, struct error *err)
{
    if (!check_names(where, err))
        return false;
    struct s3_address address = {buffer_new(2 * HOST_BYTES_MAX), buffer_new(URL_BYTES_MAX),
                                 buffer_new(2 * URL_BYTES_MAX)};
    write_address(place, where, &address);
    if (address.host.is_full || address.path.is_full || address.url.is_full) {
        s3_address_release(&address);
        return error_set(err, ERR_EVENT_KEY, "the key is longer than a key can be");
    }
    *ret_address = address;
    return true;
}

void s3_address_release(struct s3_address *address)
{
    buffer_release(&address->host);
    buffer_release(&address->path);
    buffer_release(&address->url);
}

/* ---- what answers mean ----------------------------------------------------------------------- */

static bool is_throttle(struct text code)
{
    static const char *const CODES[] = {"SlowDown",
                                        "SlowDownRead",
                                        "SlowDownWrite",
                                        "Throttling",
                                        "ThrottlingException",
                                        "RequestLimitExceeded",
                                        "BandwidthLimitExceeded",
                                        "TooManyRequests"};
    for (size_t i = 0; i < COUNT_OF(CODES); i++)
        if (text_equal(code, text_from(CODES[i])))
            return true;
    return false;
}

static enum error_code code_of_404(const struct s3_answer *answer, struct text code)
{
    if (answer->is_deleted || text_equal(code, TEXT("NoSuchKey")) ||
        text_equal(code, TEXT("NoSuchVersion")))
        return ERR_GONE;
    /* Whoever answers 404 without S3's words may be no S3 at all: nothing may be deleted for it. */
    return text_equal(code, TEXT("NoSuchBucket")) ? ERR_UNAVAILABLE : ERR_PROTOCOL;
}

static enum error_code code_of(const struct s3_answer *answer, struct text code)
{
    if (is_throttle(code) || answer->status == 429)
        return ERR_THROTTLED;
    if (text_equal(code, TEXT("RequestTimeout")))
        return ERR_TIMEOUT;
    if (text_equal(code, TEXT("EntityTooLarge")) || answer->status == 413)
        return ERR_TOO_LARGE;
    if (text_equal(code, TEXT("InvalidObjectState")))
        return ERR_ARCHIVED;
    if (text_equal(code, TEXT("ExpiredToken")) || text_equal(code, TEXT("InvalidToken")) ||
        text_equal(code, TEXT("AuthorizationHeaderMalformed")) ||
        text_starts_with(code, TEXT("KMS.")) || answer->status == 401 || answer->status == 403)
        return ERR_DENIED;
    if (answer->status == 404)
        return code_of_404(answer, code);
    if (answer->status == 405 && answer->is_deleted)
        return ERR_GONE; /* the version asked for is a delete marker */
    if (answer->status == 409 || answer->status >= 500)
        return ERR_UNAVAILABLE;
    return ERR_PROTOCOL;
}

static bool is_region(struct text region)
{
    for (size_t i = 0; i < region.bytes; i++) {
        char c = region.start[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return region.bytes > 0 && region.bytes < S3_REGION_BYTES_MAX;
}

struct text s3_other_region(const struct s3_answer *answer)
{
    const struct s3_fault *fault = answer->fault;
    bool is_redirected = answer->status >= 300 && answer->status < 400 && answer->status != 304;
    /* HEAD's refusals have no words. */
    bool is_said =
        answer->status == 400 && (fault ? strcmp(fault->code, "AuthorizationHeaderMalformed") == 0
                                        : answer->verb == OBJECT_HEAD);
    if (!is_redirected && !is_said)
        return TEXT_NONE;
    struct text region = answer->region.bytes || !fault ? answer->region : text_from(fault->region);
    return is_region(region) ? region : TEXT_NONE;
}

bool s3_refuse(const struct s3_answer *answer, struct error *err)
{
    const struct s3_fault *fault = answer->fault;
    struct text code = text_from(fault ? fault->code : NULL);
    struct text region = s3_other_region(answer);
    if (region.bytes)
        return error_set(err, ERR_DENIED, "bucket \"%.*s\" is in region %.*s: set AWS_REGION to it",
                         TEXT_ARGS(answer->bucket), TEXT_ARGS(region));
    return error_set(err, code_of(answer, code), "bucket \"%.*s\": HTTP %u %.*s%s%s",
                     TEXT_ARGS(answer->bucket), answer->status, TEXT_ARGS(code),
                     fault && fault->message[0] ? ": " : "", fault ? fault->message : "");
}

struct text s3_etag(struct text header)
{
    if (text_starts_with(header, TEXT("W/")))
        header = text_slice(header, 2, header.bytes);
    if (header.bytes >= 2 && header.start[0] == '"' && header.start[header.bytes - 1] == '"')
        return text_slice(header, 1, header.bytes - 1);
    return header;
}

/* Characters that do not belong into an MD5 as S3 writes it: 32 hex digits of one case, and of an
 * object of several parts their number behind a hyphen. */
static size_t strangers_in(struct text etag)
{
    size_t strangers = 0, small = 0, large = 0;
    for (size_t i = 0; i < MD5_DIGITS; i++) {
        char c = etag.start[i];
        strangers += text_hex_digit(c) < 0;
        small += c >= 'a' && c <= 'f';
        large += c >= 'A' && c <= 'F';
    }
    for (size_t i = MD5_DIGITS; i < etag.bytes; i++) {
        char c = etag.start[i];
        strangers += i == MD5_DIGITS ? c != '-' : c < '0' || c > '9';
    }
    return strangers + (small < large ? small : large);
}

bool s3_etag_is_spoiled(struct text etag)
{
    size_t at;
    if (text_find(etag, TEXT("\""), &at)) /* no eTag has one, but around it */
        return true;
    bool has_length = etag.bytes >= MD5_DIGITS && etag.bytes <= MD5_DIGITS + PARTS_BYTES_MAX;
    return has_length && strangers_in(etag) == 1;
}
