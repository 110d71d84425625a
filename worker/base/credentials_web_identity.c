/*
 * A service account's token (EKS and others project it into a file) is changed for a key by STS:
 * AssumeRoleWithWebIdentity, unsigned. The file is read each time: its token is replaced hourly.
 */
#include "worker/base/credentials_private.h"
#include "worker/base/date.h"

static bool find(const struct credentials_fetch *fetch, bool *ret_is_there, struct error *err)
{
    struct text file = credentials_variable(fetch, "AWS_WEB_IDENTITY_TOKEN_FILE");
    struct text role = credentials_variable(fetch, "AWS_ROLE_ARN");
    *ret_is_there = file.bytes && role.bytes;
    if (!file.bytes || role.bytes)
        return true; /* a role alone is what other sources use */
    return error_set(err, ERR_CONFIG,
                     "AWS_ROLE_ARN is not set, but AWS_WEB_IDENTITY_TOKEN_FILE is");
}

static void write_url(struct credentials_fetch *fetch)
{
    struct text endpoint = credentials_variable(fetch, "AWS_ENDPOINT_URL_STS");
    struct text region = fetch->region;
    if (!region.bytes)
        region = credentials_variable(fetch, "AWS_REGION");
    if (!region.bytes)
        region = credentials_variable(fetch, "AWS_DEFAULT_REGION");
    bool is_china = text_starts_with(region, TEXT("cn-"));
    if (endpoint.bytes)
        buffer_append_text(&fetch->url, endpoint);
    else if (region.bytes)
        buffer_format(&fetch->url, "https://sts.%.*s.amazonaws.com%s/", TEXT_ARGS(region),
                      is_china ? ".cn" : "");
    else
        buffer_append_text(&fetch->url, TEXT("https://sts.amazonaws.com/"));
}

static void add(struct buffer *body, const char *name, struct text value)
{
    buffer_format(body, "&%s=", name);
    sigv4_encode(body, value, '\0');
}

static bool write_body(struct credentials_fetch *fetch, struct error *err)
{
    struct text session = credentials_variable(fetch, "AWS_ROLE_SESSION_NAME");
    struct text file = credentials_variable(fetch, "AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!credentials_read_file(file, &fetch->secret, err))
        return false;
    buffer_append_text(&fetch->body, TEXT("Action=AssumeRoleWithWebIdentity&Version=2011-06-15"));
    add(&fetch->body, "RoleArn", credentials_variable(fetch, "AWS_ROLE_ARN"));
    add(&fetch->body, "RoleSessionName", session.bytes ? session : TEXT("millrace"));
    add(&fetch->body, "WebIdentityToken", text_trim(buffer_text(&fetch->secret)));
    return !fetch->body.is_full || error_set(err, ERR_CONFIG, "the token is too large");
}

static enum fetch_next ask(struct credentials_fetch *fetch, struct error *err)
{
    write_url(fetch);
    if (!write_body(fetch, err))
        return FETCH_FAILED;
    fetch->headers[0] =
        (struct http_header){TEXT("Content-Type"), TEXT("application/x-www-form-urlencoded")};
    fetch->http = (struct http_request){.method = "POST",
                                        .url = buffer_text(&fetch->url),
                                        .headers = fetch->headers,
                                        .header_count = 1,
                                        .body = buffer_text(&fetch->body)};
    return FETCH_SEND;
}

/* The text of an element that has no children. The names asked for occur once each, their values
 * need no escapes; what holds one is none of them. */
static struct text element(struct text xml, const char *name)
{
    char open[64], close[64];
    size_t at, end;
    if (!text_format(open, sizeof(open), "<%s>", name) ||
        !text_format(close, sizeof(close), "</%s>", name) || !text_find(xml, text_from(open), &at))
        return TEXT_NONE;
    struct text rest = text_slice(xml, at + text_from(open).bytes, xml.bytes);
    if (!text_find(rest, text_from(close), &end))
        return TEXT_NONE;
    struct text value = text_slice(rest, 0, end);
    return text_find(value, TEXT("&"), &at) || text_find(value, TEXT("<"), &at) ? TEXT_NONE : value;
}

static enum fetch_next read_answer(struct credentials_fetch *fetch, struct error *err)
{
    struct text xml = buffer_text(&fetch->http.reply);
    if (fetch->http.status != 200) {
        error_set(err, fetch->http.status >= 500 ? ERR_UNAVAILABLE : ERR_DENIED,
                  "STS answered HTTP %u %.*s", fetch->http.status,
                  TEXT_ARGS(text_slice(element(xml, "Code"), 0, 64)));
        return FETCH_FAILED;
    }
    struct aws_key key = {element(xml, "AccessKeyId"), element(xml, "SecretAccessKey"),
                          element(xml, "SessionToken")};
    if (!credentials_take(&fetch->key, &key, err))
        return FETCH_FAILED;
    if (date_from_iso(element(xml, "Expiration"), &fetch->key.expires_ms))
        return FETCH_DONE;
    error_set(err, ERR_PROTOCOL, "STS said no Expiration");
    return FETCH_FAILED;
}

static enum fetch_next advance(struct credentials_fetch *fetch, struct error *err)
{
    return fetch->answers ? read_answer(fetch, err) : ask(fetch, err);
}

const struct credentials_source CREDENTIALS_WEB_IDENTITY = {
    .title = "web identity (AWS_ROLE_ARN)",
    .find = find,
    .advance = advance,
    .timeout_ms = 10000,
    .attempts_max = 3,
};
