#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "queue/s3_private.h"
#include "worker/base/memory.h"

#define QUERY_BYTES_MAX ((size_t)12 * 1024)
#define AUTHORIZATION_BYTES_MAX ((size_t)8 * 1024)

/* ---- what is sent ---------------------------------------------------------------------------- */

static void add_parameter(struct buffer *query, const char *name, struct text value)
{
    if (query->bytes)
        buffer_append_char(query, '&');
    buffer_format(query, "%s=", name);
    sigv4_encode(query, value, '\0');
}

static void build_query(struct s3_call *call)
{
    struct object_request *request = call->request;
    call->query = buffer_new(QUERY_BYTES_MAX);
    if (request->verb == OBJECT_LIST) {
        add_parameter(&call->query, "list-type", TEXT("2"));
        add_parameter(&call->query, "encoding-type", TEXT("url"));
        add_parameter(&call->query, "max-keys", TEXT("1000"));
        add_parameter(&call->query, "prefix", request->key);
        if (call->next_token)
            add_parameter(&call->query, "continuation-token", text_from(call->next_token));
    } else if (request->verb != OBJECT_PUT && request->version_id.bytes) {
        add_parameter(&call->query, "versionId", request->version_id);
    }
}

static bool write_part(struct http_request *http, struct text bytes);

static void add_header(struct s3_call *call, struct text name, struct text value)
{
    assert(call->http.header_count < S3_HEADERS_MAX);
    call->headers[call->http.header_count++] = (struct http_header){name, value};
}

static bool is_text_of_a_header(struct text value)
{
    for (size_t i = 0; i < value.bytes; i++)
        if ((unsigned char)value.start[i] < 0x20 || value.start[i] == 0x7f)
            return false;
    return true;
}

static struct text payload_hash(const struct s3_call *call)
{
    if (call->request->verb != OBJECT_PUT)
        return SIGV4_EMPTY_PAYLOAD;
    /* TLS protects the body; without it the signature must. */
    return call->s3->place.is_https ? SIGV4_UNSIGNED_PAYLOAD : text_from(call->body_hash);
}

static bool add_match(struct s3_call *call, struct text name, struct text etag, struct error *err)
{
    if (!etag.bytes)
        return true;
    if (!is_text_of_a_header(etag))
        return error_set(err, ERR_BUG, "an eTag with control characters");
    call->match = buffer_new(2 * ETAG_BYTES_MAX);
    buffer_format(&call->match, "\"%.*s\"", TEXT_ARGS(etag));
    add_header(call, name, buffer_text(&call->match));
    return true;
}

static void add_range(struct s3_call *call)
{
    const struct s3_piece *piece = call->piece;
    call->range = buffer_new(64);
    if (call->is_probe)
        buffer_append_text(&call->range, TEXT("bytes=0-0"));
    else if (piece && piece->bytes)
        buffer_format(&call->range, "bytes=%" PRIu64 "-%" PRIu64, piece->from,
                      piece->from + piece->bytes - 1);
    if (call->range.bytes)
        add_header(call, TEXT("Range"), buffer_text(&call->range));
}

static void add_customer_key(struct s3_call *call)
{
    if (!call->s3->sse_key[0] || call->request->verb == OBJECT_LIST)
        return;
    add_header(call, TEXT("x-amz-server-side-encryption-customer-algorithm"), TEXT("AES256"));
    add_header(call, TEXT("x-amz-server-side-encryption-customer-key"),
               text_from(call->s3->sse_key));
    add_header(call, TEXT("x-amz-server-side-encryption-customer-key-MD5"),
               text_from(call->s3->sse_key_md5));
}

