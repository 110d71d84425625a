/*
 * A key in the environment: the first source there is. Each part may lie in a file instead
 * (<NAME>_FILE), which is read again every five minutes.
 */
#include "worker/base/credentials_private.h"
#include "worker/base/memory.h"

#define REREAD_MS (UINT64_C(5) * 60 * 1000)

static struct text file_of(const struct credentials_fetch *fetch, const char *name)
{
    char file[64];
    bool is_set = credentials_variable(fetch, name).bytes > 0;
    return !is_set && text_format(file, sizeof(file), "%s_FILE", name)
               ? credentials_variable(fetch, file)
               : TEXT_NONE;
}

static bool is_given(const struct credentials_fetch *fetch, const char *name)
{
    return credentials_variable(fetch, name).bytes || file_of(fetch, name).bytes;
}

static bool find(const struct credentials_fetch *fetch, bool *ret_is_there, struct error *err)
{
    bool has_id = is_given(fetch, "AWS_ACCESS_KEY_ID");
    bool has_secret = is_given(fetch, "AWS_SECRET_ACCESS_KEY");
    *ret_is_there = has_id && has_secret;
    if (has_id == has_secret)
        return true;
    return error_set(err, ERR_CONFIG, "%s is not set, but the other half of the key is",
                     has_id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
}

/* Appends the part to fetch->secret; its place there, since the buffer may still move. */
static bool read_part(struct credentials_fetch *fetch, const char *name, size_t ret_place[2],
                      struct error *err)
{
    struct text file = file_of(fetch, name);
    ret_place[0] = fetch->secret.bytes;
    buffer_append_text(&fetch->secret, credentials_variable(fetch, name));
    if (file.bytes && !credentials_read_file(file, &fetch->secret, err))
        return false;
    fetch->key.reread_ms = file.bytes ? REREAD_MS : fetch->key.reread_ms;
    ret_place[1] = fetch->secret.bytes;
    return true;
}

static enum fetch_next advance(struct credentials_fetch *fetch, struct error *err)
{
    size_t id[2], secret[2], token[2];
    if (!read_part(fetch, "AWS_ACCESS_KEY_ID", id, err) ||
        !read_part(fetch, "AWS_SECRET_ACCESS_KEY", secret, err) ||
        !read_part(fetch, "AWS_SESSION_TOKEN", token, err))
        return FETCH_FAILED;
    struct text parts = buffer_text(&fetch->secret);
    uint64_t reread_ms = fetch->key.reread_ms;
    struct aws_key key = {text_trim(text_slice(parts, id[0], id[1])),
                          text_trim(text_slice(parts, secret[0], secret[1])),
                          text_trim(text_slice(parts, token[0], token[1]))};
    if (!credentials_take(&fetch->key, &key, err))
        return FETCH_FAILED;
    fetch->key.reread_ms = reread_ms;
    return FETCH_DONE;
}

const struct credentials_source CREDENTIALS_ENVIRONMENT = {
    .title = "the environment",
    .find = find,
    .advance = advance,
    .attempts_max = 1,
};
