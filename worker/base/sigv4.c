#include "worker/base/sigv4.h"

#include <stdlib.h>
#include <string.h>

#include "worker/base/date.h"
#include "worker/base/memory.h"

#define CANONICAL_BYTES_MAX ((size_t)256 * 1024)
#define SEGMENTS_MAX 1024
#define SECRET_BYTES_MAX 1024

static const char ALGORITHM[] = "AWS4-HMAC-SHA256";

struct parameter {
    struct text name, value; /* still as the caller wrote them */
};

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void sigv4_encode(struct buffer *out, struct text text, char keep)
{
    static const char HEX[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.start[i];
        unsigned char byte = (unsigned char)c;
        if (is_unreserved(c) || (keep && c == keep)) {
            buffer_append_char(out, c);
            continue;
        }
        char escape[3] = {'%', HEX[byte >> 4], HEX[byte & 15]};
        buffer_append(out, escape, sizeof(escape));
    }
}

/* ---- path ------------------------------------------------------------------------------------ */

/* RFC 3986 5.2.4, and empty segments go too, as the suite has it. */
static void append_normalized_path(struct buffer *out, struct text path)
{
    struct text segments[SEGMENTS_MAX];
    size_t count = 0;
    bool ends_with_slash = text_ends_with(path, TEXT("/"));
    for (struct text rest = path; rest.bytes;) {
        struct text segment = text_cut(rest, '/', &rest);
        bool is_up = text_equal(segment, TEXT(".."));
        if (is_up && count)
            count--;
        if (is_up || !segment.bytes || text_equal(segment, TEXT(".")))
            continue;
        if (count == SEGMENTS_MAX) {
            out->is_full = true;
            return;
        }
        segments[count++] = segment;
    }
    for (size_t i = 0; i < count; i++) {
        buffer_append_char(out, '/');
        sigv4_encode(out, segments[i], '\0');
    }
    if (count == 0 || ends_with_slash)
        buffer_append_char(out, '/');
}

static void append_path(struct buffer *out, const struct sigv4_request *request)
{
    struct text path = request->path.bytes ? request->path : TEXT("/");
    switch (request->path_rule) {
    case SIGV4_PATH_AS_SENT:
        buffer_append_text(out, path);
        break;
    case SIGV4_PATH_ENCODED:
        sigv4_encode(out, path, '/');
        break;
    case SIGV4_PATH_NORMALIZED:
        append_normalized_path(out, path);
        break;
    }
}

/* ---- query ----------------------------------------------------------------------------------- */

bool sigv4_escape_at(struct text text, size_t at, char *ret_byte)
{
    if (at + 2 >= text.bytes || text.start[at] != '%')
        return false;
    int high = text_hex_digit(text.start[at + 1]), low = text_hex_digit(text.start[at + 2]);
    if (high < 0 || low < 0)
        return false;
    unsigned char byte = (unsigned char)((unsigned)high << 4 | (unsigned)low);
    memcpy(ret_byte, &byte, 1);
    return true;
}

/* Canonical is the strict encoding of what was meant: an escape stands for its byte. */
static void append_parameter_part(struct buffer *out, struct text part)
{
    for (size_t i = 0; i < part.bytes; i++) {
        char c = part.start[i];
        if (sigv4_escape_at(part, i, &c))
            i += 2;
        sigv4_encode(out, (struct text){&c, 1}, '\0');
    }
}

static int compare_parameters(const void *left, const void *right)
{
    const struct parameter *a = left, *b = right;
    int order = text_compare(a->name, b->name);
    return order ? order : text_compare(a->value, b->value);
}

/* Writes each parameter encoded into scratch, then sorts those: the order is that of the encoded
 * bytes. */
static bool append_query(struct buffer *out, struct text query)
{
    AUTO_BUFFER struct buffer scratch = buffer_new(CANONICAL_BYTES_MAX);
    size_t ends[SIGV4_PARAMETERS_MAX][2];
    size_t count = 0;
    for (struct text rest = query; rest.bytes;) {
        struct text value, parameter = text_cut(rest, '&', &rest);
        if (!parameter.bytes)
            continue;
        if (count == SIGV4_PARAMETERS_MAX)
            return false;
        struct text name = text_cut(parameter, '=', &value);
        append_parameter_part(&scratch, name);
        ends[count][0] = scratch.bytes;
        append_parameter_part(&scratch, value);
        ends[count++][1] = scratch.bytes;
    }
    struct parameter parameters[SIGV4_PARAMETERS_MAX];
    for (size_t i = 0, start = 0; i < count; start = ends[i++][1]) {
        parameters[i].name = text_slice(buffer_text(&scratch), start, ends[i][0]);
        parameters[i].value = text_slice(buffer_text(&scratch), ends[i][0], ends[i][1]);
    }
    qsort(parameters, count, sizeof(parameters[0]), compare_parameters);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_append_char(out, '&');
        buffer_append_text(out, parameters[i].name);
        buffer_append_char(out, '=');
        buffer_append_text(out, parameters[i].value);
    }
    return !scratch.is_full;
}

/* ---- headers --------------------------------------------------------------------------------- */

static char lower(char c)
{
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz";
    if (c >= 'A' && c <= 'Z')
        return LETTERS[c - 'A'];
    return c;
}

static int compare_names(struct text a, struct text b)
{
    for (size_t i = 0; i < a.bytes && i < b.bytes; i++)
        if (lower(a.start[i]) != lower(b.start[i]))
            return lower(a.start[i]) < lower(b.start[i]) ? -1 : 1;
    return a.bytes == b.bytes ? 0 : a.bytes < b.bytes ? -1 : 1;
}

