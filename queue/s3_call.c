#include <string.h>

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

static bool add_headers(struct s3_call *call, struct error *err)
{
    struct object_request *request = call->request;
    add_header(call, TEXT("Host"), buffer_text(&call->address.host));
    if (request->verb == OBJECT_GET && request->if_none_match.bytes) {
        if (!is_text_of_a_header(request->if_none_match))
            return error_set(err, ERR_BUG, "an eTag with control characters");
        call->if_none_match = buffer_new(2 * ETAG_BYTES_MAX);
        buffer_format(&call->if_none_match, "\"%.*s\"", TEXT_ARGS(request->if_none_match));
        add_header(call, TEXT("If-None-Match"), buffer_text(&call->if_none_match));
    }
    if (call->is_probe)
        add_header(call, TEXT("Range"), TEXT("bytes=0-0"));
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
    struct sigv4_request request = {.method = text_from(call->http.method),
                                    .path = buffer_text(&call->address.path),
                                    .query = buffer_text(&call->query),
                                    .headers = call->headers,
                                    .header_count = call->http.header_count,
                                    .payload_hash = payload_hash(call),
                                    .region = text_from(call->s3->place.region),
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
                             .query = buffer_text(&call->query)};
    if (call->query.is_full)
        return error_set(err, ERR_EVENT_KEY, "the prefix or version is longer than it can be");
    if (!s3_address_of(&call->s3->place, &where, &call->address, err))
        return false;
    call->http = (struct http_request){.method = method_of(call),
                                       .url = buffer_text(&call->address.url),
                                       .headers = call->headers,
                                       .reply_bytes_max = reply_bytes_max(call)};
    if (request->verb == OBJECT_GET)
        call->http.reply_fd = request->body_fd;
    if (request->verb == OBJECT_PUT && request->put_bytes) {
        call->http.body_fd = request->put_fd;
        call->http.body_fd_bytes = request->put_bytes;
    }
    return add_headers(call, err) && (!key || sign(call, key, err));
}

void s3_call_release(struct s3_call *call)
{
    http_request_release(&call->http);
    call->http = (struct http_request){0};
    s3_address_release(&call->address);
    buffer_release(&call->query);
    buffer_release(&call->if_none_match);
    buffer_release(&call->authorization);
}

/* ---- what came ------------------------------------------------------------------------------- */

static bool header_is(const struct s3_call *call, const char *name, const char *value)
{
    return text_equal_nocase(http_reply_header(&call->http, name), text_from(value));
}

static bool refuse(struct s3_call *call, struct error *err)
{
    struct s3_fault fault;
    bool has_fault = s3_xml_fault(buffer_text(&call->http.reply), &fault);
    struct s3_answer answer = {.status = call->http.status,
                               .verb = call->request->verb,
                               .bucket = call->request->bucket,
                               .fault = has_fault ? &fault : NULL,
                               .is_deleted = header_is(call, "x-amz-delete-marker", "true"),
                               .region = http_reply_header(&call->http, "x-amz-bucket-region")};
    s3_refuse(&answer, err);
    err->retry_after_ms = http_retry_after_ms(&call->http, loop_wall_ms(call->s3->loop));
    return false;
}

bool s3_call_learn_skew(struct s3_call *call)
{
    struct s3_fault fault;
    uint64_t server_ms;
    if (call->http.status != 403 || call->was_skewed)
        return false;
    struct text date = http_reply_header(&call->http, "Date");
    /* HEAD's 403 has no words: a clock that is off by more than S3 allows tells as well. */
    bool is_said = s3_xml_fault(buffer_text(&call->http.reply), &fault) &&
                   strcmp(fault.code, "RequestTimeTooSkewed") == 0;
    if (!date_from_http(date, &server_ms))
        return false;
    int64_t skew_ms = (int64_t)server_ms - (int64_t)loop_wall_ms(call->s3->loop);
    int64_t change_ms = skew_ms - call->s3->skew_ms;
    const int64_t allowed_ms = INT64_C(15) * 60 * 1000;
    bool is_shown = call->request->verb == OBJECT_HEAD && !call->is_probe &&
                    (change_ms > allowed_ms || change_ms < -allowed_ms);
    if (!is_said && !is_shown)
        return false;
    call->was_skewed = true;
    call->s3->skew_ms = skew_ms;
    return true;
}

static bool read_headers(struct s3_call *call, struct error *err)
{
    struct object_request *request = call->request;
    struct text etag = s3_etag(http_reply_header(&call->http, "ETag"));
    struct text type = http_reply_header(&call->http, "Content-Type");
    if (!etag.bytes || !text_format(request->etag, sizeof(request->etag), "%.*s", TEXT_ARGS(etag)))
        return error_set(err, ERR_PROTOCOL, "bucket \"%.*s\": an answer without a usable eTag",
                         TEXT_ARGS(request->bucket));
    (void)text_format(request->content_type, sizeof(request->content_type), "%.*s",
                      TEXT_ARGS(type)); /* a cut one will do */
    if (!date_from_http(http_reply_header(&call->http, "Last-Modified"), &request->modified_ms))
        request->modified_ms = 0;
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

bool s3_call_read(struct s3_call *call, struct error *err)
{
    struct object_request *request = call->request;
    unsigned status = call->http.status;
    if (status == 304 && request->verb == OBJECT_GET && request->if_none_match.bytes) {
        request->is_unchanged = true;
        (void)text_format(request->etag, sizeof(request->etag), "%.*s",
                          TEXT_ARGS(request->if_none_match));
        return true;
    }
    if (call->is_probe && (status == 200 || status == 206 || status == 416))
        return error_set(err, ERR_NOT_YET, "the object was not there and then it was");
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

bool s3_call_has_md5(const struct s3_call *call)
{
    const struct object_request *request = call->request;
    uint8_t ignored[16];
    struct text encryption = http_reply_header(&call->http, "x-amz-server-side-encryption");
    /* With a key of KMS or of the customer the eTag is something else of the same form. */
    bool is_plain = !encryption.bytes || text_equal(encryption, TEXT("AES256"));
    return request->verb == OBJECT_GET && !request->is_unchanged && !call->s3->has_other_etags &&
           is_plain &&
           !http_reply_header(&call->http, "x-amz-server-side-encryption-customer-algorithm")
                .bytes &&
           s3_etag_md5(text_from(request->etag), ignored);
}