static bool add_headers(struct s3_call *call, struct error *err)
{
    const struct object_request *request = call->request;
    bool is_read = request->verb == OBJECT_GET || request->verb == OBJECT_HEAD;
    bool is_part = call->piece && call->piece->bytes;
    add_header(call, TEXT("Host"), buffer_text(&call->address.host));
    if (is_part && !add_match(call, TEXT("If-Match"), text_from(call->piece->etag), err))
        return false;
    if (is_read && !is_part && !add_match(call, TEXT("If-None-Match"), request->if_none_match, err))
        return false;
    add_range(call);
    add_customer_key(call);
    if (call->s3->requester_pays) /* without it such a bucket answers 403 to everybody */
        add_header(call, TEXT("x-amz-request-payer"), TEXT("requester"));
    if (is_read && !call->range.bytes) /* of a part there is none */
        add_header(call, TEXT("x-amz-checksum-mode"), TEXT("ENABLED"));
    if (request->verb == OBJECT_PUT && text_ends_with(request->key, TEXT(".pdf")))
        add_header(call, TEXT("Content-Type"), TEXT("application/pdf"));
    return true;
}

static bool sign(struct s3_call *call, const struct aws_key *key, struct error *err)
{
    uint64_t wall_ms = (uint64_t)((int64_t)loop_wall_ms(call->s3->loop) + call->s3->skew_ms);
    add_header(call, TEXT("x-amz-content-sha256"), payload_hash(call));
    add_header(call, TEXT("x-amz-date"), text_from(date_to_amz(wall_ms, call->date)));
    if (key->session_token.bytes)
        add_header(call, TEXT("x-amz-security-token"), key->session_token);
    struct text region = s3_region_of(call->s3, call->request->bucket);
    (void)text_format(call->key_id, sizeof(call->key_id), "%.*s", TEXT_ARGS(key->id));
    struct sigv4_request request = {.method = text_from(call->http.method),
                                    .path = buffer_text(&call->address.path),
                                    .query = buffer_text(&call->query),
                                    .headers = call->headers,
                                    .header_count = call->http.header_count,
                                    .payload_hash = payload_hash(call),
                                    .region =
                                        region.bytes ? region : text_from(call->s3->place.region),
                                    .service = TEXT("s3"),
                                    .wall_ms = wall_ms,
                                    .path_rule = SIGV4_PATH_AS_SENT};
    call->authorization = buffer_new(AUTHORIZATION_BYTES_MAX);
    if (!sigv4_authorization(&request, key, &call->authorization))
        return error_set(err, ERR_CONFIG, "the AWS key is longer than a key can be");
    add_header(call, TEXT("Authorization"), buffer_text(&call->authorization));
    return true;
}

static const char *method_of(const struct s3_call *call)
{
    switch (call->request->verb) {
    case OBJECT_GET:
    case OBJECT_LIST:
        break;
    case OBJECT_HEAD:
        return call->is_probe ? "GET" : "HEAD";
    case OBJECT_PUT:
        return "PUT";
    }
    return "GET";
}

static size_t reply_bytes_max(const struct s3_call *call)
{
    if (call->request->verb == OBJECT_GET)
        return (size_t)call->s3->bytes_max;
    return call->request->verb == OBJECT_LIST ? S3_LIST_BYTES_MAX : S3_ERROR_BYTES_MAX;
}

bool s3_call_build(struct s3_call *call, const struct aws_key *key, struct error *err)
{
    struct object_request *request = call->request;
    bool is_list = request->verb == OBJECT_LIST;
    build_query(call);
    struct s3_where where = {.bucket = request->bucket,
                             .key = is_list ? TEXT_NONE : request->key,
                             .region = s3_region_of(call->s3, request->bucket),
                             .query = buffer_text(&call->query)};
    if (call->query.is_full)
        return error_set(err, ERR_EVENT_KEY, "the prefix or version is longer than it can be");
    if (!s3_address_of(&call->s3->place, &where, &call->address, err))
        return false;
    call->http = (struct http_request){.method = method_of(call),
                                       .url = buffer_text(&call->address.url),
                                       .headers = call->headers,
                                       .reply_bytes_max = reply_bytes_max(call)};
    if (request->verb == OBJECT_GET && !call->piece)
        call->http.reply_fd = request->body_fd;
    if (request->verb == OBJECT_PUT && request->put_bytes) {
        call->http.body_fd = request->put_fd;
        call->http.body_fd_bytes = request->put_bytes;
    }
    if (call->piece && call->piece->bytes) {
        call->piece_bytes = 0;
        call->http.on_data = write_part;
    }
    return add_headers(call, err) && (!key || sign(call, key, err));
}