/* The headers by name; those of one name stay in the order in which they were given. */
static bool sort_headers(const struct sigv4_request *request,
                         const struct http_header *ret_sorted[SIGV4_HEADERS_MAX])
{
    if (request->header_count > SIGV4_HEADERS_MAX)
        return false;
    for (size_t i = 0; i < request->header_count; i++) {
        size_t at = i;
        for (; at && compare_names(ret_sorted[at - 1]->name, request->headers[i].name) > 0; at--)
            ret_sorted[at] = ret_sorted[at - 1];
        ret_sorted[at] = &request->headers[i];
    }
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trimmed, and every run of white space (folded lines too) becomes one space. */
static void append_value(struct buffer *out, struct text value)
{
    bool needs_space = false, has_content = false;
    for (size_t i = 0; i < value.bytes; i++) {
        if (is_space(value.start[i])) {
            needs_space = has_content;
            continue;
        }
        if (needs_space)
            buffer_append_char(out, ' ');
        needs_space = false;
        has_content = true;
        buffer_append_char(out, value.start[i]);
    }
}

static void append_name(struct buffer *out, struct text name)
{
    for (size_t i = 0; i < name.bytes; i++)
        buffer_append_char(out, lower(name.start[i]));
}

static bool append_headers(struct buffer *out, const struct sigv4_request *request)
{
    const struct http_header *sorted[SIGV4_HEADERS_MAX];
    if (!sort_headers(request, sorted))
        return false;
    for (size_t i = 0; i < request->header_count; i++) {
        bool is_same = i && compare_names(sorted[i - 1]->name, sorted[i]->name) == 0;
        if (i)
            buffer_append_char(out, is_same ? ',' : '\n');
        if (!is_same) {
            append_name(out, sorted[i]->name);
            buffer_append_char(out, ':');
        }
        append_value(out, sorted[i]->value);
    }
    if (request->header_count)
        buffer_append_char(out, '\n');
    return true;
}

static bool append_signed_names(struct buffer *out, const struct sigv4_request *request)
{
    const struct http_header *sorted[SIGV4_HEADERS_MAX];
    if (!sort_headers(request, sorted))
        return false;
    for (size_t i = 0; i < request->header_count; i++) {
        if (i && compare_names(sorted[i - 1]->name, sorted[i]->name) == 0)
            continue;
        if (i)
            buffer_append_char(out, ';');
        append_name(out, sorted[i]->name);
    }
    return true;
}

/* ---- signature ------------------------------------------------------------------------------- */

static void derive_key(const struct sigv4_request *request, const struct aws_key *key,
                       struct text day, uint8_t ret_key[SHA256_BYTES])
{
    AUTO_BUFFER struct buffer secret = buffer_new(SECRET_BYTES_MAX + 4);
    buffer_append_text(&secret, TEXT("AWS4"));
    buffer_append_text(&secret, key->secret);
    struct text steps[] = {day, request->region, request->service, TEXT("aws4_request")};
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(buffer_text(&secret), steps[0], mac);
    for (size_t i = 1; i < COUNT_OF(steps); i++) {
        struct text so_far = {(const char *)mac, sizeof(mac)};
        uint8_t next[SHA256_BYTES];
        hmac_sha256(so_far, steps[i], next);
        memcpy(mac, next, sizeof(mac));
    }
    memcpy(ret_key, mac, SHA256_BYTES);
    secret_wipe(secret.data, secret.bytes);
    secret_wipe(mac, sizeof(mac));
}

bool sigv4_canonical(const struct sigv4_request *request, struct buffer *out)
{
    buffer_append_text(out, request->method);
    buffer_append_char(out, '\n');
    append_path(out, request);
    buffer_append_char(out, '\n');
    if (!append_query(out, request->query))
        return false;
    buffer_append_char(out, '\n');
    if (!append_headers(out, request))
        return false;
    buffer_append_char(out, '\n');
    if (!append_signed_names(out, request))
        return false;
    buffer_append_char(out, '\n');
    buffer_append_text(out, request->payload_hash);
    return !out->is_full;
}

bool sigv4_authorization(const struct sigv4_request *request, const struct aws_key *key,
                         struct buffer *out)
{
    AUTO_BUFFER struct buffer canonical = buffer_new(CANONICAL_BYTES_MAX);
    AUTO_BUFFER struct buffer scope = buffer_new(1024);
    AUTO_BUFFER struct buffer to_sign = buffer_new(2048);
    if (!sigv4_canonical(request, &canonical))
        return false;
    char date[DATE_AMZ_BYTES];
    struct text day = {date_to_amz(request->wall_ms, date), 8};
    uint8_t hash[SHA256_BYTES], signing_key[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    sha256_of(buffer_text(&canonical), hash);
    hex_format(hash, sizeof(hash), hex);
    buffer_format(&scope, "%.*s/%.*s/%.*s/aws4_request", TEXT_ARGS(day), TEXT_ARGS(request->region),
                  TEXT_ARGS(request->service));
    buffer_format(&to_sign, "%s\n%s\n%.*s\n%s", ALGORITHM, date, TEXT_ARGS(buffer_text(&scope)),
                  hex);
    if (scope.is_full || to_sign.is_full || key->secret.bytes > SECRET_BYTES_MAX)
        return false;
    derive_key(request, key, day, signing_key);
    hmac_sha256((struct text){(const char *)signing_key, sizeof(signing_key)},
                buffer_text(&to_sign), hash);
    secret_wipe(signing_key, sizeof(signing_key));
    hex_format(hash, sizeof(hash), hex);
    buffer_format(out, "%s Credential=%.*s/%.*s, SignedHeaders=", ALGORITHM, TEXT_ARGS(key->id),
                  TEXT_ARGS(buffer_text(&scope)));
    if (!append_signed_names(out, request))
        return false;
    buffer_format(out, ", Signature=%s", hex);
    return !out->is_full;
}
