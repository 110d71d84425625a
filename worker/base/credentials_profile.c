/*
 * The shared credentials file of people's own machines. Only keys that stand in it: roles, SSO and
 * programs named in profiles are the business of the tools that write such keys there. The file is
 * read again every five minutes, since those tools replace what is in it.
 */
#include "worker/base/credentials_private.h"
#include "worker/base/memory.h"

#define REREAD_MS (UINT64_C(5) * 60 * 1000)

static bool write_path(const struct credentials_fetch *fetch, struct buffer *path)
{
    struct text file = credentials_variable(fetch, "AWS_SHARED_CREDENTIALS_FILE");
    struct text home = credentials_variable(fetch, "HOME");
    if (file.bytes)
        return buffer_append_text(path, file);
    return home.bytes && buffer_format(path, "%.*s/.aws/credentials", TEXT_ARGS(home));
}

static struct text profile_of(const struct credentials_fetch *fetch)
{
    struct text name = credentials_variable(fetch, "AWS_PROFILE");
    return name.bytes ? name : TEXT("default");
}

static bool opens_profile(struct text line, struct text profile)
{
    return line.bytes > 2 && line.start[0] == '[' && line.start[line.bytes - 1] == ']' &&
           text_equal(text_trim(text_slice(line, 1, line.bytes - 1)), profile);
}

static void take_line(struct text line, struct aws_key *key)
{
    struct text value, name = text_trim(text_cut(line, '=', &value));
    value = text_trim(value);
    if (text_equal_nocase(name, TEXT("aws_access_key_id")))
        key->id = value;
    else if (text_equal_nocase(name, TEXT("aws_secret_access_key")))
        key->secret = value;
    else if (text_equal_nocase(name, TEXT("aws_session_token")))
        key->session_token = value;
}

static struct aws_key read_profile(struct text content, struct text profile)
{
    struct aws_key key = {0};
    bool is_inside = false;
    while (content.bytes) {
        struct text line = text_trim(text_cut(content, '\n', &content));
        bool is_comment = line.bytes && (line.start[0] == '#' || line.start[0] == ';');
        if (line.bytes && line.start[0] == '[')
            is_inside = opens_profile(line, profile);
        else if (is_inside && !is_comment)
            take_line(line, &key);
    }
    return key;
}

static enum fetch_next advance(struct credentials_fetch *fetch, struct error *err)
{
    AUTO_BUFFER struct buffer path = buffer_new(4096);
    if (!write_path(fetch, &path)) {
        error_set(err, ERR_CONFIG,
                  "AWS_PROFILE is set, but neither HOME nor "
                  "AWS_SHARED_CREDENTIALS_FILE");
        return FETCH_FAILED;
    }
    buffer_clear(&fetch->secret);
    if (!credentials_read_file(buffer_text(&path), &fetch->secret, err))
        return FETCH_FAILED;
    struct aws_key key = read_profile(buffer_text(&fetch->secret), profile_of(fetch));
    if (!credentials_take(&fetch->key, &key, err)) {
        error_set(err, ERR_CONFIG,
                  "profile \"%.*s\" has no key in %.*s (roles and SSO are not read)",
                  TEXT_ARGS(profile_of(fetch)), TEXT_ARGS(buffer_text(&path)));
        return FETCH_FAILED;
    }
    fetch->key.reread_ms = REREAD_MS;
    return FETCH_DONE;
}

/* A file without the default profile is none of ours; one that was asked for must be there. */
static bool find(const struct credentials_fetch *fetch, bool *ret_is_there, struct error *err)
{
    struct credentials_fetch trial = {.getenv = fetch->getenv,
                                      .secret = buffer_new(CREDENTIALS_BYTES_MAX)};
    bool is_asked_for = credentials_variable(fetch, "AWS_PROFILE").bytes > 0;
    *ret_is_there = advance(&trial, err) == FETCH_DONE;
    credentials_key_wipe(&trial.key);
    if (trial.secret.data)
        secret_wipe(trial.secret.data, trial.secret.allocated_bytes);
    buffer_release(&trial.secret);
    return *ret_is_there || !is_asked_for;
}

const struct credentials_source CREDENTIALS_PROFILE = {
    .title = "the shared credentials file",
    .find = find,
    .advance = advance,
    .attempts_max = 1,
};