void s3_call_release(struct s3_call *call)
{
    http_request_release(&call->http);
    call->http = (struct http_request){0};
    s3_address_release(&call->address);
    buffer_release(&call->query);
    buffer_release(&call->match);
    buffer_release(&call->range);
    buffer_release(&call->authorization);
}

/* ---- what came ------------------------------------------------------------------------------- */

static bool header_is(const struct s3_call *call, const char *name, const char *value)
{
    return text_equal_nocase(http_reply_header(&call->http, name), text_from(value));
}

struct s3_answer s3_call_answer(const struct s3_call *call, struct s3_fault *fault)
{
    bool has_fault = s3_xml_fault(buffer_text(&call->http.reply), fault);
    return (struct s3_answer){.status = call->http.status,
                              .verb = call->is_probe ? OBJECT_GET : call->request->verb,
                              .bucket = call->request->bucket,
                              .fault = has_fault ? fault : NULL,
                              .is_deleted = header_is(call, "x-amz-delete-marker", "true"),
                              .region = http_reply_header(&call->http, "x-amz-bucket-region")};
}

static uint32_t retry_after_ms(const struct s3_call *call)
{
    uint64_t own_ms; /* S3's own header, in milliseconds */
    if (text_parse_u64(http_reply_header(&call->http, "x-amz-retry-after"), &own_ms))
        return own_ms < UINT32_MAX ? (uint32_t)own_ms : UINT32_MAX;
    return http_retry_after_ms(&call->http, loop_wall_ms(call->s3->loop));
}

static bool refuse(struct s3_call *call, struct error *err)
{
    struct s3_fault fault;
    struct s3_answer answer = s3_call_answer(call, &fault);
    s3_refuse(&answer, err);
    err->retry_after_ms = retry_after_ms(call);
    return false;
}

static void read_modified(struct s3_call *call)
{
    struct text modified = http_reply_header(&call->http, "Last-Modified");
    if (!date_from_http(modified, &call->request->modified_ms))
        call->request->modified_ms = 0;
}

static bool read_headers(struct s3_call *call, struct error *err)
{
    struct object_request *request = call->request;
    struct text etag = s3_etag(http_reply_header(&call->http, "ETag"));
    struct text type = http_reply_header(&call->http, "Content-Type");
    if (!etag.bytes || !text_format(request->etag, sizeof(request->etag), "%.*s", TEXT_ARGS(etag)))
        return error_set(err, ERR_PROTOCOL, "bucket \"%.*s\": an answer without a usable eTag",
                         TEXT_ARGS(request->bucket));
    if (s3_etag_is_spoiled(etag))
        return error_set(err, ERR_CHECKSUM, "the eTag is not what was sent");
    (void)text_format(request->content_type, sizeof(request->content_type), "%.*s",
                      TEXT_ARGS(type)); /* a cut one will do */
    read_modified(call);
    return true;
}

/* A body shorter than promised must never pass for the object. */
static bool check_length(struct s3_call *call, struct error *err)
{
    struct object_request *request = call->request;
    struct text header = http_reply_header(&call->http, "Content-Length");
    uint64_t promised;
    bool has_length = text_parse_u64(header, &promised);
    if (request->verb == OBJECT_HEAD) {
        request->body_bytes = has_length ? promised : 0;
        return true;
    }
    request->body_bytes = call->http.reply_bytes;
    if (!has_length || promised == call->http.reply_bytes)
        return true;
    return error_set(err, ERR_CHECKSUM, "fewer bytes came than were promised");
}

