/*
 * The agent beside a container: ECS tells a path of its fixed address, EKS pod identity a whole
 * address and a token, which is read each time, since its file is replaced.
 */
#include "worker/base/credentials_private.h"

#define ECS_HOST "http://169.254.170.2"

/* Over plain http the key goes nowhere but to this machine or the agents' link-local addresses. */
static bool is_near(struct text host)
{
    static const char *const HOSTS[] = {"localhost",     "127.0.0.1",      "[::1]",
                                        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    for (size_t i = 0; i < COUNT_OF(HOSTS); i++)
        if (text_equal_nocase(host, text_from(HOSTS[i])))
            return true;
    return false;
}

static bool is_allowed(struct text url)
{
    if (text_starts_with(url, TEXT("https://")))
        return true;
    if (!text_starts_with(url, TEXT("http://")))
        return false;
    struct text rest, authority = text_slice(url, 7, url.bytes);
    authority = text_cut(authority, '/', &rest);
    authority = text_cut(authority, '?', &rest);
    bool is_v6 = authority.bytes && authority.start[0] == '[';
    size_t end;
    if (is_v6 && !text_find(authority, TEXT("]"), &end))
        return false;
    struct text host = is_v6 ? text_slice(authority, 0, end + 1) : text_cut(authority, ':', &rest);
    struct text port = text_slice(authority, host.bytes, authority.bytes);
    uint64_t number;
    if (port.bytes &&
        (port.start[0] != ':' || !text_parse_u64(text_slice(port, 1, port.bytes), &number)))
        return false; /* also user@host */
    return is_near(host);
}

static bool find(const struct credentials_fetch *fetch, bool *ret_is_there, struct error *err)
{
    struct text path = credentials_variable(fetch, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct text url = credentials_variable(fetch, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    *ret_is_there = path.bytes || url.bytes;
    if (path.bytes && path.start[0] != '/')
        return error_set(err, ERR_CONFIG,
                         "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with /");
    if (path.bytes || !url.bytes || is_allowed(url))
        return true;
    return error_set(err, ERR_CONFIG,
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this "
                     "machine or of an AWS agent");
}

static bool read_token(struct credentials_fetch *fetch, struct error *err)
{
    struct text file = credentials_variable(fetch, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct text token = credentials_variable(fetch, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    size_t at;
    if (!file.bytes) {
        buffer_append_text(&fetch->secret, token);
    } else if (!credentials_read_file(file, &fetch->secret, err)) {
        return false;
    }
    token = text_trim(buffer_text(&fetch->secret));
    if (text_find(token, TEXT("\r"), &at) || text_find(token, TEXT("\n"), &at))
        return error_set(err, ERR_CONFIG, "the container's authorization token has several lines");
    fetch->headers[0] = (struct http_header){TEXT("Authorization"), token};
    return true;
}

static enum fetch_next ask(struct credentials_fetch *fetch, struct error *err)
{
    struct text path = credentials_variable(fetch, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct text url = credentials_variable(fetch, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!read_token(fetch, err))
        return FETCH_FAILED;
    if (path.bytes)
        buffer_format(&fetch->url, ECS_HOST "%.*s", TEXT_ARGS(path));
    else
        buffer_append_text(&fetch->url, url);
    fetch->http = (struct http_request){.method = "GET",
                                        .url = buffer_text(&fetch->url),
                                        .headers = fetch->headers,
                                        .header_count = fetch->headers[0].value.bytes ? 1 : 0};
    return FETCH_SEND;
}

static enum fetch_next advance(struct credentials_fetch *fetch, struct error *err)
{
    if (fetch->answers == 0)
        return ask(fetch, err);
    unsigned status = fetch->http.status;
    if (status == 200)
        return credentials_read_json(fetch, err) ? FETCH_DONE : FETCH_FAILED;
    error_set(err, status >= 500 ? ERR_UNAVAILABLE : ERR_DENIED, "the agent answered HTTP %u",
              status);
    return FETCH_FAILED;
}

const struct credentials_source CREDENTIALS_CONTAINER = {
    .title = "the container's agent",
    .find = find,
    .advance = advance,
    .timeout_ms = 5000,
    .attempts_max = 3,
};
