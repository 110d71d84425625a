#include "store/pinecone_index.h"

#include "worker/base/http.h"
#include "worker/base/json.h"

#define TIMEOUT_MS 10000
#define REPLY_BYTES_MAX ((size_t)256 * 1024)
#define NAME_BYTES_MAX 45 /* corpus of the API: IndexModel.name, 1 to 45 of [a-z0-9-] */

struct lookup {
    struct http_request http;
    struct error err;
    bool is_done, has_failed, is_closed;
};

static void on_answered(struct http_request *request, const struct error *err)
{
    struct lookup *lookup = container_of(request, struct lookup, http);
    lookup->is_done = true;
    lookup->has_failed = err != NULL;
    if (err)
        lookup->err = *err;
}

static void on_closed(void *arg)
{
    struct lookup *lookup = arg;
    lookup->is_closed = true;
}

static bool check_name(struct text name, struct error *err)
{
    bool is_good = name.bytes > 0 && name.bytes <= NAME_BYTES_MAX;
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.start[i];
        is_good &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    return is_good || error_set(err, ERR_CONFIG,
                                "PINECONE_INDEX_NAME: 1 to 45 of lower-case letters, digits and -");
}

static bool read_answer(const struct lookup *lookup, struct text name, struct buffer *ret_host,
                        struct error *err)
{
    const struct http_request *http = &lookup->http;
    if (lookup->has_failed)
        return error_set(err, lookup->err.code, "%s", lookup->err.message);
    if (http->status == 404)
        return error_set(err, ERR_CONFIG, "there is no index %.*s", TEXT_ARGS(name));
    if (http->status == 401 || http->status == 403)
        return error_set(err, ERR_DENIED, "PINECONE_API_KEY is refused (%u)", http->status);
    if (http->status != 200)
        return error_set(err, ERR_UNAVAILABLE, "the control plane answers %u", http->status);
    AUTO_JSON struct json *answer = json_parse(buffer_text(&http->reply), err);
    struct text host = json_member_text(answer, "host");
    if (!host.bytes)
        return error_set(err, ERR_PROTOCOL, "the answer names no host");
    return buffer_append_text(ret_host, host) ||
           error_set(err, ERR_PROTOCOL, "the host in the answer is too long");
}

bool pinecone_find_host(struct loop *loop, const struct vectors_options *options,
                        struct buffer *ret_host, struct error *err)
{
    const struct http_options http_options = {
        .connections_max = 1,
        .connections_per_host_max = 1,
        .connect_timeout_ms = TIMEOUT_MS,
        .lane = LANE_STORE,
    };
    const struct http_header headers[] = {
        {TEXT("Api-Key"), options->api_key},
        {TEXT("X-Pinecone-Api-Version"), options->api_version},
        {TEXT("Accept"), TEXT("application/json")},
    };
    AUTO_BUFFER struct buffer url = buffer_new(4096);
    struct lookup lookup = {.is_done = false};
    if (!check_name(options->index_name, err))
        return false;
    struct http *http = http_open(loop, &http_options, err);
    if (!http)
        return false;
    buffer_format(&url, "%.*s/indexes/%.*s", TEXT_ARGS(options->controller),
                  TEXT_ARGS(options->index_name));
    lookup.http = (struct http_request){
        .method = "GET",
        .url = buffer_text(&url),
        .headers = headers,
        .header_count = COUNT_OF(headers),
        .timeout_ms = TIMEOUT_MS,
        .reply_bytes_max = REPLY_BYTES_MAX,
        .on_done = on_answered,
    };
    http_send(http, &lookup.http);
    while (!lookup.is_done)
        loop_run_once(loop, 1000);
    bool is_found = read_answer(&lookup, options->index_name, ret_host, err);
    http_request_release(&lookup.http);
    http_close(http, on_closed, &lookup);
    while (!lookup.is_closed)
        loop_run_once(loop, 1000);
    return is_found || error_wrap(err, "looking up PINECONE_INDEX_NAME");
}