static bool is_part_asked_for(const struct s3_call *call)
{
    char start[64];
    const struct s3_piece *piece = call->piece;
    return text_format(start, sizeof(start), "bytes %" PRIu64 "-%" PRIu64 "/", piece->from,
                       piece->from + piece->bytes - 1) &&
           text_starts_with(http_reply_header(&call->http, "Content-Range"), text_from(start));
}

/* A server that answers with the whole, or with some other part, is asked for no parts again. */
static bool write_part(struct http_request *http, struct text bytes)
{
    struct s3_call *call = container_of(http, struct s3_call, http);
    struct s3_piece *piece = call->piece;
    piece->was_ignored |=
        !is_part_asked_for(call) || bytes.bytes > piece->bytes - call->piece_bytes;
    while (bytes.bytes && !piece->was_ignored) {
        ssize_t written =
            pwrite(piece->fd, bytes.start, bytes.bytes, (off_t)(piece->from + call->piece_bytes));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        call->piece_bytes += (uint64_t)written;
        bytes = text_slice(bytes, (size_t)written, bytes.bytes);
    }
    return !piece->was_ignored;
}

static bool read_part(struct s3_call *call, struct error *err)
{
    unsigned status = call->http.status;
    if (status == 412)
        return error_set(err, ERR_NOT_YET, "the object was overwritten while it came");
    if (status != 200 && status != 206)
        return refuse(call, err);
    if (status == 206 && call->piece_bytes == call->piece->bytes)
        return true;
    call->piece->was_ignored = true;
    return error_set(err, ERR_PROTOCOL, "not the part of the object that was asked for");
}

bool s3_call_read(struct s3_call *call, struct error *err)
{
    struct object_request *request = call->request;
    unsigned status = call->http.status;
    bool is_look = request->verb == OBJECT_HEAD || request->verb == OBJECT_GET;
    if (status == 304 && is_look && request->if_none_match.bytes) {
        request->is_unchanged = true;
        (void)text_format(request->etag, sizeof(request->etag), "%.*s",
                          TEXT_ARGS(request->if_none_match));
        read_modified(call); /* how old the live version is decides whether an event is older */
        return true;
    }
    if (call->is_probe && (status == 200 || status == 206 || status == 416))
        return error_set(err, ERR_NOT_YET, "the object was not there and then it was");
    if (call->piece && call->piece->bytes)
        return read_part(call, err);
    if (status != 200)
        return refuse(call, err);
    switch (request->verb) {
    case OBJECT_LIST:
        return s3_xml_list(buffer_text(&call->http.reply), &call->arena, call->list, err);
    case OBJECT_PUT:
        return read_headers(call, err);
    case OBJECT_GET:
    case OBJECT_HEAD:
        break;
    }
    return read_headers(call, err) && check_length(call, err);
}

/* With a key of KMS or of the customer the eTag is something else of the same form. */
static bool has_md5(const struct s3_call *call)
{
    struct text encryption = http_reply_header(&call->http, "x-amz-server-side-encryption");
    bool is_plain = !encryption.bytes || text_equal(encryption, TEXT("AES256"));
    return is_plain && !call->s3->has_other_etags &&
           !http_reply_header(&call->http, "x-amz-server-side-encryption-customer-algorithm").bytes;
}

struct checksum s3_call_checksum(const struct s3_call *call)
{
    struct checksum sum = {.kind = CHECKSUM_NONE};
    bool is_composed = header_is(call, "x-amz-checksum-type", "COMPOSITE");
    for (enum checksum_kind kind = CHECKSUM_MD5 + 1; kind < CHECKSUM_KIND_COUNT; kind++) {
        struct text value = http_reply_header(&call->http, checksum_header(kind));
        if (!is_composed && value.bytes && checksum_parse(kind, value, &sum))
            return sum;
    }
    if (has_md5(call) && !checksum_parse(CHECKSUM_MD5, text_from(call->request->etag), &sum))
        sum.kind = CHECKSUM_NONE; /* of several parts, or of another vendor's making */
    return sum;
}
