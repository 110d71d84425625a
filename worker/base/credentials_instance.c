/*
 * The role of an EC2 instance, by version 2 of its metadata service alone: a session token is put
 * first, so that nothing which can only make others GET reaches the key. Where nobody answers, this
 * is no such machine.
 */
#include "worker/base/credentials_private.h"
#include "worker/base/json.h"

#define PATH "/latest/meta-data/iam/security-credentials/"
#define ROLE_BYTES_MAX 128

static bool find(const struct credentials_fetch *fetch, bool *ret_is_there, struct error *err)
{
    (void)err;
    struct text disabled = credentials_variable(fetch, "AWS_EC2_METADATA_DISABLED");
    *ret_is_there = !text_equal_nocase(disabled, TEXT("true"));
    return true;
}

static void write_url(struct credentials_fetch *fetch, const char *path, struct text role)
{
    struct text base = credentials_variable(fetch, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    struct text mode = credentials_variable(fetch, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    bool is_v6 = text_equal_nocase(mode, TEXT("IPv6"));
    if (!base.bytes)
        base = is_v6 ? TEXT("http://[fd00:ec2::254]") : TEXT("http://169.254.169.254");
    while (text_ends_with(base, TEXT("/")))
        base.bytes--;
    buffer_clear(&fetch->url);
    buffer_format(&fetch->url, "%.*s%s", TEXT_ARGS(base), path);
    sigv4_encode(&fetch->url, role, '\0');
}

static enum fetch_next send(struct credentials_fetch *fetch, const char *method,
                            struct http_header header)
{
    http_request_release(&fetch->http);
    fetch->headers[0] = header;
    fetch->http = (struct http_request){.method = method,
                                        .url = buffer_text(&fetch->url),
                                        .headers = fetch->headers,
                                        .header_count = 1};
    return FETCH_SEND;
}

static enum fetch_next ask_for(struct credentials_fetch *fetch, struct text role)
{
    write_url(fetch, PATH, role);
    return send(
        fetch, "GET",
        (struct http_header){TEXT("x-aws-ec2-metadata-token"), buffer_text(&fetch->secret)});
}

static enum fetch_next ask_for_session(struct credentials_fetch *fetch)
{
    write_url(fetch, "/latest/api/token", TEXT_NONE);
    return send(fetch, "PUT",
                (struct http_header){TEXT("x-aws-ec2-metadata-token-ttl-seconds"), TEXT("21600")});
}

static enum fetch_next ask_for_key(struct credentials_fetch *fetch, struct error *err)
{
    struct text rest, role = text_trim(text_cut(buffer_text(&fetch->http.reply), '\n', &rest));
    char name[ROLE_BYTES_MAX];
    if (!role.bytes || !text_format(name, sizeof(name), "%.*s", TEXT_ARGS(role))) {
        error_set(err, ERR_PROTOCOL, "the instance's metadata service names no role");
        return FETCH_FAILED;
    }
    return ask_for(fetch, text_from(name));
}

static enum fetch_next read_key(struct credentials_fetch *fetch, struct error *err)
{
    AUTO_JSON struct json *answer = json_parse(buffer_text(&fetch->http.reply), err);
    if (!answer)
        return FETCH_FAILED;
    struct text code = json_member_text(answer, "Code");
    if (code.bytes && !text_equal(code, TEXT("Success"))) {
        error_set(err, ERR_UNAVAILABLE, "the instance's metadata service says %.*s",
                  TEXT_ARGS(text_slice(code, 0, 64)));
        return FETCH_FAILED;
    }
    return credentials_read_json(fetch, err) ? FETCH_DONE : FETCH_FAILED;
}

static enum fetch_next advance(struct credentials_fetch *fetch, struct error *err)
{
    if (fetch->answers == 0)
        return ask_for_session(fetch);
    unsigned status = fetch->http.status;
    if (fetch->answers == 2 && status == 404)
        return FETCH_NONE; /* an instance without a role */
    if (status != 200) {
        error_set(err, status >= 500 ? ERR_UNAVAILABLE : ERR_DENIED,
                  "the instance's metadata service answered HTTP %u", status);
        return FETCH_FAILED;
    }
    if (fetch->answers == 1) {
        buffer_append_text(&fetch->secret, text_trim(buffer_text(&fetch->http.reply)));
        return ask_for(fetch, TEXT_NONE);
    }
    return fetch->answers == 2 ? ask_for_key(fetch, err) : read_key(fetch, err);
}

const struct credentials_source CREDENTIALS_INSTANCE = {
    .title = "the instance's role",
    .find = find,
    .advance = advance,
    .timeout_ms = 5000, /* connecting: one second (credentials.c) */
    .attempts_max = 2,
    .is_optional = true,
};
